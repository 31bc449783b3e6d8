"""The iam_access_key target: which key is issued, which one goes, and when it rather stops."""

import json
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar

import boto3
import pytest
from botocore.config import Config

from rotation_lab.model.secrets_manager import SecretsManager, ServiceError
from rotation_lab.services.iam import KEYS, Iam, Key, values
from secret_rotation.errors import (
    AccessDeniedError,
    AuthenticationError,
    ConfigurationError,
    IdentityMismatchError,
    NetworkError,
    RotationError,
    SecretError,
    SettingError,
    ValueTooLargeError,
)
from secret_rotation.targets import iam_access_key
from tests.operating import PREFLIGHT, Operating
from tests.support import cli, runbooks
from tests.target_contract import Installation, Setup, TargetContract, World


def text(key: Key) -> str:
    return json.dumps({**values(key), "region": "eu-west-1"})


class AccessKey(Installation):
    """The user ``app`` with one access key, which the secret holds."""

    environment: Mapping[str, str] = {"SECRET_KEYS": json.dumps(KEYS)}
    public = frozenset({"region"})

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self.iam = Iam()
        user = self.iam.credential("app", "/machines/")
        super().__init__(user, (), **{"user_arn": user.user_arn, **(settings or {})})
        (self.first,) = self.iam.of("app")

    def spoiled(self, value: str) -> str:
        return json.dumps({**json.loads(value), "secret_access_key": "NeverWorked" * 4})

    def prepare(self, manager: SecretsManager) -> Mapping[str, Any]:
        return {"iam": self.iam.client("iam"), "sts": partial(self.iam.client, "sts")}

    def watch(self, hook: Callable[[str, str], None]) -> None:
        self.iam.hooks.append(hook)

    @property
    def ids(self) -> list[str]:
        return [key.key_id for key in self.iam.of("app")]


@pytest.fixture(autouse=True)
def _clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting, and one clock for Secrets Manager, IAM and the function."""
    monkeypatch.setattr(iam_access_key, "PAUSES", (0.001, 0.001, 0.001))
    monkeypatch.setattr(SecretsManager, "now", lambda self: datetime.now(UTC))


_ISSUED_IN_CREATE = "IAM issues the key in createSecret, and accepts it from then on"
_AWS_ENDPOINT = "the service is AWS's own, at boto3's endpoint"


class TestOperating(Operating):
    target = "iam_access_key"
    sample = PREFLIGHT
    kept_for = 1
    not_applicable: ClassVar = {
        "host unreachable": _AWS_ENDPOINT,
        "certificate not trusted": _AWS_ENDPOINT,
        "restored from a snapshot": "IAM does not go back in time",
        "put back": "a key that IAM has deleted cannot be set again",
    }

    @pytest.fixture
    def service(self) -> AccessKey:
        return AccessKey()


class TestIamAccessKey(TargetContract):
    target = "iam_access_key"
    former_value_works = True
    not_applicable: ClassVar = {
        "test_nothing_changes_at_the_service_before_set": _ISSUED_IN_CREATE,
        "test_the_test_refuses_a_value_that_was_not_set": _ISSUED_IN_CREATE,
        "test_finish_refuses_a_value_that_was_not_set": _ISSUED_IN_CREATE,
        "test_any_character_may_be_in_a_password": "IAM makes the value",
        "test_a_rotation_that_dies_anywhere_and_is_abandoned_is_made_good_by_the_next": (
            "it may leave a key that nobody can tell from a person's: see the cases of a key that no version holds"
        ),
        "test_when_no_stored_value_opens_the_service_the_error_is_one_of_authentication": (
            "no stored key is needed to issue one: a user without a working key gets one"
        ),
        "test_a_pending_value_for_another_server_is_refused_unused": "the user is a setting; STS says whose a key is",
        "test_a_server_that_is_down_is_a_network_error": _AWS_ENDPOINT,
        "test_a_server_that_never_answers_is_a_network_error_within_the_time": _AWS_ENDPOINT,
        "test_a_server_that_hangs_up_is_a_network_error": _AWS_ENDPOINT,
        "test_a_certificate_of_an_unknown_authority_is_refused": _AWS_ENDPOINT,
        "test_a_certificate_for_another_host_name_is_refused": _AWS_ENDPOINT,
        "test_a_server_without_tls_is_refused_and_never_spoken_to_in_plain_text": _AWS_ENDPOINT,
        "test_nothing_secret_is_shown": "setSecret has nothing that could fail: see the case of its own",
    }

    @pytest.fixture
    def service(self) -> AccessKey:
        return AccessKey()

    @pytest.fixture(autouse=True)
    def _settled(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A run that was broken off has ended for certain when the next one begins."""
        monkeypatch.setattr(iam_access_key, "CLOCK_SKEW", -timedelta(days=1))


