"""What of a value is confidential, and that whatever passes Secrets Manager's door is hidden in the log."""

import json

import pytest

from rotation_lab.model.secrets_manager import SecretsManager
from secret_rotation.credential import PUBLIC_FIELDS, Credential
from secret_rotation.errors import SettingError
from secret_rotation.kit import administrator
from secret_rotation.logs import HIDDEN, Log
from secret_rotation.store import Secrets
from tests.messages import refused
from tests.support.contexts import context

NESTED = {
    "host": "db.example.com",
    "username": "admin",
    "password": "admin-password",
    "pin": 12345678,
    "vault": {"tokens": ["nested-token"]},
    "engine": {"license": "nested-license"},
}
CONFIDENTIAL = ["admin-password", "12345678", "nested-token", "nested-license"]


def shown(log: Log, text: str) -> str:
    return log.clean(f"<{text}>").strip("<>")


def test_all_texts_but_the_public_fields_are_confidential() -> None:
    found = set(Credential("v", json.dumps(NESTED), ("password",)).confidential())
    assert found == {json.dumps(NESTED), *CONFIDENTIAL}


def test_a_public_field_that_rotates_is_confidential() -> None:
    assert "admin" in set(Credential("v", json.dumps(NESTED), ("username",)).confidential())


def test_a_public_field_that_holds_what_rotates_is_confidential() -> None:
    text = '{"host": {"password": "s3cret"}, "username": "s3cret-too", "port": "5432"}'
    found = set(Credential("v", text, ("/host/password", "/username")).confidential())
    assert {"s3cret", "s3cret-too"} <= found
    assert "5432" not in found


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("/database/password", "p"),
        ("/users/0/password", "q"),
        ("/users/1/password", None),
        ("/~1odd", "r"),
        ("a", None),
    ],
)
def test_a_value_is_read_by_its_pointer(key: str, expected: str | None) -> None:
    text = '{"database": {"password": "p"}, "users": [{"password": "q"}], "/odd": "r"}'
    assert Credential("v", text).get(key) == expected
    assert Credential("v", "plain").get(key) is None


def test_the_value_to_log_in_with_may_be_inside_of_the_document() -> None:
    found = Credential("v", '{"a": {"b": "old"}, "c": "x"}', ("/a/b", "c"), "/a/b")
    assert found.value == "old"
    assert found.with_value("new").text == '{"a": {"b": "new"}, "c": "new"}'


@pytest.mark.parametrize("text", ["plain text", "[" * 50_000, '{"a": "b", "a": "c"}'])
def test_a_text_that_cannot_be_told_apart_is_confidential_as_a_whole(text: str) -> None:
    assert text in set(Credential("v", text).confidential())


def test_public_fields_are_those_of_the_documented_structure() -> None:
    assert {
        "engine", "host", "port", "dbname", "username", "dbInstanceIdentifier", "dbClusterIdentifier", "masterarn",
    } == PUBLIC_FIELDS  # fmt: skip


def test_what_is_read_of_any_secret_is_hidden() -> None:
    manager, log = SecretsManager(), Log()
    arn = manager.create(json.dumps(NESTED))
    found = Secrets(lambda _: manager.client(), log).read_current(arn)
    assert found is not None
    assert found.value == "admin-password"
    assert [shown(log, text) for text in CONFIDENTIAL] == [HIDDEN] * len(CONFIDENTIAL)
    assert shown(log, "db.example.com") == "db.example.com"


def test_what_is_written_to_a_secret_is_hidden() -> None:
    manager, log = SecretsManager(), Log()
    arn = manager.create("before")
    secrets = Secrets(lambda _: manager.client(), log)
    secrets.write(arn, "written-value")
    assert shown(log, "written-value") == HIDDEN
    assert manager.secrets[arn].text() == "written-value"


def test_a_secret_that_is_not_there_has_no_value() -> None:
    assert Secrets(lambda _: SecretsManager().client(), Log()).read_current("no-such-secret") is None


def test_nothing_nested_in_the_administrator_s_secret_is_shown() -> None:
    manager = SecretsManager()
    arn = manager.create(json.dumps(NESTED))
    step = context(None, client=lambda _: manager.client(), admin_secret_arn=arn)
    assert administrator.read(step).value == "admin-password"
    assert [shown(step.log, text) for text in CONFIDENTIAL] == [HIDDEN] * len(CONFIDENTIAL)


@pytest.mark.parametrize(
    ("text", "keys", "expected"),
    [
        ("old", (), "new"),
        ('{"a": "old", "b": "old"}', ("a",), '{"a": "new", "b": "old"}'),
        ('{"a": "old", "b": "old", "c": 1}', ("a", "b"), '{"a": "new", "b": "new", "c": 1}'),
    ],
)
def test_a_secret_with_another_value_differs_in_what_rotates_alone(
    text: str, keys: tuple[str, ...], expected: str
) -> None:
    assert Credential("v1", text, keys).with_value("new") == Credential("v1", expected, keys)


# What a target logs in with.


@pytest.mark.parametrize(
    ("keys", "password_key", "expected"),
    [
        (("api_token", "password"), None, "p"),
        (("api_token",), None, "t"),
        (("api_token", "password"), "api_token", "t"),
    ],
)
def test_the_value_is_that_of_the_key_to_log_in_with(
    keys: tuple[str, ...], password_key: str | None, expected: str
) -> None:
    found = Credential("v", '{"api_token": "t", "password": "p"}', keys, password_key)
    assert found.value == expected
    assert found.is_usable


def test_a_value_that_no_setting_names_is_refused_by_the_setting() -> None:
    found = Credential("v", '{"a": "1", "b": "2"}', ("a", "b"))
    with refused(SettingError, "'password_key'", "a, b"):
        _ = found.value
    assert found.is_usable
    assert not Credential("v", '{"a": "", "b": ""}', ("a", "b")).is_usable
