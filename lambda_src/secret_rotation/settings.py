"""The function's settings, read from its environment and checked before anything else is done."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

from . import catalogue, generators
from .credential import password_key
from .derived import Template, Templates
from .errors import SettingError, explained
from .generators import Generator
from .password import Password
from .pointers import check_apart
from .target import Given

_TRUE, _FALSE = {"true", "1", "yes", "y"}, {"false", "0", "no", "n"}
_ENDPOINT = re.compile(
    r"https?://([a-z0-9._-]+|\[[a-f0-9:.]+\])(:[0-9]{1,5})?(/[a-z0-9._/-]*)?", re.ASCII | re.IGNORECASE
)
_T = TypeVar("_T")
_Other = tuple[str, str | None]
"""A generator's setting that names a second key of the secret, and that key."""


@dataclass(frozen=True)
class Settings:
    """What one function does, for whichever secret it is called."""

    keys: tuple[str, ...] | None
    """Keys of the JSON object to rotate; None for plain text."""
    password_key: str | None
    """The one of them that a target logs in with; None where there is none, or the target needs none."""
    changed_keys: frozenset[str]
    """Those keys, and others that generators and templates fill besides."""
    overwrite_json: bool
    """Whether a plain-text secret may be replaced although it looks like JSON."""
    generators: Mapping[str, Generator]
    """How to make the value of each key; the key of a plain-text secret is ""."""
    templates: Templates
    """What is made of the other values, by the keys that it goes to, none of which is one of ``keys``."""
    password: Password
    target: str | None
    """Its type; None for one that has no steps, since nothing but Secrets Manager holds the value."""
    target_settings: Mapping[str, str]
    """Checked by the catalogue, with the defaults filled in."""
    target_calls: Mapping[str, Any]
    """The described requests of the target ``calls``, which checks them when it is loaded."""
    target_fallbacks: Mapping[str, str]
    """What holds where neither these nor the secret's key of the same name says anything."""
    endpoint_url: str | None

    @property
    def given(self) -> Given:
        """What the target is loaded with."""
        return Given(self.keys, self.target_settings, self.password_key, self.target_calls, tuple(self.templates.of))


def read(environment: Mapping[str, str]) -> Settings:
    """Read the settings. Raises ``SettingError``, which names the variable and what is allowed."""
    keys, target = _read_keys(environment), environment.get("TARGET") or "none"
    target_settings = catalogue.target_settings(target, _strings(environment, "TARGET_SETTINGS"))
    found = Settings(
        keys=keys,
        password_key=_read_password_key(target, target_settings, keys),
        generators=_read_generators(environment, keys),
        templates=_read_templates(environment, keys),
        changed_keys=_read_changed_keys(environment, keys),
        overwrite_json=_read_overwrite_json(environment, keys),
        password=_read_password(environment),
        target_settings=target_settings,
        target_calls=_json(environment, "TARGET_CALLS", dict, "a JSON object of calls") or {},
        target_fallbacks=catalogue.fallbacks(target),
        target=target if catalogue.has_steps(target) else None,
        endpoint_url=_read_endpoint(environment),
    )
    if keys is None:
        catalogue.check_plain_text(target, target_settings)
    return found


def _read_keys(environment: Mapping[str, str]) -> tuple[str, ...] | None:
    keys: list[Any] | None = _json(environment, "SECRET_KEYS", list, "a JSON array of strings")
    if keys is None:
        return None
    if not keys or not all(isinstance(key, str) and key for key in keys):
        raise SettingError('SECRET_KEYS must be a JSON array of keys, such as ["password"], none of them empty.')
    if len(set(keys)) < len(keys):
        raise SettingError("SECRET_KEYS names a key twice. Name each once.")
    _check_apart("SECRET_KEYS", keys)
    return tuple(keys)


def _read_overwrite_json(environment: Mapping[str, str], keys: tuple[str, ...] | None) -> bool:
    found = _boolean(environment, "OVERWRITE_JSON", False)
    if found and keys is not None:
        raise SettingError("OVERWRITE_JSON is for a secret that is replaced as a whole, and SECRET_KEYS names keys.")
    return found


def _read_password_key(target: str, settings: Mapping[str, str], keys: tuple[str, ...] | None) -> str | None:
    """The key that the target logs in with: never the first one because it happens to be that."""
    rotated, given = keys or (), settings.get("password_key")
    if given is not None and given not in rotated:
        raise SettingError(f"The setting 'password_key' is {given!r}, which is none of `keys`: {', '.join(rotated)}.")
    found = given or password_key(rotated)
    if found is None and rotated and catalogue.needs_one_password(target):
        raise SettingError(
            f"The target {target!r} logs in with one of the keys {', '.join(rotated)}, and no setting says which. Set "
            "'password_key'."
        )
    return found


