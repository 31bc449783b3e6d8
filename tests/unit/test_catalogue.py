"""The catalogue: the function takes what it allows, and refuses the rest by the setting's name."""

import json
from pathlib import Path
from typing import Any

import pytest

from secret_rotation import catalogue, settings
from secret_rotation.credential import Credential
from secret_rotation.errors import ConfigurationError, RotationError, SecretError, SettingError
from secret_rotation.targets import http
from tests.messages import refused
from tests.settings_cases import (
    ACCEPTED,
    ACCEPTED_GENERATORS,
    ACCEPTED_TOGETHER,
    REJECTED,
    REJECTED_GENERATORS,
    REJECTED_TOGETHER,
    REQUIRED,
    Generated,
    Setting,
    Together,
)
from tests.support.contexts import context

ENTRIES = [
    (f"{kind}.{name}", entry)
    for group in (catalogue.targets(), catalogue.generators())
    for kind, about in group.items()
    for name, entry in (about["settings"] or {}).items()
]
RULES = ("allowed", "range", "pattern")
BESIDES = (
    "required_with", "excluded_by", "other_secret", "one_secret", "needed_without_keys", "holds", "sent_with",
)  # fmt: skip
"""What depends on other settings, on ``keys`` or on ``secrets``."""


def read(target: str, given: dict[str, str]) -> settings.Settings:
    return settings.read({"TARGET": target, "TARGET_SETTINGS": json.dumps(given), "SECRET_KEYS": '["password"]'})


def begin(case: Together) -> None:
    """What the function does before it sends anything."""
    keys = {} if case.keys is None else {"SECRET_KEYS": json.dumps(case.keys)}
    found = settings.read({"TARGET": case.target, "TARGET_SETTINGS": json.dumps(case.complete), **keys})
    if case.target == "http":
        stored = dict.fromkeys([*(case.keys or ()), "password", "username", "token", "secret", "a b"], "value")
        value = Credential(
            "1", "value" if case.keys is None else json.dumps(stored), case.keys or (), found.password_key
        )
        admin = Credential("2", json.dumps(stored), ("password",)) if "admin_secret_arn" in case.settings else value
        given = context(value, value, fallbacks=found.target_fallbacks, **found.target_settings)
        for name, login in (("set", admin), ("test", value)):
            http.Call.of(given, name).check({"pending": value, "current": value, "login": login})


def read_generator(entry: dict[str, object]) -> settings.Settings:
    key = "derived" if entry["type"] == "template" else "private"
    return settings.read({"SECRET_KEYS": '["private"]', "GENERATORS": json.dumps({key: entry})})


@pytest.mark.parametrize("case", REJECTED, ids=str)
def test_a_bad_value_is_refused_with_what_is_allowed(case: Setting) -> None:
    with refused(SettingError, repr(case.target), repr(case.name), case.allowed):
        read(case.target, case.settings)


@pytest.mark.parametrize("case", ACCEPTED, ids=str)
def test_a_good_value_is_taken_as_it_is(case: Setting) -> None:
    assert read(case.target, case.settings).target_settings[case.name] == case.value


@pytest.mark.parametrize("case", REJECTED_TOGETHER, ids=str)
def test_settings_that_exclude_each_other_are_refused_before_anything_is_sent(case: Together) -> None:
    with pytest.raises(RotationError) as raised:
        begin(case)
    assert isinstance(raised.value, ConfigurationError | SecretError)


@pytest.mark.parametrize("case", ACCEPTED_TOGETHER, ids=str)
def test_settings_that_go_together_are_taken(case: Together) -> None:
    begin(case)


def test_the_value_is_in_the_message_and_a_long_one_is_cut() -> None:
    with refused(SettingError, "'off'"):
        read("redis", {"tls": "off"})
    with pytest.raises(SettingError) as raised:
        read("redis", {"tls": "x" * 5000})
    assert "verify, disable" in str(raised.value)[:300]


@pytest.mark.parametrize("case", REJECTED_GENERATORS, ids=str)
def test_a_bad_generator_is_refused_with_what_is_allowed(case: Generated) -> None:
    with refused(SettingError, "GENERATORS", case.setting, case.allowed):
        read_generator(case.entry)


@pytest.mark.parametrize("case", ACCEPTED_GENERATORS, ids=str)
def test_a_good_generator_is_taken(case: Generated) -> None:
    assert list(read_generator(case.entry).generators) == ["private"]


@pytest.mark.parametrize("value", [True, 1.5, [], {}, 10**9])
def test_a_setting_of_a_generator_is_text_or_a_whole_number(value: object) -> None:
    with refused(SettingError, "GENERATORS", "'bytes'"):
        catalogue.generator_settings("private", {"type": "hex", "bytes": value})


@pytest.mark.parametrize(
    "entry", [None, 5, "uuid", [], {}, {"type": None}, {"type": {}}, {"type": "uuid", "x": 1}, {"type": "\ud800"}]
)
def test_a_malformed_entry_is_refused_and_its_key_named(entry: object) -> None:
    with refused(SettingError, "GENERATORS", "'k'"):
        catalogue.generator_settings("k", entry)


def test_a_refusal_can_be_printed_whatever_the_setting_is_called() -> None:
    with pytest.raises(SettingError) as caught:
        catalogue.generator_settings("k", {"type": "uuid", "\ud800": 1})
    str(caught.value).encode("utf-8")


