"""The catalogue: which targets and generators there are, which settings they take, and which values those may have.

Terraform reads the same file at plan time. A setting has ``allowed`` (a list), ``range`` (two whole numbers) or
``pattern`` (a regular expression for RE2 and for Python's re, with ``form``, which says it in words); without them it
takes any text.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from .errors import SettingError

Entry = Mapping[str, Any]
"""A target, a generator or a setting, as it stands in the file."""

_FILE = Path(__file__).with_name("catalogue.json")
_NUMBER = re.compile("0|[1-9][0-9]{0,8}")
_KEPT = re.compile(r"\{\{\s*current\b")
"""In requests that set a value: that of AWSCURRENT beside it."""
_SHOWN = 100
"""Characters of a value that a message shows: Lambda cuts long ones, and what is allowed comes after it."""


@cache
def _read() -> Mapping[str, Mapping[str, Entry]]:
    found: dict[str, dict[str, Entry]] = json.loads(_FILE.read_text("utf-8"))
    return found


def targets() -> Mapping[str, Entry]:
    """Type of a target => its entry."""
    return _read()["targets"]


def generators() -> Mapping[str, Entry]:
    """Type of a generator => its entry."""
    return _read()["generators"]


def calls() -> Mapping[str, Mapping[str, Entry]]:
    """The steps of described requests, and the fields of a request."""
    return _read()["calls"]


def target_settings(kind: str, given: Mapping[str, str]) -> dict[str, str]:
    """The settings of a target with the defaults filled in, except those that the secret may hold instead.

    Raises ``SettingError``, which names the setting, its value and what is allowed.
    """
    if kind not in targets():
        raise SettingError(f"TARGET is {kind!r}; allowed: {', '.join(sorted(targets()))}.")
    known = targets()[kind]["settings"]
    if known is None:  # the caller's own target takes any
        return dict(given)
    return _complete(f"The target {kind!r}", known, given)


def has_steps(kind: str) -> bool:
    """Whether a target has anything to do, and so a file in ``targets``."""
    return bool(targets()[kind].get("steps", True))


def rotations_to_revoke(kind: str, settings: Mapping[str, str], described: Mapping[str, Any] | None = None) -> int:
    """After how many rotations a service no longer accepts a value: some accept the one before the current one too.

    ``described``: the requests of the target ``calls``. Those that send AWSCURRENT to be set may keep it.
    """
    known: Mapping[str, Entry] = targets()[kind]["settings"] or {}
    chosen: list[int] = [
        about["rotations_to_revoke"].get(settings.get(name), 1)
        for name, about in known.items()
        if "rotations_to_revoke" in about
    ]
    chosen += [int(calls()["steps"].get(step, {}).get("rotations_to_revoke", 1)) for step in described or {}]
    if _KEPT.search(json.dumps((described or {}).get("set"))):
        chosen.append(2)
    return max([int(targets()[kind].get("rotations_to_revoke", 1)), *chosen])


def needs_one_password(kind: str) -> bool:
    """Whether a target logs in with the value of exactly one key."""
    return bool(targets()[kind].get("one_password"))


def check_plain_text(kind: str, given: Mapping[str, str]) -> None:
    """Raise ``SettingError`` unless the settings say what a plain-text secret, which is a value alone, cannot."""
    known: Mapping[str, Entry] = targets()[kind]["settings"] or {}
    for name, about in known.items():
        if about.get("needed_without_keys") and not given.get(name):
            raise SettingError(
                f"The target {kind!r} needs the setting {name!r} for a plain-text secret, which cannot hold it. Set "
                "it, or make the secret JSON and set keys."
            )


def fallbacks(kind: str) -> dict[str, str]:
    """The values that apply where neither the settings nor the secret's key of the same name has one."""
    return _defaults(targets()[kind]["settings"] or {}, from_secret=True)


def defaults(kind: str) -> dict[str, str]:
    """The other defaults of a target, which hold whatever is in the secret."""
    return _defaults(targets()[kind]["settings"] or {}, from_secret=False)