def _read_generators(environment: Mapping[str, str], keys: tuple[str, ...] | None) -> dict[str, Generator]:
    all_specs = _specs(environment)
    specs = {key: spec for key, spec in all_specs.items() if not catalogue.is_derived(spec)}
    known = keys or ("",)
    for key in specs:
        if key not in known:
            raise SettingError(
                f"GENERATORS names {key!r}, which is not rotated. Allowed: {', '.join(map(repr, known))}."
            )
    found = {key: catalogue.generator_settings(key, specs.get(key, {"type": "password"})) for key in known}
    others = [pair for kind, chosen in found.values() for pair in catalogue.named_keys(kind, chosen).items()]
    (_check_no_others if keys is None else _check_others)(others, specs)
    filled = {other for _, other in others}
    _check_apart("GENERATORS", {*known, *filter(None, filled), *all_specs})
    return {key: generators.load(*of) for key, of in found.items() if key not in filled}


def _read_templates(environment: Mapping[str, str], keys: tuple[str, ...] | None) -> Templates:
    found = {}
    for key, spec in _specs(environment).items():
        if catalogue.is_derived(spec):
            _check_template_key(key, keys)
            found[key] = Template.of(catalogue.generator_settings(key, spec)[1]["template"])
    templates = Templates(found)
    with _naming("GENERATORS"):
        templates.check()
    return templates


def _check_template_key(key: str, keys: tuple[str, ...] | None) -> None:
    if keys is None or not key:
        raise SettingError("GENERATORS: a template is for a key of a JSON secret, of which SECRET_KEYS rotate.")
    if key in keys:
        raise SettingError(
            f"GENERATORS: {key!r} is filled by a template, so it gets no value of its own. Take it out of SECRET_KEYS."
        )


def _read_changed_keys(environment: Mapping[str, str], keys: tuple[str, ...] | None) -> frozenset[str]:
    specs = _specs(environment)
    named = (catalogue.named_keys(*catalogue.generator_settings(key, spec)) for key, spec in specs.items())
    return frozenset(
        [*(keys or ()), *(other for others in named for other in others.values() if other), *filter(None, specs)]
    )


def _specs(environment: Mapping[str, str]) -> dict[str, Any]:
    return _json(environment, "GENERATORS", dict, "a JSON object of generators") or {}


def _check_no_others(others: Sequence[_Other], _: object) -> None:
    for setting, key in others:
        if key is not None:
            raise SettingError(
                f"GENERATORS: {setting} is {key!r}, and a plain-text secret has no keys. Leave it out, or set keys."
            )


def _check_others(others: Sequence[_Other], specs: Mapping[str, object]) -> None:
    keys = [key for _, key in others]
    for setting, key in others:
        if not key:
            raise SettingError(f"GENERATORS: {setting} is missing. Name the key of the secret that it fills.")
        if key in specs or keys.count(key) > 1:
            raise SettingError(f"GENERATORS: {setting} is {key!r}, which gets another value. Name a key of its own.")


def _check_apart(name: str, keys: Iterable[str]) -> None:
    with _naming(name):
        check_apart(keys)


def _naming(name: str) -> AbstractContextManager[None]:
    """What is wrong within the block is said of this variable."""
    return explained(lambda problem: SettingError(f"{name}: {problem}"), SettingError)


def _read_password(environment: Mapping[str, str]) -> Password:
    return Password(
        length=_integer(environment, "PASSWORD_LENGTH", 32),
        exclude_characters=environment.get("EXCLUDE_CHARACTERS", "/@\"'\\"),
        exclude_numbers=_boolean(environment, "EXCLUDE_NUMBERS", False),
        exclude_punctuation=_boolean(environment, "EXCLUDE_PUNCTUATION", False),
        exclude_uppercase=_boolean(environment, "EXCLUDE_UPPERCASE", False),
        exclude_lowercase=_boolean(environment, "EXCLUDE_LOWERCASE", False),
        include_space=_boolean(environment, "INCLUDE_SPACE", False),
        require_each_included_type=_boolean(environment, "REQUIRE_EACH_INCLUDED_TYPE", True),
    )


def _read_endpoint(environment: Mapping[str, str]) -> str | None:
    url = environment.get("SECRETS_MANAGER_ENDPOINT") or None
    if url is not None and not _ENDPOINT.fullmatch(url):
        raise SettingError("SECRETS_MANAGER_ENDPOINT must be a URL such as https://host or http://host:4566.")
    return url


def _strings(environment: Mapping[str, str], name: str) -> dict[str, str]:
    found: dict[str, Any] = _json(environment, name, dict, "a JSON object of strings") or {}
    for key, value in found.items():
        if not isinstance(value, str):
            raise SettingError(f"{name}: the value of {key!r} must be a string.")
    return dict(found)


def _json(environment: Mapping[str, str], name: str, kind: type[_T], what: str) -> _T | None:
    text = environment.get(name)
    if not text:
        return None
    value = _decode(text)
    if not isinstance(value, kind):
        raise SettingError(f"{name} must be {what}.")
    return value


def _decode(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None  # the caller reports it, without the exception, which holds the text


def _boolean(environment: Mapping[str, str], name: str, default: bool) -> bool:
    text = environment.get(name, str(default)).strip().lower()
    if text in _TRUE | _FALSE:
        return text in _TRUE
    raise SettingError(f"{name} must be true or false.")


def _integer(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, str(default)).strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    raise SettingError(f"{name} must be a whole number.")
