"""The target calls against a service that issues keys: what a rotation leaves, and what a crash does."""

import json
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from rotation_lab.model.secrets_manager import SecretsManager
from rotation_lab.services import issuer
from rotation_lab.services.base import document
from secret_rotation.errors import (
    AuthenticationError,
    ConfigurationError,
    RotationError,
    SecretError,
    ValueRefusedError,
)
from tests.messages import refused
from tests.support import described
from tests.support.function import RotationFunction


@pytest.fixture(scope="module")
def running() -> Iterator[issuer.Issuer]:
    with issuer.start() as service:
        yield service


class World:
    """One account, its secret, and the function."""

    def __init__(
        self, running: issuer.Issuer, calls: Any = None, keys: tuple[str, ...] = ("value", "id"), **options: Any
    ):
        self.manager = SecretsManager()
        self.account = running.credential(uuid.uuid4().hex[:8], **options)
        self.arn = self.manager.create(document(self.account, self.account.reset()))
        self.calls = (
            calls(running.url, self.account.name) if calls else described.issued(running.url, self.account.name)
        )
        self.keys, self.settings = keys, {"tls": "disable"}

    def function(self) -> RotationFunction:
        return RotationFunction(
            self.manager,
            TARGET="calls",
            TARGET_CALLS=json.dumps(self.calls),
            TARGET_SETTINGS=json.dumps(self.settings),
            SECRET_KEYS=json.dumps(self.keys),
        )

    def value(self, label: str = "AWSCURRENT") -> dict[str, Any]:
        text = self.manager.client().get_secret_value(SecretId=self.arn, VersionStage=label)["SecretString"]
        found: dict[str, Any] = json.loads(text)
        return found

    def ids(self) -> list[str]:
        return [key["id"] for key in self.account.working()]

    def issue_elsewhere(self, name: str, age: float = 0.0) -> str:
        """A key that no version of the secret holds."""
        state = self.account.issuer.state(self.account.name)
        state.issued += 1
        one = {"id": f"other{state.issued}", "value": f"o{state.issued}-secret", "name": name, "created": time.time()}
        state.keys.append(one)
        self.account.issuer.put(self.account.name, state)
        self.account.later(timedelta(seconds=age))
        return f"other{state.issued}"

    def lose(self, moment: str, action: str) -> None:
        """The next call fails so."""

        def hook(at: str, called: str) -> None:
            if (at, called) == (moment, action):
                self.manager.hooks.remove(hook)
                raise ConnectionError

        self.manager.hooks.append(hook)


@pytest.fixture
def world(running: issuer.Issuer) -> World:
    return World(running)


def mark(world: World) -> str:
    """What the names of this secret's keys begin with."""
    world.function().rotate(world.arn)
    return str(world.account.working()[-1]["name"])[:11]


def test_a_new_key_is_issued_and_the_one_before_works_until_the_next_rotation(world: World) -> None:
    function = world.function()
    for _ in range(3):
        before = world.value()
        token = function.rotate(world.arn)
        now = world.value()
        assert world.ids() == [before["id"], now["id"]]
        assert world.account.working()[-1]["name"].endswith(f"-{token}")
        assert {**now, "value": 0, "id": 0} == {**before, "value": 0, "id": 0}