@pytest.fixture
def service() -> AccessKey:
    return AccessKey()


@pytest.fixture
def world(service: AccessKey) -> World:
    return World.make("iam_access_key", service, lambda service: service.setup)


# Which key goes.


def test_the_user_never_has_more_than_two_keys_and_the_new_one_is_stored(world: World, service: AccessKey) -> None:
    for _ in range(4):
        former = json.loads(world.current)["access_key_id"]
        new = json.loads(world.rotate())["access_key_id"]
        assert service.ids == [former, new]


def test_the_other_members_of_the_secret_stay(world: World) -> None:
    assert json.loads(world.rotate())["region"] == "eu-west-1"


def test_a_user_without_a_key_gets_its_first_one(world: World, service: AccessKey) -> None:
    service.iam.keys.clear()
    new = world.rotate()
    assert service.login(new)
    assert len(service.ids) == 1


def test_a_key_of_an_abandoned_rotation_is_the_one_that_goes(world: World, service: AccessKey) -> None:
    world.until("testSecret")
    abandoned = json.loads(world.pending)["access_key_id"]
    world.manager.clear(world.arn)
    new = world.rotate()
    assert service.ids == [service.first.key_id, json.loads(new)["access_key_id"]]
    assert abandoned not in service.iam.keys


def test_a_key_that_does_not_work_anyway_goes_before_one_that_works(world: World, service: AccessKey) -> None:
    previous = world.current
    service.iam.keys[json.loads(world.rotate())["access_key_id"]].status = "Inactive"
    new = world.rotate()
    assert service.login(previous)
    assert service.login(new)
    assert len(service.ids) == 2


def test_the_current_key_was_deleted_outside_and_the_previous_one_stays(world: World, service: AccessKey) -> None:
    previous = world.current
    del service.iam.keys[json.loads(world.rotate())["access_key_id"]]
    new = world.rotate()
    assert service.login(previous)
    assert service.login(new)


def test_a_deletion_that_has_happened_already_is_a_success(world: World, service: AccessKey) -> None:
    world.rotate()
    service.iam.hooks.append(lambda moment, action: _vanish(service, moment, action))
    assert service.login(world.rotate())


def _vanish(service: AccessKey, moment: str, action: str) -> None:
    if (moment, action) == ("before", "DeleteAccessKey"):
        service.iam.keys.pop(service.first.key_id)


def test_the_secret_may_name_its_keys_otherwise() -> None:
    service = AccessKey({"access_key_id_key": "AWS_ACCESS_KEY_ID", "secret_access_key_key": "AWS_SECRET_ACCESS_KEY"})
    service.environment = {"SECRET_KEYS": '["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]'}
    names = {"AWS_ACCESS_KEY_ID": service.first.key_id, "AWS_SECRET_ACCESS_KEY": service.first.secret}
    world = World.make("iam_access_key", service, lambda service: Setup(service.setup.settings, json.dumps(names)))
    new = json.loads(world.rotate())
    assert service.iam.keys[new["AWS_ACCESS_KEY_ID"]].secret == new["AWS_SECRET_ACCESS_KEY"]


# A key that no version holds.


@pytest.mark.parametrize("status", ["Active", "Inactive"])
@pytest.mark.parametrize("used", [False, True])
def test_a_persons_key_is_never_deleted(world: World, service: AccessKey, status: str, used: bool) -> None:
    by_hand = service.iam.add_key("app")
    by_hand.created, by_hand.status = by_hand.created - timedelta(days=1), status
    by_hand.used = datetime.now(UTC) if used else None
    before = service.ids
    told = world.refused(SecretError, "createSecret", world.manager.rotate(world.arn))
    assert by_hand.key_id in told
    assert service.ids == before


