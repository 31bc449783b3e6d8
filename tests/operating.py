"""What a bad day is like for each target: its states as preflight and diagnose see them, and the runbooks' commands.

    class TestOperatingRedis(Operating):
        target = "redis"

        @pytest.fixture
        def service(self, server: RedisServer) -> Installation:
            return Installation(server.credential())

The service is real. What is the same for all targets (KMS keys, permissions, a function that is gone) is made in the
local AWS, by ``tests/e2e/test_states.py``.
"""

import json
import shlex
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple
from unittest import mock

import pytest
from botocore.exceptions import ClientError

from rotation_lab.contract.network import closed_port
from rotation_lab.model.secrets_manager import CURRENT, PENDING, STEPS, ServiceError
from secret_rotation.errors import (
    AccessDeniedError,
    AuthenticationError,
    ConfigurationError,
    KeyMissingError,
    KeyNotStringError,
    NetworkError,
    RotationError,
    ValueRefusedError,
)
from tests.support import cli, runbooks
from tests.target_contract import Installation, Setup, World

PREFLIGHT: tuple[str, ...] = ("test_a_diagnosis_and_preflight_name_what_is_broken",)
"""A sample of the cases: all of them are run for two targets, and for the others by ``make operating``."""
NONE: tuple[str, ...] = ()
"""Another way to set up a target: ``make operating`` alone runs its cases."""
WRITES = {"PutSecretValue", "UpdateSecretVersionStage", "GetRandomPassword"}
NOBODY = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:nobody-AbCdEf"


class State(NamedTuple):
    """A state of a secret: how it is made, and what is said of it."""

    change: Callable[[Installation], Setup]
    error: type[RotationError] | None
    verdict: str
    names: str = ""
    """What the error names."""


def usual(service: Installation) -> Setup:
    return service.setup


def with_password(value: object) -> Callable[[Installation], Setup]:
    """Another value of the first key that rotates; None: none."""

    def change(service: Installation) -> Setup:
        document = json.loads(service.setup.value)
        document.pop(key_of(service))
        if value is not None:
            document[key_of(service)] = value
        return replace(service.setup, value=json.dumps(document))

    return change


def key_of(service: Installation) -> str:
    return str(json.loads(service.environment["SECRET_KEYS"])[0])


def spoiled(service: Installation) -> Setup:
    return replace(service.setup, value=service.spoiled(service.setup.value))


def another_administrator(service: Installation) -> Setup:
    return replace(service.setup, settings={**service.setup.settings, "admin_secret_arn": NOBODY})


STATES = {
    "healthy": State(usual, None, "healthy"),
    "wrong key name": State(with_password(None), KeyMissingError, "failed", "keys"),
    "number instead of string": State(with_password(5), KeyNotStringError, "failed", "number"),
    "wrong password": State(spoiled, AuthenticationError, "locked_out"),
    "host unreachable": State(lambda of: of.at("localhost", closed_port()), NetworkError, "unreachable"),
    "certificate not trusted": State(lambda of: of.untrusted(), ConfigurationError, "failed", "TLS"),
    "permission missing": State(usual, AccessDeniedError, "failed", "secretsmanager:GetSecretValue"),
    "no administrator's secret": State(another_administrator, ConfigurationError, "failed", NOBODY),
    "wrong administrator's password": State(usual, AuthenticationError, "failed", "administrator"),
}


