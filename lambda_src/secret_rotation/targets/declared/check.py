"""The described requests, checked when the function starts: Terraform makes the same checks at plan time.

What a request may have stands in ``catalogue.json``. An error begins with the place, such as ``calls.set[1].headrs``.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ... import catalogue
from ...pointers import place
from ...target import ConfigurationError, Given, SettingError, explained
from . import filling
from .filling import Placeholder

KINDS = ("url", "action", "target")
"""The fields of which a request has exactly one."""
BODIES = ("body", "form", "text")
FROM_ANSWER = ("values", "items", "name", "created", "next")
"""Fields that are pointers: no placeholders are filled into them."""

Fields = Mapping[str, Any]


class Described(NamedTuple):
    """A request as the user wrote it, and where it stands."""

    place: str
    step: str
    fields: Fields


def check(given: Given) -> dict[str, tuple[Described, ...]]:
    """The requests by their step. Raises ``SettingError``."""
    steps = catalogue.calls()["steps"]
    for name in given.calls:
        if name not in steps:
            raise SettingError(f"calls.{name} is unknown; allowed: {', '.join(steps)}.")
    found = {step: tuple(_described(step, given.calls.get(step), about["most"])) for step, about in steps.items()}
    for each in _all(found):
        _check_fields(each)
        _check_pointers(each)
        _check_together(each)
        _check_placeholders(each, given)
        _check_pages(each)
    _check_steps(found, given)
    return found


def _all(found: Mapping[str, tuple[Described, ...]]) -> Iterator[Described]:
    for requests in found.values():
        yield from requests


def _described(step: str, given: Any, most: int) -> Iterator[Described]:
    if given is None:
        return
    requests = given if isinstance(given, list) else [given]
    if not 1 <= len(requests) <= most or (most == 1 and isinstance(given, list)):
        allowed = "one request" if most == 1 else f"a request, or a list of one to {most}"
        raise SettingError(f"calls.{step} must be {allowed}.")
    for number, fields in enumerate(requests):
        place = f"calls.{step}[{number}]" if isinstance(given, list) else f"calls.{step}"
        if not isinstance(fields, dict):
            raise SettingError(f"{place} must be an object with the fields of a request.")
        yield Described(place, step, {name: _plain(name, value) for name, value in fields.items() if value is not None})


def _plain(name: str, value: Any) -> Any:
    """A number where there is to be text, such as status = 200, as text."""
    is_text = catalogue.calls()["fields"].get(name, {}).get("kind") == "text"
    return json.dumps(value) if is_text and isinstance(value, bool | int | float) else value


def _check_fields(each: Described) -> None:
    known = catalogue.calls()["fields"]
    kinds = [name for name in KINDS if name in each.fields]
    for name in each.fields:
        if name not in known:
            raise SettingError(f"{each.place}.{name} is unknown; allowed: {', '.join(_allowed(each.step, kinds))}.")
    if len(kinds) != 1:
        raise SettingError(f"{each.place} must have exactly one of {', '.join(KINDS)}; it has {_listed(kinds)}.")
    for name, value in each.fields.items():
        if name not in _allowed(each.step, kinds):
            raise SettingError(
                f"{each.place}.{name} is not for a request with {kinds[0]!r} in {each.step!r}; allowed: "
                f"{', '.join(_allowed(each.step, kinds))}."
            )
        _check_value(f"{each.place}.{name}", known[name], value)
    missing = [
        name for name, about in known.items() if each.step in about.get("required", ()) and name not in each.fields
    ]
    if missing:
        raise SettingError(f"{each.place} needs {missing[0]!r}: {known[missing[0]]['summary']}")


def _allowed(step: str, kinds: list[str]) -> list[str]:
    return [
        name
        for name, about in catalogue.calls()["fields"].items()
        if step in about.get("steps", (step,)) and (not kinds or kinds[0] in about["with"])
    ]


def _check_value(place: str, about: Fields, value: Any) -> None:
    is_kind, what = _TYPES[about["kind"]]
    if not is_kind(value):
        raise SettingError(f"{place} must be {what}.")
    if about["kind"] in ("text", "number") and not catalogue.is_allowed(about, str(value)):
        raise SettingError(f"{place} is not allowed; allowed: {catalogue.allowed(about) or catalogue.WHOLE}.")


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(type(item) in (str, int, float, bool) for item in value.values())


_TYPES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "text": (lambda value: isinstance(value, str), "text"),
    "number": (lambda value: type(value) is int or (isinstance(value, str) and value.isdecimal()), "a whole number"),
    "flag": (lambda value: value is True, "true"),
    "object": (_is_texts, "an object: name => text"),
    "object_any": (lambda value: isinstance(value, dict), "an object"),
    "any": (lambda value: True, "any value"),
}


def _check_together(each: Described) -> None:
    bodies = [name for name in BODIES if name in each.fields]
    if len(bodies) > 1:
        raise SettingError(f"{each.place} must have at most one of {', '.join(BODIES)}; it has {_listed(bodies)}.")
    if each.step == "list" and ("name" in each.fields) is ("all" in each.fields):
        raise SettingError(f"{each.place} must have either 'name' or 'all': which items are this secret's.")


def _listed(names: list[str]) -> str:
    return " and ".join(names) or "none"


def _check_pointers(each: Described) -> None:
    """Those into the answer; the catalogue has looked at the others."""
    for field in ("values", "match", "where"):
        given = each.fields.get(field, {})
        for pointer in given.values() if field == "values" else given:
            if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
                raise SettingError(
                    f"{each.place}.{field} has {pointer!r}, which is not a JSON pointer such as /result/id."
                )
            with explained(_at(f"{each.place}.{field}"), SettingError):
                place(pointer)


def _check_placeholders(each: Described, given: Given) -> None:
    allowed = catalogue.calls()["steps"][each.step]["placeholders"]
    for field, placeholder in placeholders(each):
        place, shown = f"{each.place}.{field}", _shown(placeholder)
        if placeholder.root not in allowed:
            raise SettingError(
                f"{place} has {shown}, which {each.step!r} does not have; allowed: {', '.join(allowed)}."
            )
        if placeholder.root == "admin" and not given.settings.get("admin_secret_arn"):
            raise SettingError(f"{place} has {shown}: set 'admin_secret_arn' to the administrator's secret.")
        if placeholder.root == "session" and not given.calls.get("session"):
            raise SettingError(f"{place} has {shown}: describe the request that logs in, in calls.session.")
        if placeholder.root == "expires" and not given.settings.get("lifetime_days"):
            raise SettingError(f"{place} has {shown}: set 'lifetime_days'.")


def placeholders(each: Described) -> Iterator[tuple[str, Placeholder]]:
    """Field => placeholder. Raises ``SettingError`` for one that is unknown."""
    for field, value in each.fields.items():
        if field in FROM_ANSWER:
            continue
        with explained(_at(f"{each.place}.{field}"), ConfigurationError):
            found = list(filling.names_in(value))
        yield from ((field, one) for one in found)


def sends_new_value(each: Described) -> bool:
    """Whether the service may reject the request because of the stored new value."""
    return each.step == "set" and any(one.root == "pending" for _, one in placeholders(each))


def _at(place: str) -> Callable[[Exception], SettingError]:
    return lambda error: SettingError(f"{place}: {error}")


def _check_pages(each: Described) -> None:
    """What leads from one page of a list to the next."""
    for field, placeholder in placeholders(each):
        place = f"{each.place}.{field} has {_shown(placeholder)}"
        if placeholder.root in filling.PAGES and "url" not in each.fields:
            raise SettingError(f"{place}: of an AWS operation all pages are read. Remove it.")
        if placeholder.root == "next" and "next" not in each.fields:
            raise SettingError(f"{place}: say in {each.place}.next where the answer has it.")


def _shown(placeholder: Placeholder) -> str:
    key = f".{placeholder.key}" if placeholder.key else ""
    return f"{{{{{placeholder.root}{key}}}}}"


def _check_steps(found: Mapping[str, tuple[Described, ...]], given: Given) -> None:
    if not found["test"]:
        raise SettingError("calls.test is missing: describe the request that succeeds only with a value that works.")
    if not found["set"] and not found["issue"]:
        raise SettingError("calls has neither 'set' nor 'issue': describe what makes the service accept a new value.")
    if found["list"] and not (found["issue"] and found["revoke"]):
        raise SettingError("calls.list is for what 'issue' makes and 'revoke' ends: describe both, or remove it.")
    _check_session(found)
    for each in _all(found):
        for key in each.fields.get("values", {}):
            if key not in (given.keys or ("",)):
                raise SettingError(
                    f"{each.place}.values has {key!r}, which is not one of `keys`: {', '.join(given.keys or ())}. "
                    "What is stored there rotates, so add it to `keys`."
                )
    _check_issue(found)


def _check_session(found: Mapping[str, tuple[Described, ...]]) -> None:
    """What an administrator's session can do proves nothing of the value."""
    by_admin = any(one.root == "admin" for each in found["session"] for _, one in placeholders(each))
    for each in found["test"]:
        for field, placeholder in placeholders(each):
            if placeholder.root == "session" and by_admin:
                raise SettingError(
                    f"{each.place}.{field} has {_shown(placeholder)}, and calls.session logs in as the administrator: "
                    "the test would succeed whatever the value is. Log in with {{login}} in the test itself."
                )


def _check_issue(found: Mapping[str, tuple[Described, ...]]) -> None:
    for each in found["issue"]:
        for field, placeholder in placeholders(each):
            if placeholder.root == "pending" and (placeholder.key or "") in each.fields["values"]:
                raise SettingError(
                    f"{each.place}.{field} has {_shown(placeholder)}, which this request is to give. Send a key that "
                    "is generated, or {{rotation}}."
                )
    captured = {key for each in found["issue"] for key in each.fields["values"]}
    for each in found["list"]:
        for key in set(each.fields["values"]) - captured:
            raise SettingError(f"{each.place}.values has {key!r}, which calls.issue does not store.")