def test_a_persons_key_that_is_made_while_the_rotation_fails_and_is_used_is_never_deleted(
    world: World, service: AccessKey
) -> None:
    token = world.manager.rotate(world.arn)
    by_hand = service.iam.add_key("app")
    by_hand.created, by_hand.used = datetime.now(UTC) + timedelta(minutes=5), datetime.now(UTC)
    assert by_hand.key_id in world.refused(SecretError, "createSecret", token)
    assert by_hand.key_id in service.iam.keys


def test_a_persons_key_that_is_older_than_the_rotation_but_not_than_the_current_value_is_never_deleted(
    world: World, service: AccessKey
) -> None:
    for version in world.secret.versions.values():
        version.created -= timedelta(days=2)
    by_hand = service.iam.add_key("app")
    by_hand.created -= timedelta(days=1)
    assert by_hand.key_id in world.refused(SecretError, "createSecret", world.manager.rotate(world.arn))
    assert by_hand.key_id in service.iam.keys


def test_the_only_stored_key_is_not_deleted_to_make_room_beside_a_persons_key(world: World, service: AccessKey) -> None:
    world.rotate()
    del service.iam.keys[json.loads(world.current)["access_key_id"]]
    service.iam.add_key("app").created -= timedelta(days=1)
    world.refused(SecretError, "createSecret", world.manager.rotate(world.arn))
    assert service.first.key_id in service.iam.keys


def _lose_answer(world: World, service: AccessKey) -> tuple[str, Key]:
    """CreateAccessKey does its work, and nobody gets the answer."""

    def lose(moment: str, action: str) -> None:
        if (moment, action) == ("after", "CreateAccessKey"):
            raise ServiceError("ServiceFailure")

    token = world.manager.rotate(world.arn)
    service.iam.hooks.append(lose)
    world.refused(RotationError, "createSecret", token)
    service.iam.hooks.remove(lose)
    return token, service.iam.of("app")[-1]