class Operating:
    """The cases. A subclass says which target, and gives the ``service`` fixture."""

    target: ClassVar[str]
    sample: ClassVar[tuple[str, ...] | None] = None
    """The cases that are run without WORLDS=1; None: all."""
    not_applicable: ClassVar[Mapping[str, str]] = {}
    """State or case → why it has no meaning for this target."""
    verdicts: ClassVar[Mapping[str, str]] = {}
    """State → another verdict than the usual one."""
    kept_for: ClassVar[int] = 2
    """After how many rotations the service can still be given a value back; one that it issues is gone by then."""

    @pytest.fixture
    def service(self) -> Installation:
        raise NotImplementedError

    @pytest.fixture
    def world(self, service: Installation) -> World:
        return World.make(self.target, service, usual)

    @pytest.mark.parametrize("state", STATES)
    def test_a_diagnosis_and_preflight_name_what_is_broken(self, service: Installation, state: str) -> None:
        world, about = self._broken(service, state)
        before = len(world.manager.calls)
        found = diagnosed(world)
        assert WRITES.isdisjoint(world.manager.calls[before:])
        assert found["verdict"] == self.verdicts.get(state, about.verdict), found
        assert found["verdict"] == "healthy" or about.names in found["reason"]
        try:
            world.function("testSecret", world.arn, world.manager.test(world.arn))
            raised = None
        except RotationError as error:
            raised = error
        assert isinstance(raised, about.error) if about.error else raised is None, repr(raised)
        assert about.names in str(raised)

    def _broken(self, service: Installation, state: str) -> tuple[World, State]:
        if state in self.not_applicable:
            pytest.skip(f"not for this target: {self.not_applicable[state]}")
        if "administrator" in state and "admin" not in service.needs:
            pytest.skip("not for this target: it has no administrator here")
        world = World.make(self.target, service, STATES[state].change)
        if state == "permission missing":
            world.manager.hooks.append(_deny)
        if state == "wrong administrator's password":
            arn = service.setup.settings["admin_secret_arn"]
            document = json.loads(world.manager.secrets[arn].text() or "")
            world.manager.put(arn, json.dumps({**document, "password": "another"}))
        return world, STATES[state]

    def refusing(self, world: World) -> AbstractContextManager[str]:
        """Meanwhile the service's own rules refuse a password, which this gives."""
        del world
        pytest.skip("not for this target: the service has no such rules here")

    def test_a_value_that_the_service_refuses_is_given_up_by_the_printed_commands(self, world: World) -> None:
        with self.refusing(world) as password:
            token = world.manager.rotate(world.arn)
            with mock.patch.object(world.manager, "random_password", return_value=password):
                world.function("createSecret", world.arn, token)
            with pytest.raises(ValueRefusedError):
                world.function("setSecret", world.arn, token)
            found = diagnosed(world)
            assert found["verdict"] == "value_refused", found
            run(world, found["commands"])
            assert world.service.login(world.current)
            assert diagnosed(world)["verdict"] == "healthy"

    # The runbooks.

    def test_a_leaked_value_opens_nothing_after_the_runbook(self, world: World) -> None:
        leaked, version = world.current, str(world.secret.holder(CURRENT))
        lines = runbooks.commands("A value has leaked", SECRET=world.arn, ARN=world.arn, LEAKED=version)
        _, rotate, wait, refused = lines
        run(world, [rotate])
        needed = invoked(world, wait)["rotations_to_revoke"]
        for _ in range(needed - 1):
            run(world, [rotate])
        report = invoked(world, refused)
        assert report["secrets"][0]["verdict"] == self.verdicts.get("refused", "healthy"), report
        assert not world.service.login(leaked)
        assert world.service.login(world.current)

    def test_service_and_secret_go_back_together(self, world: World) -> None:
        before, version = rotated(world), str(world.secret.holder(CURRENT))
        for _ in range(self.kept_for):
            world.rotate()
        assert rotated(world) != before
        run(world, runbooks.commands("Go back to an older value", SECRET=world.arn, VERSION=version))
        assert rotated(world) == before
        assert world.service.login(world.current)
        assert world.secret.holder("ROLLBACK") is None

    def test_a_service_that_was_restored_from_a_snapshot_is_found_again(self, world: World) -> None:
        self._skip("restored from a snapshot")
        for _ in range(3):
            world.rotate()
        world.service.service.reset()
        assert not world.service.login(world.current)
        run(world, runbooks.commands("The service was restored from a snapshot", SECRET=world.arn))
        assert world.service.login(world.current)

    def test_a_secret_that_was_put_back_is_found_again(self, world: World) -> None:
        self._skip("put back")
        before = world.current
        for _ in range(2):
            world.rotate()
        world.manager.put(world.arn, before)
        run(world, runbooks.commands("The service was restored from a snapshot", SECRET=world.arn))
        assert world.service.login(world.current)

    def test_a_freeze_keeps_the_value_and_its_end_rotates(self, world: World) -> None:
        before = world.current
        (cancel,) = runbooks.commands("Freeze changes", SECRET=world.arn)
        run(world, [cancel])
        found = diagnosed(world)
        assert (found["verdict"], world.current, world.service.login(before)) == ("paused", before, True)
        run(world, found["commands"])
        assert rotated(world) != json.loads(before)[key_of(world.service)]
        assert world.service.login(world.current)

    def test_a_secret_that_was_deleted_is_restored_and_rotates(self, world: World) -> None:
        world.manager.client().delete_secret(SecretId=world.arn)
        assert diagnosed(world)["verdict"] == "failed"
        run(world, runbooks.commands("The secret was deleted", SECRET=world.arn))
        assert world.service.login(world.current)
        assert diagnosed(world)["verdict"] == "healthy"

    def test_after_a_rotation_was_removed_half_way_some_version_opens_and_the_next_one_ends_it(
        self, world: World
    ) -> None:
        world.until("setSecret")
        world.manager.cancel(world.arn)
        (line,) = runbooks.commands("Rotation was removed", SECRET=world.arn)
        versions = cli.run(line, lambda _: world.manager.client())["Versions"]
        texts = [world.secret.versions[one["VersionId"]].text or "" for one in versions]
        assert any(world.service.login(text) for text in texts if text)
        run(world, diagnosed(world)["commands"])
        assert world.service.login(world.current)
        assert diagnosed(world)["verdict"] == "healthy"

    def _skip(self, case: str) -> None:
        if case in self.not_applicable:
            pytest.skip(f"not for this target: {self.not_applicable[case]}")


def _deny(moment: str, action: str) -> None:
    if (moment, action) == ("before", "GetSecretValue"):
        raise ServiceError(
            "AccessDeniedException", "User: x is not authorized to perform: secretsmanager:GetSecretValue"
        )


def diagnosed(world: World) -> Mapping[str, Any]:
    found: Mapping[str, Any] = world.function.diagnose(world.arn, Login=True)
    return found


def invoked(world: World, line: str) -> Mapping[str, Any]:
    """The answer to the payload of a printed ``aws lambda invoke``."""
    words = shlex.split(line)
    assert words[1:3] == ["lambda", "invoke"]
    found: Mapping[str, Any] = world.function.handle(json.loads(words[words.index("--payload") + 1]))
    return found


def rotated(world: World) -> str:
    """The value of the first key that rotates."""
    return str(json.loads(world.current)[key_of(world.service)])


def run(world: World, commands: list[str]) -> None:
    """The printed commands as they stand, and the steps of the rotation that they begin."""
    for command in commands:
        with suppress(ClientError):  # "A previous rotation isn't complete. That rotation will be reattempted."
            cli.run(command, lambda _: world.manager.client())
    token = world.secret.holder(PENDING)
    if token and world.secret.rotation_enabled and token != world.secret.holder(CURRENT):
        for step in STEPS:
            world.function(step, world.arn, token)
        world.manager.complete(world.arn)