def generator_settings(key: str, entry: object) -> tuple[str, dict[str, str]]:
    """Read one entry of GENERATORS: its type, and its settings with the defaults filled in.

    Raises ``SettingError``, which names the key of the secret, the setting and what is allowed.
    """
    if not isinstance(entry, dict):
        raise SettingError(f"GENERATORS: the entry of {key!r} must be an object.")
    kind = entry.get("type")
    if not isinstance(kind, str) or kind not in generators():
        raise SettingError(f"GENERATORS: the type of {key!r} must be one of {', '.join(generators())}.")
    what = f"GENERATORS: {key!r}, of type {kind},"
    given = {name: _text(what, name, value) for name, value in entry.items() if name != "type" and value is not None}
    return kind, _complete(what, generators()[kind]["settings"], given)


def is_derived(entry: object) -> bool:
    """Whether an entry of GENERATORS is of a type that makes its value of others, which a rotation has made before."""
    kind = entry.get("type") if isinstance(entry, dict) else None
    return isinstance(kind, str) and bool(generators().get(kind, {}).get("derived"))


def named_keys(kind: str, settings: Mapping[str, str]) -> dict[str, str | None]:
    """Settings that name keys of the secret which a generator fills besides its own, and the keys."""
    known: Mapping[str, Entry] = generators()[kind]["settings"]
    return {name: settings.get(name) for name, about in known.items() if about.get("names_key")}


def _text(what: str, name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if type(value) is int and abs(value) < 10**9:
        return str(value)
    raise SettingError(f"{what} has a {name!r} that is neither text nor a whole number.")


def _complete(what: str, known: Mapping[str, Entry], given: Mapping[str, str]) -> dict[str, str]:
    for name in sorted(given):
        if name not in known:
            raise SettingError(f"{what} has no setting {name!r}; allowed: {', '.join(known) or 'none'}.")
    for name, about in known.items():
        if about.get("required") and not given.get(name):
            raise SettingError(f"{what} needs the setting {name!r}: {about['summary']}")
        if name in given and not is_allowed(about, given[name]):
            raise SettingError(f"{what} has {name!r} = {_shown(given[name])}; allowed: {allowed(about) or WHOLE}.")
    complete = {**_defaults(known, from_secret=False), **given}
    for name, about in known.items():
        _check_beside_others(what, name, about, complete)
    return complete


def _check_beside_others(what: str, name: str, about: Entry, complete: Mapping[str, str]) -> None:
    """Whether the values of other settings require this one, or exclude it."""
    for other, value in about.get("required_with", {}).items():
        if complete.get(other) == value and name not in complete:
            raise SettingError(f"{what} with {other!r} = {value!r} needs the setting {name!r}: {about['summary']}")
    for other, value in about.get("excluded_by", {}).items():
        if complete.get(other) == value and name in complete:
            raise SettingError(f"{what} with {other!r} = {value!r} takes no {name!r}. Leave it out: {about['summary']}")


def _defaults(known: Mapping[str, Entry], *, from_secret: bool) -> dict[str, str]:
    """The defaults of the settings that the secret may hold instead, or of the others."""
    found = (
        (name, about.get("default")) for name, about in known.items() if bool(about.get("from_secret")) is from_secret
    )
    return {name: default for name, default in found if default is not None}


WHOLE = "text without half a character"
_ANY_TEXT = "[^\\ud800-\\udfff]*"
"""All but half a character (a lone surrogate), which JSON can write, and which can neither be sent nor logged."""


def is_allowed(about: Entry, value: str) -> bool:
    """Whether a setting may have this value."""
    if "allowed" in about:
        return value in about["allowed"]
    if "range" in about:
        least, most = about["range"]
        return bool(_NUMBER.fullmatch(value)) and least <= int(value) <= most
    return bool(re.fullmatch(about.get("pattern", _ANY_TEXT), value, re.ASCII))


def allowed(about: Entry) -> str:
    """What a setting may be, in words; empty for any text."""
    if "allowed" in about:
        return ", ".join(about["allowed"])
    if "range" in about:
        return "whole numbers from {} to {}".format(*about["range"])
    return str(about.get("form", ""))


def _shown(value: str) -> str:
    return repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}...")