def test_a_key_whose_answer_was_lost_is_deleted_once_no_run_can_store_it(
    world: World, service: AccessKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, lost = _lose_answer(world, service)
    assert "tried again" in world.refused(SecretError, "createSecret", token)
    assert lost.key_id in service.iam.keys
    monkeypatch.setattr(iam_access_key, "CLOCK_SKEW", -timedelta(days=1))  # time passes
    world.go_on(token)
    assert lost.key_id not in service.iam.keys
    assert service.login(world.current)


def test_a_key_is_not_taken_for_lost_while_a_run_may_still_be_about_to_store_it(
    world: World, service: AccessKey
) -> None:
    token, lost = _lose_answer(world, service)
    world.secret.versions[token].created -= timedelta(hours=1)
    lost.created -= timedelta(seconds=20)  # a run has 29.5 s here, and clocks differ by up to 5 s
    assert "after 34 s" in world.refused(SecretError, "createSecret", token)
    lost.created -= timedelta(seconds=20)
    world.go_on(token)
    assert lost.key_id not in service.iam.keys


def test_a_lost_key_of_an_abandoned_rotation_is_named_and_not_deleted(world: World, service: AccessKey) -> None:
    _, lost = _lose_answer(world, service)
    lost.created -= timedelta(hours=1)
    world.manager.clear(world.arn)
    token = world.manager.rotate(world.arn)
    assert lost.key_id in world.refused(SecretError, "createSecret", token)
    del service.iam.keys[lost.key_id]
    world.go_on(token)
    assert service.login(world.current)


def test_a_rotation_that_dies_anywhere_and_is_abandoned_never_takes_the_current_key(
    world: World, service: AccessKey
) -> None:
    """The next rotation ends well, or names the one key that is to be deleted by hand; then it ends well."""
    stopped = 0
    for _ in world.crashes():
        world.manager.clear(world.arn)
        for key in service.iam.of("app"):
            key.created -= timedelta(hours=1)
        current, token = world.current, world.manager.rotate(world.arn)
        told = world.tried(SecretError, "createSecret", token)
        assert service.login(current)
        if told:
            stopped += 1
            (lost,) = [key for key in service.ids if key in told]
            del service.iam.keys[lost]
        world.go_on(token)
        assert service.login(world.current)
        assert len(service.ids) <= 2
    assert stopped, "no point was between IAM's answer and the storing"


# The test.


def test_a_new_key_is_tried_until_sts_knows_it(world: World, service: AccessKey) -> None:
    service.iam.unknown_for = 3
    assert service.login(world.rotate())
    assert service.iam.calls.count("GetCallerIdentity") == 3 + 1 + 1, "and finishSecret once more"


@pytest.mark.parametrize("harm", ["deleted", "inactive", "other secret"])
def test_a_key_that_sts_does_not_accept_is_an_authentication_error(world: World, service: AccessKey, harm: str) -> None:
    token = world.until("createSecret")
    key = service.iam.of("app")[-1]
    if harm == "deleted":
        del service.iam.keys[key.key_id]
    elif harm == "inactive":
        key.status = "Inactive"
    else:
        key.secret = "z" * 40
    before = world.stored()
    assert "remove AWSPENDING" in world.refused(AuthenticationError, "testSecret", token)
    world.refused(AuthenticationError, "finishSecret", token)
    assert world.stored() == before


def test_a_key_is_not_tried_beyond_the_functions_time(
    world: World, service: AccessKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(iam_access_key, "PAUSES", (60.0,))
    token = world.until("createSecret")
    service.iam.keys.clear()
    world.refused(AuthenticationError, "testSecret", token)
    assert service.iam.calls.count("GetCallerIdentity") == 1


@pytest.mark.parametrize(("seconds", "tries"), [(14.9, 1), (16.9, 2)])
def test_a_key_is_tried_again_while_there_is_time_for_the_pause_and_a_whole_try(
    world: World, service: AccessKey, monkeypatch: pytest.MonkeyPatch, seconds: float, tries: int
) -> None:
    """Twice the pause, 5 s for a call, and what is kept back: a function that is killed says nothing."""
    monkeypatch.setattr(iam_access_key, "PAUSES", (4.8,))
    monkeypatch.setattr("time.sleep", lambda _: None)
    token = world.until("createSecret")
    service.iam.keys.clear()
    service.iam.calls.clear()
    world.refused(AuthenticationError, "testSecret", token, seconds)
    assert service.iam.calls.count("GetCallerIdentity") == tries


def test_a_key_of_another_user_is_refused(world: World, service: AccessKey) -> None:
    service.iam.add_user("somebody")
    token = world.manager.rotate(world.arn)
    world.store_pending(token, text(service.iam.add_key("somebody")))
    for step in ("testSecret", "finishSecret"):
        assert "user/somebody" in world.refused(IdentityMismatchError, step, token)


# Refused, and no key issued.


@pytest.mark.parametrize(
    "arn",
    ["", "app", "arn:aws:iam::123456789012:role/app", "arn:aws:iam::123456789012:user/", "arn:aws:iam::1:user/app"],
)
def test_a_user_that_is_no_arn_is_refused(arn: str) -> None:
    service = AccessKey({"user_arn": arn or " "})
    with pytest.raises(SettingError, match="user_arn"):
        World.make("iam_access_key", service, lambda service: service.setup)
    assert service.iam.calls == []


@pytest.mark.parametrize("keys", [None, ["secret_access_key"], ["access_key_id"], [*KEYS, "region"]])
def test_other_keys_than_the_two_are_refused(service: AccessKey, keys: list[str] | None) -> None:
    service.environment = {} if keys is None else {"SECRET_KEYS": json.dumps(keys)}
    value = "plain" if keys is None else service.setup.value
    world = World.make("iam_access_key", service, lambda service: Setup(service.setup.settings, value))
    told = world.refused(ConfigurationError, "createSecret", world.manager.rotate(world.arn))
    assert 'keys = ["access_key_id", "secret_access_key"]' in told
    assert service.iam.calls == []


def test_a_secret_that_has_no_room_for_a_key_is_refused_before_one_is_issued(service: AccessKey) -> None:
    big = json.dumps({**json.loads(service.setup.value), "note": "x" * 65_300})
    world = World.make("iam_access_key", service, lambda service: Setup(service.setup.settings, big))
    world.refused(ValueTooLargeError, "createSecret", world.manager.rotate(world.arn))
    assert service.iam.calls == []


@pytest.mark.parametrize("more", [0, 1])
def test_room_is_asked_for_the_longest_key_that_iam_may_issue(service: AccessKey, more: int) -> None:
    """128 characters each, by IAM's reference of CreateAccessKey."""
    empty = {"access_key_id": "", "secret_access_key": "", "note": ""}
    room = 65_536 - len(json.dumps(empty)) - 2 * 128
    full = json.dumps({**empty, "note": "x" * (room + more)})
    world = World.make("iam_access_key", service, lambda service: Setup(service.setup.settings, full))
    told = world.tried(ValueTooLargeError, "createSecret", world.manager.rotate(world.arn))
    assert bool(told) is bool(more)
    assert ("CreateAccessKey" in service.iam.calls) is not bool(more)


def test_a_user_that_does_not_exist_is_a_configuration_error(service: AccessKey) -> None:
    gone = {"user_arn": "arn:aws:iam::123456789012:user/gone"}
    world = World.make("iam_access_key", service, lambda service: Setup(gone, service.setup.value))
    assert "user/gone" in world.refused(ConfigurationError, "createSecret", world.manager.rotate(world.arn))


@pytest.mark.parametrize("denied", ["ListAccessKeys", "CreateAccessKey", "DeleteAccessKey", "GetAccessKeyLastUsed"])
def test_a_missing_permission_is_named(world: World, service: AccessKey, denied: str) -> None:
    if denied == "GetAccessKeyLastUsed":
        token = world.manager.rotate(world.arn)
        service.iam.add_key("app").created += timedelta(minutes=1)
    else:
        world.rotate()
        token = world.manager.rotate(world.arn)

    def deny(moment: str, action: str) -> None:
        if (moment, action) == ("before", denied):
            raise ServiceError("AccessDenied", f"not authorized to perform: iam:{denied}")

    service.iam.hooks.append(deny)
    before = service.ids
    assert f"iam:{denied}" in world.refused(AccessDeniedError, "createSecret", token)
    assert set(before) - set(service.ids) <= {service.first.key_id}
    assert service.login(world.current)


def test_too_little_time_to_store_a_key_issues_none(world: World, service: AccessKey) -> None:
    world.rotate()
    token = world.manager.rotate(world.arn)
    service.iam.calls.clear()
    told = world.refused(NetworkError, "createSecret", token, seconds=8)
    assert "function.timeout" in told
    assert "CreateAccessKey" not in service.iam.calls


def test_an_sts_that_is_not_reached_is_a_network_error(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = f"http://127.0.0.1:{server.getsockname()[1]}"

    def client(**credentials: str) -> Any:
        quick = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1})
        make: Any = boto3.client
        return make("sts", region_name="eu-west-1", endpoint_url=closed, config=quick, **credentials)

    token = world.until("createSecret")
    world.function.clients["sts"] = client
    world.refused(NetworkError, "testSecret", token)


def test_nothing_of_a_key_is_shown(
    world: World, service: AccessKey, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the most talkative, in success and in failure."""
    monkeypatch.setenv("AWS_LAMBDA_LOG_LEVEL", "TRACE")
    for _ in range(3):
        world.rotate()
    token = world.until("createSecret")
    service.service.lock_out()
    world.refused(AuthenticationError, "testSecret", token)
    shown = "".join(capsys.readouterr())
    assert '"level": "INFO"' in shown
    assert world.leaks("\n".join([shown, *world.errors])) == []


def test_the_runbooks_command_removes_the_key_before() -> None:
    service = AccessKey()
    world = World.make("iam_access_key", service, lambda of: of.setup)
    before = json.loads(world.current)["access_key_id"]
    world.rotate()
    lines = runbooks.commands("Decommissioning", USER="app", ID=before)
    (delete,) = [line for line in lines if line.startswith("aws iam")]
    cli.run(delete, service.iam.client)
    assert service.ids == [json.loads(world.current)["access_key_id"]]
