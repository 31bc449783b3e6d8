"""What the documents promise is there."""

import json
import re
from pathlib import Path

import pytest

from tools.dev import prose, settings_page

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = prose.documents()


def blocks(kind: str) -> list[str]:
    """Names of the blocks of a kind ("variable", "output") of the module."""
    found = (re.findall(rf'^{kind} "(\w+)"', path.read_text(), re.MULTILINE) for path in ROOT.glob("*.tf"))
    return [name for names in found for name in names]


def test_each_variable_and_output_is_in_the_readme() -> None:
    expected = [f"input_{name}" for name in blocks("variable")] + [f"output_{name}" for name in blocks("output")]
    assert len(expected) > 20
    assert not [name for name in expected if f'<a name="{name}">' not in README], "run `make docs`"


def test_each_target_is_in_the_readme() -> None:
    targets = json.loads((ROOT / "lambda_src/secret_rotation/catalogue.json").read_text())["targets"]
    assert not [name for name in targets if f"| `{name}` |" not in README]


def test_the_page_of_settings_is_what_the_catalogue_says() -> None:
    assert settings_page.PAGE.read_text() == settings_page.page(), "run `make docs`"


def test_the_tables_of_described_requests_are_what_the_catalogue_says() -> None:
    text = settings_page.CALLS.read_text()
    assert text == settings_page.calls(text), "run `make docs`"
    assert "| `retry` |" in text


def test_a_setting_s_default_and_what_is_allowed_are_on_the_page() -> None:
    page = settings_page.page()
    assert "| `port` | the secret's key `port`, or `6379` | 1 to 65535 |" in page
    assert "| `tls` | `verify` | `verify`, `disable` |" in page
    assert "| `user_arn` | required | arn:" in page


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_link_leads_to_a_file_and_its_heading(document: Path) -> None:
    assert list(prose.broken_links(document)) == []


def test_a_link_to_a_missing_file_or_heading_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prose, "ROOT", tmp_path)
    (tmp_path / "other.md").write_text("# What `x` is\n## Twice\n## Twice\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](other.md#what-x-is) [b](other.md#twice-1) [c](gone.md) [d](other.md#gone) [e](https://x.example/y)"
    )
    assert [line.split(": ")[1] for line in prose.broken_links(page)] == [
        "gone.md leads to no file",
        "other.md#gone leads to no heading",
    ]


def test_no_sentence_of_the_readme_is_long() -> None:
    assert list(prose.long_sentences(README)) == []


def test_a_sentence_is_long_from_26_words_on_wherever_it_stands() -> None:
    short, long = "word " * 24 + "word.", "word " * 25 + "word."
    for frame in ("{}", "- {}", "| {} | x |", "Before. {} After.", "> {}"):
        assert list(prose.long_sentences(frame.format(short))) == []
        assert len(list(prose.long_sentences(frame.format(long)))) == 1
    assert list(prose.long_sentences(f"```\n{long}\n```\n")) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_make_command_is_in_the_makefile(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = re.findall(r"(?:`|^)make ([a-z]+(?:-[a-z]+)*)", document.read_text(), re.MULTILINE)
    assert not [target for target in named if not re.search(rf"^{target}:", makefile, re.MULTILINE)]


def test_each_test_that_the_page_on_security_names_exists() -> None:
    page = (ROOT / "docs/security.md").read_text()
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", page))
    assert len(named) > 5
    assert not [name for name in named if f"def {name}(" not in sources]


def test_the_deployer_s_policy_is_json_and_only_lists_are_granted_on_everything() -> None:
    (policy,) = re.findall(r"```json\n(.*?)```", (ROOT / "docs/security.md").read_text(), re.DOTALL)
    granted = {action: each["Resource"] for each in json.loads(policy)["Statement"] for action in each["Action"]}
    assert {"secretsmanager:RotateSecret", "lambda:CreateFunction", "iam:PassRole"} < granted.keys()
    assert [action for action, resource in granted.items() if resource == "*"] == ["logs:DescribeLogGroups"]


def test_each_error_is_in_the_operator_s_table() -> None:
    source = (ROOT / "lambda_src/secret_rotation/errors.py").read_text()
    errors = re.findall(r"^class (\w+)\((?!Exception)", source, re.MULTILINE)
    told = (ROOT / "docs/operations.md").read_text()
    assert not [name for name in errors if f"`{name}`" not in told]
