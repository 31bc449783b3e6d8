"""The four steps, over Secrets Manager as it keeps versions and labels."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock
from urllib.parse import quote

import pytest

from rotation_lab.model.secrets_manager import CURRENT, PENDING, PREVIOUS, STEPS, SecretsManager, ServiceError
from secret_rotation import errors
from secret_rotation.store import Store
from secret_rotation.target import Context, Credential
from tests.messages import refused
from tests.support.function import ROTATION_TOKEN, RotationFunction, Service

DOCUMENT = '{ "username": "app",\n  "password": "old-password", "n": 1e400, "é": "\\u00e9" }'
KEYS = {"SECRET_KEYS": '["password"]'}
LIKE_JSON = [
    '[{"user":"a"}]', '"{\\"a\\":1}"', "{'a':1}", '{"a":1,}', '{"a":1', '["a"]', "['a']", ' [ [ {"a": 1} ] ]',
    '"\\"{\\\\\\"a\\\\\\":1}\\""', "'{\"a\":1}'", '{\\"a\\":1}', '{\n  "a": 1,\n}',
    "{\u201ca\u201d: 1}", '\ufeff{"a":1,}',
]  # fmt: skip
PLAIN = [
    "word", "[abc]def", "{abc}", "[1, 2]", "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "5", "null", '"quoted"', "a{'b", "[", "{}x", "postgres://a:b@c/d",
]  # fmt: skip


@pytest.fixture
def manager() -> SecretsManager:
    return SecretsManager()


def until(function: RotationFunction, arn: str, last: str) -> str:
    """Start a rotation and run its steps, up to ``last``."""
    token = function.manager.rotate(arn)
    for step in STEPS[: STEPS.index(last) + 1]:
        function(step, arn, token)
    return token


def event(step: str, arn: str, token: str) -> dict[str, str]:
    return {"Step": step, "SecretId": arn, "ClientRequestToken": token}


# A whole rotation.


def test_plain_text_gets_a_new_value_and_keeps_the_old_one_as_previous(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    token = RotationFunction(manager).rotate(arn)
    secret = manager.secrets[arn]
    assert secret.holder(CURRENT) == token
    assert secret.text() == manager.made[0]
    assert secret.text(PREVIOUS) == "old-password"
    assert secret.holder(PENDING) is None


def test_only_the_chosen_key_of_a_json_secret_changes(manager: SecretsManager) -> None:
    arn = manager.create(DOCUMENT)
    RotationFunction(manager, **KEYS).rotate(arn)
    expected = DOCUMENT.replace('"old-password"', json.dumps(manager.made[0]))
    assert manager.secrets[arn].text() == expected


def test_several_keys_get_values_of_their_own(manager: SecretsManager) -> None:
    arn = manager.create('{"z": "1", "a": "2", "m": "3"}')
    RotationFunction(manager, SECRET_KEYS='["a", "z"]').rotate(arn)
    text = manager.secrets[arn].text()
    assert text is not None
    value = json.loads(text)
    assert {value["a"], value["z"]} == set(manager.made)
    assert value["m"] == "3"


def test_values_inside_of_the_document_rotate_and_log_in(manager: SecretsManager) -> None:
    text = '{ "users": [ {"password": "first"},  {"password": "old-password", "n": 1.0} ], "host": "h" }'
    arn = manager.create(text)
    service = Service("old-password")
    RotationFunction(manager, service, SECRET_KEYS='["/users/1/password"]').rotate(arn)
    assert manager.secrets[arn].text() == text.replace("old-password", service.password)
    assert service.password == manager.made[0]


def test_the_value_of_one_item_does_not_go_to_another_item_of_an_array(manager: SecretsManager) -> None:
    arn = manager.create('{"users": [{"name": "b", "password": "2"}, {"name": "a", "password": "1"}]}')
    former = str(manager.secrets[arn].holder(CURRENT))
    manager.put(arn, '{"users": [{"name": "a", "password": "1"}]}')
    function = RotationFunction(manager, SECRET_KEYS='["/users/0/password"]')
    token = until(function, arn, "createSecret")
    move_current(manager, arn, former)
    with refused(errors.PendingMismatchError):
        function("finishSecret", arn, token)


TEMPLATES = {
    "SECRET_KEYS": '["password"]',
    "GENERATORS": json.dumps({"URL": {"type": "template", "template": "db://{{user}}:{{password|url}}@{{host}}"}}),
}
FOLLOWS = '{"user": "app", "password": "old-password", "host": "h", "URL": "db://app:old-password@h"}'


def test_what_follows_from_the_new_value_is_in_the_same_version(manager: SecretsManager) -> None:
    arn = manager.create(FOLLOWS)
    service = Service("old-password")
    function = RotationFunction(manager, service, **TEMPLATES, EXCLUDE_CHARACTERS="")
    for _ in range(2):
        function.rotate(arn)
        found = json.loads(str(manager.secrets[arn].text()))
        assert found["password"] == service.password
        assert found["URL"] == f"db://app:{quote(service.password, safe='')}@h"
    assert json.loads(str(manager.secrets[arn].text(PREVIOUS)))["URL"].startswith("db://app:")


def test_a_template_follows_what_was_edited_between_rotations(manager: SecretsManager) -> None:
    arn = manager.create(FOLLOWS)
    manager.put(arn, FOLLOWS.replace('"host": "h"', '"host": "new"'))
    RotationFunction(manager, **TEMPLATES).rotate(arn)
    assert json.loads(str(manager.secrets[arn].text()))["URL"].endswith("@new")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"user": "app", "password": "p", "host": "h"}', "'URL'"),
        ('{"user": "app", "password": "p", "host": "h", "URL": null}', "'URL' holds null"),
        ('{"user": "app", "password": "p", "URL": "u"}', "'host'"),
        ('{"user": null, "password": "p", "host": "h", "URL": "u"}', "{{user|json}}"),
    ],
)
def test_a_template_that_cannot_be_filled_in_is_refused_before_anything_is_made(
    manager: SecretsManager, text: str, named: str
) -> None:
    arn = manager.create(text)
    with refused(errors.SecretError, named):
        RotationFunction(manager, **TEMPLATES).rotate(arn)
    assert manager.made == []
    assert manager.secrets[arn].text(PENDING) is None


def test_a_service_issues_nothing_while_a_template_cannot_be_filled_in(manager: SecretsManager) -> None:
    issued: list[str] = []

    class Issues(Service):
        def create_secret(self, context: Context) -> dict[str, str]:
            issued.append(context.secret_id)
            return {"password": "issued"}

    arn = manager.create('{"user": "app", "password": "p", "host": "h"}')
    with refused(errors.KeyMissingError, "URL"):
        RotationFunction(manager, Issues("p"), **TEMPLATES).rotate(arn)
    assert issued == []
    manager.put(arn, FOLLOWS)
    RotationFunction(manager, Issues("old-password"), **TEMPLATES).rotate(arn)
    assert json.loads(str(manager.secrets[arn].text()))["URL"] == "db://app:issued@h"


class IssuesAnything(Service):
    """It does not say which keys it issues."""

    def create_secret(self, _: Context) -> dict[str, str]:
        return {"password": "issued"}


@pytest.mark.parametrize("kind", [Service, IssuesAnything])
@pytest.mark.parametrize("step", ["setSecret", "finishSecret"])
def test_a_value_that_does_not_follow_does_not_become_current(
    manager: SecretsManager, step: str, kind: type[Service]
) -> None:
    """Who may write a version could otherwise send an application to another server."""
    arn = manager.create(FOLLOWS)
    forged = FOLLOWS.replace("old-password", "new").replace("@h", "@elsewhere.example.com")
    token = manager.put(arn, forged, labels=(PENDING,))
    with refused(errors.PendingMismatchError, token):
        RotationFunction(manager, kind("old-password"), **TEMPLATES)(step, arn, token)


def test_a_log_shows_nothing_that_follows(manager: SecretsManager, capsys: pytest.CaptureFixture[str]) -> None:
    spec = {"URL": {"type": "template", "template": "x-{{password|sha256}}-{{host}}"}}
    arn = manager.create('{"password": "old-password", "host": "h", "URL": "u"}')

    class Tells(Service):
        def test_secret(self, context: Context) -> None:
            context.log.info(context.pending.require("URL"), part=context.pending.require("URL").split("-")[1])

    function = RotationFunction(manager, Tells("old-password"), SECRET_KEYS='["password"]', GENERATORS=json.dumps(spec))
    function.rotate(arn)
    found = json.loads(str(manager.secrets[arn].text()))["URL"]
    printed = capsys.readouterr().out
    assert "[hidden]" in printed
    assert found.split("-")[1] not in printed


def test_a_pointer_that_leads_nowhere_is_refused_and_the_secret_stays(manager: SecretsManager) -> None:
    arn = manager.create('{"database": "url"}')
    with refused(errors.KeyMissingError, "/database/password", "a string"):
        RotationFunction(manager, SECRET_KEYS='["/database/password"]').rotate(arn)
    assert len(manager.secrets[arn].versions) == 2
    assert manager.secrets[arn].text(PENDING) is None


@pytest.mark.parametrize(
    ("text", "environment", "reads"), [("old-password", {}, 1), (DOCUMENT, KEYS, 2)], ids=["plain text", "JSON"]
)
def test_a_rotation_takes_seven_calls_of_plain_text_and_eight_of_json(
    manager: SecretsManager, text: str, environment: dict[str, str], reads: int
) -> None:
    """finishSecret reads the current value of JSON too, to see that no other key has changed."""
    arn = manager.create(text)
    RotationFunction(manager, **environment).rotate(arn)
    created = ["DescribeSecret", "GetSecretValue", "GetRandomPassword", "PutSecretValue"]
    assert manager.calls == [
        *created, "DescribeSecret", *["GetSecretValue"] * reads, "UpdateSecretVersionStage",
    ]  # fmt: skip


@pytest.mark.parametrize("step", ["setSecret", "testSecret"])
def test_without_a_target_set_and_test_make_no_call(manager: SecretsManager, step: str) -> None:
    arn, function = manager.create("old-password"), RotationFunction(manager)
    token = until(function, arn, "createSecret")
    manager.calls.clear()
    function(step, arn, token)
    assert manager.calls == []


def test_the_rotation_token_is_passed_on_with_the_value(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    RotationFunction(manager).rotate(arn, RotationToken=ROTATION_TOKEN)
    put = [request for action, request in manager.requests if action == "PutSecretValue"]
    assert [request["RotationToken"] for request in put] == [ROTATION_TOKEN]


def test_without_a_rotation_token_none_is_sent(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    RotationFunction(manager).rotate(arn)
    assert all("RotationToken" not in request for _, request in manager.requests)


def test_a_service_accepts_the_new_value_after_the_rotation(manager: SecretsManager) -> None:
    arn = manager.create(DOCUMENT)
    service = Service("old-password")
    function = RotationFunction(manager, service, **KEYS)
    function.rotate(arn)
    function.rotate(arn)
    assert service.password == manager.made[1]
    assert manager.secrets[arn].text() == DOCUMENT.replace('"old-password"', json.dumps(service.password))


# Steps that come again.


@pytest.mark.parametrize("again", STEPS)
@pytest.mark.parametrize("last", STEPS)
def test_any_step_may_come_again_at_any_time(manager: SecretsManager, last: str, again: str) -> None:
    arn = manager.create("old-password")
    service = Service("old-password")
    function = RotationFunction(manager, service)
    token = until(function, arn, last)
    if STEPS.index(again) > STEPS.index(last):
        return
    function(again, arn, token)
    for step in STEPS:
        function(step, arn, token)
    secret = manager.secrets[arn]
    assert secret.holder(CURRENT) == token
    assert secret.text() == service.password
    assert len(secret.texts()) == 2


@pytest.mark.parametrize("step", STEPS)
def test_a_step_of_a_finished_rotation_is_a_success_and_changes_nothing(manager: SecretsManager, step: str) -> None:
    arn = manager.create("old-password")
    function = RotationFunction(manager, Service("old-password"))
    token = function.rotate(arn)
    manager.calls.clear()
    function(step, arn, token)
    assert manager.calls == ["DescribeSecret"]


def test_a_value_that_is_stored_already_is_kept(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    function = RotationFunction(manager)
    token = until(function, arn, "createSecret")
    function("createSecret", arn, token)
    assert manager.secrets[arn].text(PENDING) == manager.made[0]
    assert len(manager.made) == 2  # another one was made, and refused by the service


def test_a_finish_whose_answer_was_lost_is_a_success(manager: SecretsManager) -> None:
    def lose(moment: str, action: str) -> None:
        if (moment, action) == ("after", "UpdateSecretVersionStage"):
            raise ServiceError("InternalServiceError")

    arn = manager.create("old-password")
    manager.hooks.append(lose)
    token = RotationFunction(manager).rotate(arn)
    assert manager.secrets[arn].holder(CURRENT) == token


def test_a_finish_that_was_refused_fails_and_leaves_current(manager: SecretsManager) -> None:
    def refuse(moment: str, action: str) -> None:
        if (moment, action) == ("before", "UpdateSecretVersionStage"):
            raise ServiceError("AccessDeniedException", "no")

    arn = manager.create("old-password")
    manager.hooks.append(refuse)
    with pytest.raises(errors.AccessDeniedError):
        RotationFunction(manager).rotate(arn)
    assert manager.secrets[arn].text() == "old-password"


def test_finish_moves_current_only_from_where_it_was_seen(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    function = RotationFunction(manager)
    token = until(function, arn, "testSecret")

    def put_by_hand(moment: str, action: str) -> None:
        if (moment, action) == ("before", "UpdateSecretVersionStage"):
            manager.hooks.clear()
            manager.put(arn, "by-hand")

    manager.hooks.append(put_by_hand)
    with pytest.raises(errors.StoreError):
        function("finishSecret", arn, token)
    assert manager.secrets[arn].text() == "by-hand"


# What is refused, before anything is changed.

Damage = Callable[[SecretsManager, str, str], object]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda m, arn, _: m.cancel(arn), errors.RotationDisabledError),
        (lambda m, arn, _: m.put(arn, "by-hand"), errors.NotPendingError),
        (lambda m, arn, _: m.clear(arn), errors.UnknownVersionError),
        (lambda m, arn, token: m.secrets[arn].versions.pop(token), errors.UnknownVersionError),
        (lambda m, arn, _: m.secrets.pop(arn), errors.StoreError),
    ],
    ids=["cancelled", "abandoned", "cleared", "unknown", "deleted"],
)
def test_a_step_that_is_not_for_a_rotation_in_progress_is_refused(
    manager: SecretsManager, step: str, damage: Damage, expected: type[Exception]
) -> None:
    arn = manager.create("old-password")
    service = Service("old-password")
    function = RotationFunction(manager, service)
    token = until(function, arn, "createSecret")
    damage(manager, arn, token)
    before = {name: secret.text() for name, secret in manager.secrets.items()}
    manager.calls.clear()
    if expected is errors.NotPendingError:
        manager.secrets[arn].versions[token].labels.add("mine")  # else DescribeSecret does not list it
    with pytest.raises(expected):
        function(step, arn, token)
    assert manager.calls == ["DescribeSecret"] * (1 if expected is errors.StoreError else 3)  # it may be stale
    assert service.attempts == []
    assert {name: secret.text() for name, secret in manager.secrets.items()} == before


@pytest.mark.parametrize(
    ("value", "environment", "expected", "named"),
    [
        (b"\x00\x01binary", {}, errors.SecretBinaryError, "SecretString"),
        ('{"password": "x"}', {}, errors.JsonObjectError, "`keys`"),
        ('\ufeff{"password": "x"}', {}, errors.JsonObjectError, "`keys`"),
        *[(text, {}, errors.JsonObjectError, "`overwrite_json = true`") for text in LIKE_JSON],
        ("not json", KEYS, errors.NotJsonError, "`keys`"),
        (" ", KEYS, errors.NotJsonError, '{"password": "to-be-rotated"}'),
        ('["password"]', KEYS, errors.NotAnObjectError, "JSON object"),
        ('{"user": "x"}', KEYS, errors.KeyMissingError, "'password'"),
        ('{"password": 5}', KEYS, errors.KeyNotStringError, "'password'"),
        ('{"password": "x", "password": "y"}', KEYS, errors.DuplicateKeyError, "'password'"),
        ('{"password": ' + "[" * 60_000, KEYS, errors.NestedTooDeeplyError, "nested"),
        (json.dumps({"password": "x", "rest": "y" * 65_500}), KEYS, errors.ValueTooLargeError, "65536"),
        (None, KEYS, errors.NoValueError, '{"password": "to-be-rotated"}'),
    ],
)
def test_a_secret_that_cannot_be_rotated_is_refused_and_stays_as_it_is(
    manager: SecretsManager,
    value: str | bytes | None,
    environment: dict[str, str],
    expected: type[errors.RotationError],
    named: str,
) -> None:
    arn = manager.create(value)
    token = manager.rotate(arn)
    with refused(expected, named):
        RotationFunction(manager, **environment)("createSecret", arn, token)
    assert manager.secrets[arn].versions[token].data == {}
    made = ["GetRandomPassword"] if expected is errors.ValueTooLargeError else []  # known only with the new value
    assert manager.calls == ["DescribeSecret", "GetSecretValue", *made] or expected is errors.NoValueError


@pytest.mark.parametrize("text", [*LIKE_JSON, '{"password": "x"}'])
def test_what_looks_like_json_is_replaced_if_the_setting_says_so(manager: SecretsManager, text: str) -> None:
    arn = manager.create(text)
    RotationFunction(manager, OVERWRITE_JSON="true").rotate(arn)
    assert manager.secrets[arn].text() == manager.made[0]


@pytest.mark.parametrize("text", PLAIN)
def test_what_does_not_look_like_json_is_plain_text(manager: SecretsManager, text: str) -> None:
    arn = manager.create(text)
    RotationFunction(manager).rotate(arn)
    assert manager.secrets[arn].text() == manager.made[0]


def test_a_password_that_looks_like_json_is_not_stored(manager: SecretsManager) -> None:
    """The next rotation would reject it."""
    arn = manager.create("old-password")
    made = iter(['{"abcdef', "['abcdef", "fine-password"])
    with mock.patch.object(Store, "random_password", side_effect=made):
        RotationFunction(manager).rotate(arn)
    assert manager.secrets[arn].text() == "fine-password"


def test_settings_that_make_nothing_but_json_are_refused(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    with (
        mock.patch.object(Store, "random_password", return_value='{"'),
        refused(errors.SettingError, "`exclude_characters`"),
    ):
        RotationFunction(manager).rotate(arn)


def test_a_value_of_exactly_the_largest_size_is_stored(manager: SecretsManager) -> None:
    rest = "y" * (65_536 - len(json.dumps({"password": "p" * 32, "rest": ""})))
    arn = manager.create(json.dumps({"password": "x", "rest": rest}))
    RotationFunction(manager, **KEYS, EXCLUDE_CHARACTERS='"\\').rotate(arn)
    assert len(str(manager.secrets[arn].text())) == 65_536


@pytest.mark.parametrize("step", ["setSecret", "finishSecret"])
@pytest.mark.parametrize("target", [None, Service("old-password")])
def test_a_version_without_a_value_is_not_set_and_not_finished(
    manager: SecretsManager, step: str, target: Service | None
) -> None:
    if target is None and step == "setSecret":
        return
    arn = manager.create("old-password")
    with pytest.raises(errors.NoValueError):
        RotationFunction(manager, target)(step, arn, manager.rotate(arn))
    assert manager.secrets[arn].text() == "old-password"
    assert target is None or target.attempts == []


def test_a_value_that_the_service_does_not_accept_is_not_finished(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    function = RotationFunction(manager, Service("old-password"))
    token = until(function, arn, "createSecret")
    with pytest.raises(errors.AuthenticationError):
        function("finishSecret", arn, token)
    assert manager.secrets[arn].text() == "old-password"


# The first value, and a test that comes alone.


@pytest.mark.parametrize("target", [None, Service("")])
def test_a_plain_text_secret_without_a_value_gets_its_first_one(
    manager: SecretsManager, target: Service | None
) -> None:
    arn = manager.create()
    if target is not None:
        target.set_secret = lambda context: setattr(target, "password", context.pending.value)  # type: ignore[method-assign]
    token = RotationFunction(manager, target).rotate(arn)
    assert manager.secrets[arn].holder(CURRENT) == token
    assert manager.secrets[arn].text() == manager.made[0]
    assert target is None or target.password == manager.made[0]


def test_a_test_that_comes_alone_tests_the_current_value(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    service = Service("old-password")
    RotationFunction(manager, service)("testSecret", arn, manager.rotate(arn))
    assert service.attempts == ["old-password"]


def test_a_test_that_comes_alone_passes_when_pending_equals_current(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    token = manager.put(arn, "old-password", labels=(PENDING,))
    service = Service("old-password")
    RotationFunction(manager, service)("testSecret", arn, token)
    assert service.attempts == ["old-password"]


def test_a_test_that_comes_alone_for_a_secret_without_a_value_passes(manager: SecretsManager) -> None:
    arn = manager.create()
    service = Service("any")
    RotationFunction(manager, service)("testSecret", arn, manager.rotate(arn))
    assert service.attempts == []


# The current value is changed while a rotation is under way.


@pytest.mark.parametrize("again", ["setSecret", "finishSecret"])
@pytest.mark.parametrize("target", [None, Service("old-password")])
def test_a_rollback_is_not_undone(manager: SecretsManager, target: Service | None, again: str) -> None:
    """An operator moves AWSCURRENT back after createSecret: the other keys of the newer version stay gone."""
    if target is None and again == "setSecret":
        return
    arn = manager.create('{"password": "old-password", "host": "old"}')
    former = str(manager.secrets[arn].holder(CURRENT))
    manager.put(arn, '{"password": "old-password", "host": "broken"}')
    function = RotationFunction(manager, replace(target) if target else None, **KEYS)
    token = until(function, arn, "createSecret")
    move_current(manager, arn, former)
    with refused(errors.PendingMismatchError, "AWSCURRENT", "--version-stage AWSPENDING", token, "rotate again"):
        function(again, arn, token)
    assert manager.secrets[arn].text() == '{"password": "old-password", "host": "old"}'
    manager.clear(arn)  # what the message says
    function.rotate(arn)
    assert '"host": "old"' in str(manager.secrets[arn].text())


class TooLong:
    """A service that takes passwords of 20 characters, as in reports about appliances."""

    def set_secret(self, context: Context) -> None:
        if len(context.pending.value) > 20:
            raise errors.ConfigurationError("The service refuses the value.")

    def test_secret(self, context: Context) -> None:
        self.set_secret(context)


@pytest.mark.parametrize("keys", [{}, KEYS])
def test_a_refused_value_that_no_longer_fits_the_settings_can_be_given_up(
    manager: SecretsManager, keys: dict[str, str]
) -> None:
    arn = manager.create('{"password": "old-password"}' if keys else "old-password")
    token = until(RotationFunction(manager, TooLong(), **keys), arn, "createSecret")
    with pytest.raises(errors.ConfigurationError) as first:
        RotationFunction(manager, TooLong(), **keys)("setSecret", arn, token)
    assert "no longer fits" not in str(first.value), "it fits the settings, and so would the next one"
    corrected = RotationFunction(manager, TooLong(), PASSWORD_LENGTH="20", **keys)
    corrected("createSecret", arn, token)  # the value is kept
    for step in ("setSecret", "testSecret"):
        with refused(errors.ConfigurationError, "refuses", "32 characters and not 20", "AWSPENDING", token, arn):
            corrected(step, arn, token)
    manager.clear(arn)  # what the message says
    corrected.rotate(arn)
    assert "old-password" not in str(manager.secrets[arn].text())


def test_after_keys_changed_the_message_says_how_to_give_up_the_pending_value(manager: SecretsManager) -> None:
    arn = manager.create('{"password": "old-password", "token": "old-token"}')
    token = until(RotationFunction(manager, Service("any"), SECRET_KEYS='["password"]'), arn, "createSecret")
    changed = RotationFunction(manager, Service("old-token"), SECRET_KEYS='["token"]')
    changed("createSecret", arn, token)
    with refused(errors.PendingMismatchError, "--version-stage AWSPENDING", token, "rotate again"):
        changed("setSecret", arn, token)
    manager.clear(arn)
    changed.rotate(arn)
    assert '"password": "old-password"' in str(manager.secrets[arn].text())


def move_current(manager: SecretsManager, arn: str, version: str) -> None:
    manager.client().update_secret_version_stage(
        SecretId=arn,
        VersionStage=CURRENT,
        MoveToVersionId=version,
        RemoveFromVersionId=manager.secrets[arn].holder(CURRENT),
    )


@pytest.mark.parametrize(
    "garbage",
    [
        "garbage", "[]", "{}", '{"password": 5, "user": "app"}', '{"password": "new"}', '{"user": "app"}',
        '{"password": "new", "user": "other"}', '{"password": "new", "user": "app", "more": "x"}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("target", [None, Service("old-password")])
def test_garbage_in_pending_does_not_become_current(
    manager: SecretsManager, garbage: str, target: Service | None
) -> None:
    arn = manager.create('{"user": "app", "password": "old-password"}')
    token = manager.put(arn, garbage, labels=(PENDING,))
    function = RotationFunction(manager, target, **KEYS)
    for step in ("setSecret", "finishSecret") if target else ("finishSecret",):
        with refused(errors.PendingMismatchError, token):
            function(step, arn, token)
    assert "old-password" in str(manager.secrets[arn].text())
    assert target is None or target.attempts == []


def test_json_in_pending_does_not_become_a_plain_text_secret(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    token = manager.put(arn, '{"password": "new"}', labels=(PENDING,))
    with refused(errors.PendingMismatchError, token):
        RotationFunction(manager)("finishSecret", arn, token)


def test_a_value_put_while_the_new_one_is_made_is_not_overwritten_by_older_keys(manager: SecretsManager) -> None:
    arn = manager.create('{"password": "old-password", "host": "old"}')

    def put_by_hand(moment: str, action: str) -> None:
        if (moment, action) == ("before", "PutSecretValue"):
            manager.hooks.clear()
            manager.put(arn, '{"password": "old-password", "host": "new"}')

    manager.hooks.append(put_by_hand)
    with pytest.raises(errors.SecretError):
        RotationFunction(manager, **KEYS).rotate(arn)
    assert '"host": "new"' in str(manager.secrets[arn].text())


def test_keys_that_a_generator_or_a_target_fills_may_differ(manager: SecretsManager) -> None:
    arn = manager.create('{"password": "old-password", "username": "app", "other": "x"}')
    target = Issuer("old-password")
    target.issued = {"password": "new-password", "username": "app_clone"}
    target.issued_keys = lambda _: ("username",)  # type: ignore[attr-defined]
    function = RotationFunction(manager, target, **KEYS)
    function.rotate(arn)
    assert '"app_clone"' in str(manager.secrets[arn].text())
    del target.issued_keys  # type: ignore[attr-defined]
    target.issued = {"username": "app"}
    function = RotationFunction(manager, target, **KEYS)  # that does not say what it issues
    function.rotate(arn)


# A rotation that is cancelled half way.


@pytest.mark.parametrize("last", ["createSecret", "setSecret", "testSecret"])
def test_a_cancelled_rotation_goes_on_when_rotation_is_enabled_again(manager: SecretsManager, last: str) -> None:
    """Terraform destroyed it, or its entry was removed, between set and finish."""
    arn = manager.create("old-password")
    service = Service("old-password")
    function = RotationFunction(manager, service)
    token = until(function, arn, last)
    manager.cancel(arn)
    assert function.rotate(arn) == token
    assert manager.secrets[arn].text() == service.password


# Reads that lag behind.


def test_labels_just_written_are_read_again_before_a_rotation_is_said_to_be_abandoned(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    token = manager.rotate(arn)
    manager.stale_reads = 2
    function = RotationFunction(manager)
    function("createSecret", arn, token)
    assert function.slept == [0.2, 0.4]
    assert manager.secrets[arn].text(PENDING) == manager.made[0]


def test_a_value_just_written_is_read_again_until_it_is_seen(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    service = Service("old-password")
    function = RotationFunction(manager, service)
    token = until(function, arn, "createSecret")

    def lag(moment: str, action: str) -> None:
        manager.stale_reads = 2 if (moment, action) == ("after", "DescribeSecret") else manager.stale_reads

    manager.hooks.append(lag)
    function("setSecret", arn, token)
    assert service.password == manager.made[0]
    assert len(function.slept) == 2


def test_a_current_value_just_written_is_read_again_until_it_is_seen(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    manager.put(arn, "by-hand")
    token = manager.rotate(arn)
    del manager._before_last_write[arn].versions[str(manager.secrets[arn].holder(CURRENT))]

    def lag(moment: str, action: str) -> None:
        manager.stale_reads = 1 if (moment, action) == ("after", "DescribeSecret") else manager.stale_reads

    manager.hooks.append(lag)
    function = RotationFunction(manager)
    function("createSecret", arn, token)
    assert len(function.slept) == 1


def test_a_value_that_is_never_seen_is_read_a_bounded_number_of_times(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    function = RotationFunction(manager)
    token = manager.rotate(arn)
    with pytest.raises(errors.NoValueError):
        function("finishSecret", arn, token)
    assert manager.calls == ["DescribeSecret", *["GetSecretValue"] * 3]


def test_the_wait_for_a_value_does_not_outlast_the_function(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    function = RotationFunction(manager)
    with pytest.raises(errors.NoValueError):
        function.handle(event("finishSecret", arn, manager.rotate(arn)), seconds=0.6)
    assert function.slept == []


def test_retiring_sees_the_labels_as_they_were_set_though_reads_lag_behind(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    service = Service("old-password")
    seen: list[tuple[str | None, list[str]]] = []

    def finish_secret(context: Context) -> None:
        current = context.current.value if context.current else None
        seen.append((current, [credential.value for credential in context.older()]))

    service.finish_secret = finish_secret  # type: ignore[attr-defined]

    def lag(moment: str, action: str) -> None:
        if (moment, action) == ("after", "UpdateSecretVersionStage"):
            labels = manager._before_last_write[arn]
            labels.versions = manager.secrets[arn].versions | labels.versions
            manager.stale_reads = 1

    manager.hooks.append(lag)
    RotationFunction(manager, service).rotate(arn)
    assert seen == [(manager.made[0], ["old-password"])]


# What a target is given.


def capture(function: RotationFunction, arn: str) -> tuple[Context, list[str]]:
    """The context that setSecret gives to the target, and the candidates in it."""
    found: list[tuple[Context, list[str]]] = []

    def look(context: Context) -> None:
        found.append((context, [credential.value for credential in context.candidates()]))

    assert function.function.target is not None
    function.function = function.function._replace(target=replace(function.function.target, set_secret=look))
    until(function, arn, "setSecret")
    return found[0]


def test_candidates_come_in_the_order_pending_current_previous_unlabelled(manager: SecretsManager) -> None:
    arn = manager.create("first")
    for value in ("second", "third", "fourth", "fifth"):
        manager.put(arn, value)
    _, candidates = capture(RotationFunction(manager, Service("")), arn)
    assert candidates == [manager.made[0], "fifth", "fourth", "third", "second", "first"]


def test_a_value_that_stands_in_several_versions_is_tried_once(manager: SecretsManager) -> None:
    arn = manager.create("same")
    manager.put(arn, "same")
    _, candidates = capture(RotationFunction(manager, Service("")), arn)
    assert candidates == [manager.made[0], "same"]


def test_older_versions_are_read_only_when_they_are_needed(manager: SecretsManager) -> None:
    arn = manager.create("first")
    manager.put(arn, "second")
    RotationFunction(manager, Service("second")).rotate(arn)
    assert "ListSecretVersionIds" not in manager.calls


def test_an_older_version_that_is_binary_or_unreadable_is_passed_over(manager: SecretsManager) -> None:
    arn = manager.create("first")
    for value in ("[" * 50_000, b"binary", "current"):
        manager.put(arn, value)
    _, candidates = capture(RotationFunction(manager, Service("")), arn)
    assert candidates == [manager.made[0], "current", "[" * 50_000, "first"]


def test_a_version_with_a_label_of_somebodys_own_is_a_candidate(manager: SecretsManager) -> None:
    """A database that was restored from a snapshot has the password of such a version."""
    arn = manager.create("first")
    kept = manager.put(arn, "snapshot-password")
    for value in ("third", "fourth", "fifth"):
        manager.put(arn, value)
    manager.secrets[arn].versions[kept].labels.add("before-migration")
    _, candidates = capture(RotationFunction(manager, Service("")), arn)
    assert candidates == [manager.made[0], "fifth", "fourth", "third", "snapshot-password", "first"]
    service = Service("snapshot-password")
    manager.clear(arn)
    RotationFunction(manager, service).rotate(arn)
    assert service.password == manager.secrets[arn].text()


@pytest.mark.parametrize("code", ["AccessDeniedException", "DecryptionFailure", "InternalServiceError"])
def test_a_version_that_cannot_be_read_is_passed_over_and_named(manager: SecretsManager, code: str) -> None:
    arn = manager.create("works")
    lost = [manager.put(arn, "cannot-be-read"), manager.put(arn, "cannot-be-read-either")]
    manager.put(arn, "current")
    unreadable(manager, lost, code)
    context, candidates = capture(RotationFunction(manager, Service("")), arn)
    assert candidates == [manager.made[0], "current", "works"]
    assert list(context.problems) == lost[::-1]
    assert all(isinstance(problem, errors.SecretError) for problem in context.problems.values())


def unreadable(manager: SecretsManager, versions: list[str], code: str) -> None:
    """Refuse to decrypt some versions, as after their KMS key was disabled."""

    def refuse(moment: str, action: str) -> None:
        if (moment, action) == ("before", "GetSecretValue") and manager.requests[-1][1]["VersionId"] in versions:
            raise ServiceError(code, "Access to KMS is not allowed")

    manager.hooks.append(refuse)


class Placed(Service):
    """A service that knows where it is."""

    def identity(self, credential: Credential) -> dict[str, str]:
        return {"host": credential.require("host"), "user": credential.get("user", "app") or ""}


def placed(host: str, password: str) -> str:
    return json.dumps({"host": host, "password": password})


@pytest.mark.parametrize("step", ["setSecret", "testSecret", "finishSecret"])
def test_a_pending_value_for_another_server_is_refused(manager: SecretsManager, step: str) -> None:
    arn = manager.create(placed("db", "old-password"))
    token = manager.put(arn, placed("evil", "new-password"), labels=(PENDING,))
    service = Placed("old-password")
    with pytest.raises(errors.IdentityMismatchError, match="host"):
        RotationFunction(manager, service, **KEYS)(step, arn, token)
    assert service.attempts == []
    assert manager.secrets[arn].text() == placed("db", "old-password")


def test_an_older_version_for_another_server_is_no_candidate(manager: SecretsManager) -> None:
    arn = manager.create(placed("evil", "one"))
    for text in (placed("db", "two"), '{"password": "no host"}', placed("evil", "three"), placed("db", "four")):
        manager.put(arn, text)
    _, candidates = capture(RotationFunction(manager, Placed(""), **KEYS), arn)
    assert candidates == [manager.made[0], "four", "two"]


def test_a_lock_out_by_a_cleared_label_heals_with_the_next_rotation(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    service = Service("old-password")
    function = RotationFunction(manager, service)
    until(function, arn, "setSecret")
    manager.clear(arn)
    token = function.rotate(arn)
    assert manager.secrets[arn].holder(CURRENT) == token
    assert service.password == manager.secrets[arn].text()


class Issuer(Service):
    """A service that makes the value itself."""

    issued: Any = None
    times = 0

    def create_secret(self, context: Context) -> Any:
        self.times += 1
        return self.issued


@pytest.mark.parametrize("issued", [None, "text", ["password"], {"password": 5}, {5: "x"}, {"password": None}])
def test_what_a_target_issues_in_another_shape_is_refused(manager: SecretsManager, issued: Any) -> None:
    arn = manager.create(DOCUMENT)
    target = Issuer("old-password")
    target.issued = issued
    with pytest.raises(errors.TargetError):
        RotationFunction(manager, target, **KEYS).rotate(arn)
    assert "PutSecretValue" not in manager.calls


def test_what_a_target_issues_is_stored_instead_of_a_generated_value(manager: SecretsManager) -> None:
    arn = manager.create(DOCUMENT)
    target = Issuer("old-password")
    target.issued = {"password": "issued", "username": "other"}
    RotationFunction(manager, target, **KEYS).rotate(arn)
    expected = DOCUMENT.replace("old-password", "issued").replace('"app"', '"other"')
    assert manager.secrets[arn].text() == expected
    assert manager.made == []


def test_a_target_is_not_asked_again_for_a_version_that_has_its_value(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    target = Issuer("old-password")
    target.issued = {"": "issued-password"}
    function = RotationFunction(manager, target)
    token = until(function, arn, "createSecret")
    function("createSecret", arn, token)
    assert target.times == 1


def test_a_target_gets_the_secret_the_settings_and_a_client(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    function = RotationFunction(manager, Service(""), TARGET_SETTINGS='{"url": "https://x"}')
    context, _ = capture(function, arn)
    assert (context.secret_id, context.setting("url")) == (arn, "https://x")
    assert context.client("secretsmanager") is function.clients["secretsmanager"]
    assert 28 < context.deadline.remaining() < 30


def test_a_context_prints_no_value(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    context, _ = capture(RotationFunction(manager, Service("")), arn)
    assert "old-password" not in repr(context)
    assert manager.made[0] not in repr(context)