def test_what_is_issued_is_never_shown(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    world.function().rotate(world.arn)
    shown = "".join(capfd.readouterr())
    assert world.value()["value"] not in shown
    assert "The service is asked for a credential." in shown


def test_a_second_delivery_of_create_issues_no_second_key(world: World) -> None:
    function, token = world.function(), world.manager.rotate(world.arn)
    function("createSecret", world.arn, token)
    function("createSecret", world.arn, token)
    assert world.account.issued() == 1


@pytest.mark.parametrize("lists", [True, False])
def test_what_another_run_has_stored_stays_and_our_own_is_revoked(running: issuer.Issuer, lists: bool) -> None:
    world = World(running, lambda url, name: described.issued(url, name, lists=lists))
    function, token = world.function(), world.manager.rotate(world.arn)

    def other_run(moment: str, action: str) -> None:
        if (moment, action) == ("before", "PutSecretValue"):
            world.manager.hooks.remove(other_run)
            function("createSecret", world.arn, token)

    world.manager.hooks.append(other_run)
    function("createSecret", world.arn, token)
    assert world.account.issued() == 2
    assert world.ids() == ["hand0", world.value("AWSPENDING")["id"]]


def test_what_could_not_be_stored_is_revoked_at_once(world: World) -> None:
    function, token = world.function(), world.manager.rotate(world.arn)
    world.lose("before", "PutSecretValue")
    with pytest.raises(RotationError):
        function("createSecret", world.arn, token)
    assert world.ids() == ["hand0"]
    function("createSecret", world.arn, token)
    assert world.ids() == ["hand0", world.value("AWSPENDING")["id"]]


def test_what_was_stored_and_not_answered_stays(world: World) -> None:
    function, token = world.function(), world.manager.rotate(world.arn)
    world.lose("after", "PutSecretValue")
    with pytest.raises(RotationError):
        function("createSecret", world.arn, token)
    assert world.ids() == ["hand0", world.value("AWSPENDING")["id"]]


def test_a_wrong_pointer_revokes_what_was_issued_and_names_itself(world: World) -> None:
    world.calls["issue"]["values"]["value"] = "/key/secret"
    with refused(ConfigurationError, "calls.issue.values", "/key/secret", "'value'"):
        world.function()("createSecret", world.arn, world.manager.rotate(world.arn))
    assert world.ids() == ["hand0"]


def test_a_lost_key_is_revoked_when_the_rotation_is_finished(world: World) -> None:
    name = mark(world)
    stranger, lost = world.issue_elsewhere("somebody"), world.issue_elsewhere(f"{name}lost")
    world.function().rotate(world.arn)
    assert stranger in world.ids()
    assert lost not in world.ids()


@pytest.mark.parametrize(("age", "is_revoked"), [(0.0, False), (3600.0, True)])
def test_a_lost_key_is_revoked_in_create_only_when_no_run_can_be_about_to_store_it(
    world: World, age: float, is_revoked: bool
) -> None:
    lost = world.issue_elsewhere(f"{mark(world)}lost", age)
    world.function()("createSecret", world.arn, world.manager.rotate(world.arn))
    assert (lost not in world.ids()) is is_revoked


def test_three_lost_keys_end_the_rotation_and_are_named(world: World) -> None:
    name = mark(world)
    for number in range(3):
        world.issue_elsewhere(f"{name}{number}")
    issued = world.account.issued()
    with refused(SecretError, f"{name}0", f"{name}1", f"{name}2"):
        world.function()("createSecret", world.arn, world.manager.rotate(world.arn))
    assert world.account.issued() == issued


def test_nothing_is_revoked_while_current_does_not_work(world: World) -> None:
    function = world.function()
    function.rotate(world.arn)
    working = world.value()
    world.manager.put(world.arn, json.dumps({**working, "value": "never-issued-value"}))
    function("createSecret", world.arn, world.manager.rotate(world.arn))
    assert working["id"] in world.ids()


def test_a_key_that_current_holds_too_is_not_revoked_with_the_version_before(world: World) -> None:
    function = world.function()
    function.rotate(world.arn)
    world.manager.put(world.arn, json.dumps({**world.value(), "note": "edited by hand"}))
    kept = world.value()["id"]
    function("createSecret", world.arn, world.manager.rotate(world.arn))
    assert kept in world.ids()


def test_a_label_of_ones_own_protects_what_its_version_holds(world: World) -> None:
    function = world.function()
    version = world.manager.client().get_secret_value(SecretId=world.arn)["VersionId"]
    function.rotate(world.arn)
    world.manager.client().update_secret_version_stage(
        SecretId=world.arn, VersionStage="backup", MoveToVersionId=version
    )
    function.rotate(world.arn)
    assert "hand0" in world.ids()


def test_without_an_id_nothing_is_revoked(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    world.arn = world.manager.create(json.dumps({**world.value(), "id": ""}))
    for _ in range(2):
        world.function().rotate(world.arn)
    assert "hand0" in world.ids()
    assert "no value for id" in capfd.readouterr().out


def test_what_all_keys_have_in_common_keeps_none_of_them(world: World) -> None:
    world.keys, world.settings["password_key"] = ("value", "id", "at"), "value"
    world.arn = world.manager.create(json.dumps({**world.value(), "at": "own"}))
    world.calls["issue"]["values"]["at"] = "/at"
    for _ in range(2):
        world.function().rotate(world.arn)
    assert world.ids() == ["id1", "id2"]


@pytest.mark.parametrize("wrong", ["", "to-be-rotated"])
def test_what_current_may_hold_is_not_taken_for_lost_where_its_id_is_not_known(
    running: issuer.Issuer, wrong: str
) -> None:
    world = World(running, lambda url, name: described.issued(url, name, names=False))
    world.arn = world.manager.create(json.dumps({**world.value(), "id": wrong}))
    world.function().rotate(world.arn)
    assert world.ids() == ["hand0", world.value()["id"]]


def test_a_quota_of_two_is_enough_without_names(running: issuer.Issuer) -> None:
    world = World(running, lambda url, name: described.issued(url, name, names=False), most=2)
    for _ in range(3):
        world.function().rotate(world.arn)
        assert len(world.ids()) == 2


def test_where_nothing_can_be_revoked_the_refusal_of_the_service_says_why(running: issuer.Issuer) -> None:
    world = World(running, lambda url, name: described.issued(url, name, names=False), most=2)
    version = world.manager.client().get_secret_value(SecretId=world.arn)["VersionId"]
    world.function().rotate(world.arn)
    world.manager.put(world.arn, json.dumps({**world.value(), "value": "never-issued-value"}))
    with refused(ConfigurationError, "calls.issue", "409", "AWSCURRENT", f"version {version}"):
        world.function()("createSecret", world.arn, world.manager.rotate(world.arn))


def test_an_administrator_issues_what_the_tested_key_proves(running: issuer.Issuer) -> None:
    world = World(running)
    admin = json.dumps(world.account.others("", 0)["admin"])
    world.settings["admin_secret_arn"] = world.manager.create(admin, name="admin")
    world.manager.put(world.arn, json.dumps({**world.value(), "value": "never-issued-value"}))
    world.function().rotate(world.arn)
    assert world.account.opens(json.dumps(world.value()))


OWNED = "owner"
"""A key that does not rotate, by which the issue request says whose credential it makes."""


@pytest.mark.parametrize("how", ["admin", "session"])
@pytest.mark.parametrize(
    ("owner", "patterns", "problem"),
    [
        ("app_1", "report, app_*", None),
        ("app_1", None, None),
        ("victim", "report, app_*", "'allowed_usernames'"),
        ("APP_1", "app_*", "'allowed_usernames'"),
        ("{admin}", None, "'admin_secret_arn'"),
        ("{ADMIN}", "*", "'admin_secret_arn'"),
    ],
)
def test_an_administrator_changes_only_users_that_a_setting_allows(
    running: issuer.Issuer, how: str, owner: str, patterns: str | None, problem: str | None
) -> None:
    world = World(running)
    admin = world.account.others("", 0)["admin"]
    assert admin
    owner = {"{admin}": admin["username"], "{ADMIN}": admin["username"].upper()}.get(owner, owner)
    world.settings["admin_secret_arn"] = world.manager.create(json.dumps(admin), name="admin")
    world.settings |= {"allowed_usernames": patterns} if patterns else {}
    world.calls["issue"] |= {"body": {"name": "{{rotation}}", "whose": f"{{{{current.{OWNED}}}}}"}}
    if how == "session":
        world.calls["session"] = {"url": f"{running.url}/{world.account.name}/session", "body": {"value": "{{admin}}"}}
        world.calls["issue"]["token"] = "{{session./token}}"
    world.manager.put(world.arn, json.dumps({**world.value(), OWNED: owner}))
    if problem is None:
        world.function().rotate(world.arn)
        assert world.account.issued() == 1
    else:
        with refused(ConfigurationError, problem):
            world.function()("createSecret", world.arn, world.manager.rotate(world.arn))
        assert world.account.issued() == 0


def test_what_logs_in_with_the_secret_itself_is_not_limited(running: issuer.Issuer) -> None:
    world = World(running)
    world.settings["allowed_usernames"] = "app_*"
    world.calls["issue"] |= {"body": {"name": "{{rotation}}", "whose": f"{{{{current.{OWNED}}}}}"}}
    world.manager.put(world.arn, json.dumps({**world.value(), OWNED: "other"}))
    world.function().rotate(world.arn)
    assert world.account.issued() == 1


def test_the_certificate_of_the_service_is_verified() -> None:
    with issuer.start(tls=True) as secure:
        world = World(secure)
        world.settings = {}
        with refused(ConfigurationError, "'tls_ca'"):
            world.function()("createSecret", world.arn, world.manager.rotate(world.arn))
        world.settings = {"tls_ca": secure.ca}
        world.function().rotate(world.arn)
        assert world.account.opens(json.dumps(world.value()))


@pytest.mark.parametrize("who", ["{{login.value}}", "{{admin}}"])
def test_a_session_is_opened_for_the_requests_that_name_it_and_not_shown(
    running: issuer.Issuer, who: str, capfd: pytest.CaptureFixture[str]
) -> None:
    world = World(running)
    admin = json.dumps(world.account.others("", 0)["admin"])
    world.settings["admin_secret_arn"] = world.manager.create(admin, name="admin")
    world.calls["session"] = {"url": f"{running.url}/{world.account.name}/session", "body": {"value": who}}
    for step in ("list", "issue", "revoke"):
        world.calls[step]["token"] = "{{session./token}}"
    for _ in range(2):
        world.function().rotate(world.arn)
    assert world.ids() == ["id1", "id2"]
    assert world.account.opens(json.dumps(world.value()))
    assert "session-" not in "".join(capfd.readouterr())


def test_two_requests_set_a_value_of_ours_and_may_be_repeated(running: issuer.Issuer) -> None:
    world = World(running, described.ours, ("value",), ours=True)
    function, token = world.function(), world.manager.rotate(world.arn)
    function("createSecret", world.arn, token)
    function("setSecret", world.arn, token)
    function("setSecret", world.arn, token)
    for step in ("testSecret", "finishSecret"):
        function(step, world.arn, token)
    assert world.account.opens(json.dumps(world.value()))


def test_a_request_that_refuses_the_value_by_its_rules_says_so_and_one_without_it_does_not(
    running: issuer.Issuer,
) -> None:
    world = World(running, described.ours, ("value",), ours=True)
    state = running.state(world.account.name)
    state.shortest = 100
    running.put(world.account.name, state)
    function, token = world.function(), world.manager.rotate(world.arn)
    function("createSecret", world.arn, token)
    with refused(ValueRefusedError, "calls.set[0]", "422", "`password`"):
        function("setSecret", world.arn, token)


def test_a_value_that_does_not_work_ends_the_test(world: World) -> None:
    function, token = world.function(), world.manager.rotate(world.arn)
    function("createSecret", world.arn, token)
    world.account.change()
    with refused(AuthenticationError, "calls.test", "401"):
        function("testSecret", world.arn, token)


def test_a_pending_value_for_another_account_is_refused(world: World) -> None:
    world.calls["test"]["headers"] = {"X-Account": "{{login.account}}"}
    function, token = world.function(), world.manager.rotate(world.arn)
    pending = {**world.value(), "account": "other"}
    world.manager.client().put_secret_value(
        SecretId=world.arn, ClientRequestToken=token, SecretString=json.dumps(pending), VersionStages=["AWSPENDING"]
    )
    with refused(SecretError, "account"):
        function("testSecret", world.arn, token)