def test_the_settings_are_complete() -> None:
    found = read("http", REQUIRED["http"]).target_settings
    assert found["set_method"] == "PUT"
    assert found["auth_username"] == "{{login.username}}"
    assert "set_body" not in found
    assert catalogue.generator_settings("k", {"type": "hex"}) == ("hex", {"bytes": "32"})


def test_a_default_does_not_hide_what_the_secret_says() -> None:
    """The port of the secret goes before the usual one."""
    assert "port" not in read("postgresql", {}).target_settings
    assert catalogue.fallbacks("postgresql") == {"port": "5432", "dbname": "postgres"}
    assert catalogue.fallbacks("python") == {}


# The file itself.


def test_every_target_has_its_requirements_in_the_table() -> None:
    for kind, given in REQUIRED.items():
        known = catalogue.targets()[kind]["settings"]
        assert set(given) == {name for name, about in known.items() if about.get("required")}


@pytest.mark.parametrize(("_name", "entry"), ENTRIES, ids=[name for name, _ in ENTRIES])
def test_a_setting_says_what_it_is_and_what_it_is_by_default(_name: str, entry: dict[str, Any]) -> None:
    known = {"summary", "required", "from_secret", "names_key", "default", "form", "rotations_to_revoke"}
    assert set(entry) <= known | {*RULES, *BESIDES}
    assert entry["summary"].endswith(".")
    assert "default" not in entry["summary"].lower(), "the default stands in `default`"
    assert entry.get("required") is True or "default" in entry
    assert len([rule for rule in RULES if rule in entry]) <= 1
    assert ("form" in entry) == ("pattern" in entry), "a pattern is said in words"


@pytest.mark.parametrize(("_name", "entry"), ENTRIES, ids=[name for name, _ in ENTRIES])
def test_a_default_is_allowed(_name: str, entry: dict[str, Any]) -> None:
    if entry.get("default") is not None:
        assert isinstance(entry["default"], str)
        assert catalogue.is_allowed(entry, entry["default"])


def test_a_setting_that_is_required_or_granted_has_a_rule() -> None:
    """An empty text is then rejected by the plan too, and the role is granted nothing but an ARN."""
    for kind, about in [*catalogue.targets().items(), *catalogue.generators().items()]:
        known = about["settings"] or {}
        assert all(set(RULES) & set(entry) for entry in known.values() if entry.get("required")), kind
        granted = [known[permission["resource"]] for permission in about["permissions"]]
        assert all(entry["pattern"].startswith("^arn:") for entry in granted), kind


def test_every_rule_has_a_bad_value_in_the_table() -> None:
    tried = {f"{case.target}.{case.name}" for case in REJECTED}
    tried |= {f"{case.entry['type']}.{case.setting}" for case in REJECTED_GENERATORS}
    ruled = {name for name, entry in ENTRIES if set(RULES) & set(entry)}
    # Rules that several entries share are tried once.
    texts = {json.dumps({rule: entry.get(rule) for rule in RULES}) for name, entry in ENTRIES if name in tried}
    untried = [n for n, e in ENTRIES if n in ruled and json.dumps({r: e.get(r) for r in RULES}) not in texts]
    assert untried == []


@pytest.mark.parametrize(
    ("target", "given", "rotations"),
    [
        ("none", {}, 1), ("redis", {}, 2), ("iam_access_key", {}, 2), ("postgresql", {"strategy": "single"}, 1),
        ("postgresql", {"strategy": "alternating"}, 2), ("mysql", {"strategy": "alternating"}, 2), ("python", {}, 1),
    ],
)  # fmt: skip
def test_after_how_many_rotations_a_value_is_rejected(target: str, given: dict[str, str], rotations: int) -> None:
    assert catalogue.rotations_to_revoke(target, given) == rotations


@pytest.mark.parametrize(
    ("described", "rotations"),
    [
        ({"set": {"body": {"value": "{{pending}}"}}, "test": {}}, 1),
        ({"set": {"parameters": {"Passwords": ["{{pending}}", "{{ current }}"]}}, "test": {}}, 2),
        ({"set": [{"body": "{{pending}}"}, {"body": {"old": "{{current.key}}"}}], "test": {}}, 2),
        ({"issue": {}, "test": {}, "revoke": {}}, 2),
        ({"set": {}, "test": {"headers": {"x": "{{current}}"}}}, 1),
    ],
)
def test_after_how_many_rotations_a_described_service_rejects_a_value(described: Any, rotations: int) -> None:
    assert catalogue.rotations_to_revoke("calls", {}, described) == rotations


def test_no_name_stands_twice_in_one_object() -> None:
    """Terraform refuses such a file; Python would take the last."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        assert len(names) == len(set(names)), names
        return dict(pairs)

    json.loads(Path(catalogue.__file__).with_name("catalogue.json").read_text(), object_pairs_hook=once)


def test_half_a_character_is_refused_by_the_setting_that_has_it() -> None:
    """A message could not name it: it has no bytes."""
    with pytest.raises(SettingError, match=r"'access_key_id_key'.*half a character") as raised:
        catalogue.target_settings("iam_access_key", {**REQUIRED["iam_access_key"], "access_key_id_key": "\ud800"})
    assert str(raised.value).encode()
