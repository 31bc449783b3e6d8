"""Write docs/settings.md and the tables of docs/calls.md, as ``catalogue.json`` has them."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "lambda_src/secret_rotation/catalogue.json"
PAGE = ROOT / "docs/settings.md"
CALLS = ROOT / "docs/calls.md"

INTRODUCTION = """# Settings

`make docs` generates this page from `lambda_src/secret_rotation/catalogue.json`. Terraform checks names and values
against that file at plan time, and the function checks them again when it starts. All values are strings.
"""
TARGETS = """## Targets

The `settings` of `target`, for each `type`. Where the default is a key of the secret, the setting takes precedence over
that key.
"""
GENERATORS = """## Generators

The settings of an entry of `generators`, for each `type`.
"""


def main() -> int:
    """Write the pages."""
    PAGE.write_text(page(), "utf-8")
    CALLS.write_text(calls(CALLS.read_text("utf-8")), "utf-8")
    return 0


def page() -> str:
    """The page's text."""
    found: dict[str, dict[str, Any]] = json.loads(CATALOGUE.read_text("utf-8"))
    targets = (_section(kind, about) for kind, about in found["targets"].items())
    generators = (_section(kind, about) for kind, about in found["generators"].items())
    return "\n".join([INTRODUCTION, TARGETS, *targets, GENERATORS, *generators])


def calls(text: str) -> str:
    """The page of described requests, ``text``, with its tables."""
    found: dict[str, dict[str, Any]] = json.loads(CATALOGUE.read_text("utf-8"))["calls"]
    for name, table in (("steps", _steps(found["steps"])), ("fields", _fields(found["fields"]))):
        made = "\n".join(table)
        pattern = rf"(<!-- {name}: make docs -->\n).*?(<!-- end -->)"
        text = re.sub(pattern, lambda match, made=made: f"{match[1]}\n{made}\n\n{match[2]}", text, flags=re.DOTALL)  # type: ignore[misc]
    return text


def _steps(steps: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "| request | what | placeholders |"
    yield "| --- | --- | --- |"
    for name, about in steps.items():
        yield f"| `{name}` | {about['summary']} | {', '.join(about['placeholders'])} |"


def _fields(fields: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "| field | with | in | allowed | |"
    yield "| --- | --- | --- | --- | --- |"
    for name, about in fields.items():
        steps = ", ".join(f"`{step}`" for step in about.get("steps", ()))
        kinds = ", ".join(f"`{kind}`" for kind in about["with"] if kind != name)
        yield f"| `{name}` | {kinds} | {steps or 'any'} | {_allowed(about)} | {about['summary']} |"


def _section(kind: str, about: Mapping[str, Any]) -> str:
    facts = [about["summary"]]
    if about.get("driver"):
        facts.append(f"Needs the driver `{about['driver']}` (`make layer`).")
    if about.get("needs_network"):
        facts.append("Needs `network`.")
    return "\n".join([f"### {kind}\n", " ".join(facts), "", *_table(about["settings"] or {})])


def _table(settings: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    if settings:
        yield "| setting | default | allowed | |"
        yield "| --- | --- | --- | --- |"
        for name, about in settings.items():
            yield f"| `{name}` | {_default(name, about)} | {_allowed(about)} | {about['summary']} |"
        yield ""


def _default(name: str, about: Mapping[str, Any]) -> str:
    if about.get("required"):
        return "required"
    parts = [f"the secret's key `{name}`"] if about.get("from_secret") else []
    if about["default"] is not None:
        parts.append(f"`{about['default']}`")
    return ", or ".join(parts)


def _allowed(about: Mapping[str, Any]) -> str:
    if "allowed" in about:
        return ", ".join(f"`{value}`" for value in about["allowed"])
    if "range" in about:
        return "{} to {}".format(*about["range"])
    form: str = about.get("form", "")
    return form.replace("<", "\\<").replace("|", "\\|")


if __name__ == "__main__":
    raise SystemExit(main())
