"""The cases: what any rotation function has to do, written once."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar
from unittest import mock

import pytest

from rotation_lab import amazon, signed
from rotation_lab.model.secrets_manager import CURRENT, PENDING, REGION, STEPS, SecretsManager
from rotation_lab.services.base import Service

from .network import closed_port, silent
from .scene import Place, Scene, Served, Setup
from .world import Handler, Kind, World, members

PASSWORDS = {
    "quotes": "single'double\"back`tick''\"\"",
    "backslashes": "back\\slash\\\\' \\\" \\n \\",
    "percent": "100%s%(name)s%%%d%",
    "templates": "{0}{{x}}${HOME}$1\\1%7B",
    "statement": "x'; DROP ROLE postgres; --",
    "URL": "a:b@c/d?e#f&g=h+i;j",
    "dollar quotes": "$$x$$ $tag$y$tag$",
    "spaces": "  leading and trailing  ",
    "Unicode": "pässwörd-€-日本-𝄞",
    "long": "".join(chr(33 + 7 * n % 94) for n in range(120)),
}
"""Passwords that would change a statement, a request or a URL in which they were pasted."""
AWS = {
    "AWS_ACCESS_KEY_ID": "AKIACONTRACT00000000",
    "AWS_SECRET_ACCESS_KEY": "contract",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    "SECRETS_MANAGER_ENDPOINT": f"https://secretsmanager.{REGION}.amazonaws.com",
}
SHORT = 1.0
"""Seconds that the function has where a server never answers."""


class RotationContract:
    """The cases. A subclass gives the ``service`` fixture, ``environment`` and ``start``."""

    former_value_works: ClassVar[bool] = False
    """Whether the value before still opens the service after a rotation; the one before that never does."""
    required_keys: ClassVar[tuple[str, ...]] = ()
    """Keys of the secret, besides those that rotate, without which the function cannot work."""
    passwords: ClassVar[Mapping[str, str]] = PASSWORDS
    """Passwords that must work; a service that cannot have one of them leaves it out, and says why."""
    not_applicable: ClassVar[Mapping[str, str]] = {}
    """Case → why it has no meaning for this function."""

    # The classes of the function's errors; where they are one, it does not tell faults apart.
    authentication: ClassVar[Kind] = Exception
    """No stored value opens the service, or the tested one does not."""
    identity: ClassVar[Kind] = Exception
    """The pending value is for another server or user than the current one."""
    unusable: ClassVar[Kind] = Exception
    """The secret lacks what the function needs."""
    network: ClassVar[Kind] = Exception
    """The service does not answer."""
    unreachable: ClassVar[Kind] = Exception
    """The same, or a connection that is not to be trusted: never a wrong password."""
    says_tls: ClassVar[str] = ""
    """What every message about a connection that is not to be trusted has in it."""
    logs: ClassVar[str] = ""
    """What stands in the function's log at its most verbose level, as a sign that the search for values sees it."""

    def __init_subclass__(cls) -> None:
        unknown = [name for name in cls.not_applicable if not hasattr(cls, name)]
        if unknown:
            raise TypeError(f"{cls.__name__}.not_applicable names no case: {', '.join(unknown)}")

    # What a subclass gives.

    @pytest.fixture
    def service(self) -> Iterator[Service]:
        """A credential of its own on a real server."""
        raise NotImplementedError

    def environment(self, place: Place) -> Mapping[str, str]:
        """The function's environment variables, for a service that it reaches there."""
        return {}

    def start(self, environment: Mapping[str, str]) -> Handler:
        """A cold start: the handler, when ``os.environ`` has these variables."""
        raise NotImplementedError

    # What it may give instead.

    @pytest.fixture
    def scene(self, service: Any) -> Scene:
        """The environment that tells the function where the service is."""
        return Served(service, self.environment)

    @pytest.fixture
    def begin(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[Scene, Callable[[Scene], Setup]], World]:
        """Store the value of a setup, and start the function with its variables."""

        def make(scene: Scene, change: Callable[[Scene], Setup]) -> World:
            manager = SecretsManager()
            apis = {"secretsmanager": amazon.secrets_manager(manager), **scene.prepare(manager)}
            world = World(scene, change(scene), manager)
            monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", signed.answering(apis))
            for name, value in {**AWS, **world.setup.environment}.items():
                monkeypatch.setenv(name, value)
            world.start(self.start(world.setup.environment))
            return world

        return make

    @pytest.fixture(autouse=True)
    def _applicable(self, request: pytest.FixtureRequest) -> None:
        name = getattr(request.node, "originalname", request.node.name)
        if name in self.not_applicable:
            pytest.skip(f"not for this function: {self.not_applicable[name]}")

    @pytest.fixture
    def make_world(
        self,
        scene: Scene,
        begin: Callable[[Scene, Callable[[Scene], Setup]], World],
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> Iterator[Callable[..., World]]:
        """Make a world, of the usual setup or of a changed one. At the end, search what was shown for values."""
        monkeypatch.setenv("AWS_LAMBDA_LOG_LEVEL", "TRACE")
        worlds: list[World] = []

        def make(change: Callable[[Scene], Setup] = lambda scene: scene.usual()) -> World:
            worlds.append(begin(scene, change))
            return worlds[-1]

        yield make
        shown = "".join(capsys.readouterr())
        for world in worlds:
            assert world.leaks("\n".join([shown, *world.errors])) == []

    @pytest.fixture
    def world(self, make_world: Callable[..., World]) -> World:
        """The service as a user would set it up, and its secret."""
        return make_world()

    # A rotation.

    def test_after_a_rotation_the_new_value_logs_in(self, world: World) -> None:
        old = world.current
        assert world.scene.login(old)
        new = world.rotate()
        assert new != old
        assert world.scene.login(new)

    def test_the_value_before_works_as_long_as_the_target_promises(self, world: World) -> None:
        first = world.current
        second = world.rotate()
        assert world.scene.login(first) is self.former_value_works
        third = world.rotate()
        assert world.scene.login(second) is self.former_value_works
        assert world.scene.login(third)
        assert not world.scene.login(first), "two rotations old"

    def test_nothing_changes_at_the_service_before_set(self, world: World) -> None:
        old = world.current
        world.until("createSecret")
        assert world.scene.login(old)
        assert not world.scene.login(world.pending)

    def test_the_test_refuses_a_value_that_was_not_set(self, world: World) -> None:
        token = world.until("createSecret")
        world.refused(self.authentication, "testSecret", token)

    def test_finish_refuses_a_value_that_was_not_set(self, world: World) -> None:
        token, before = world.until("createSecret"), world.stored()
        world.refused(self.authentication, "finishSecret", token)
        assert world.stored() == before

    def test_a_test_that_comes_alone_passes(self, world: World) -> None:
        """With RotateImmediately=false only testSecret runs, on a version without a value."""
        world.step("testSecret", world.manager.rotate(world.arn))
        assert world.scene.login(world.current)

    @pytest.mark.parametrize("kind", PASSWORDS)
    def test_any_character_may_be_in_a_password(self, world: World, kind: str) -> None:
        """It is set, logged in with, and logged in with to set the next one."""
        if kind not in self.passwords:
            pytest.skip(f"not for this function: a password with {kind}")

        with mock.patch.object(world.manager, "random_password", return_value=self.passwords[kind]):
            new = world.rotate()
        assert self.passwords[kind] in members(new).values()
        assert world.scene.login(new)
        assert world.scene.login(world.rotate())

    # Again.

    @pytest.mark.parametrize("name", STEPS)
    def test_a_step_may_run_twice(self, world: World, name: str) -> None:
        token = world.until(name)
        world.step(name, token)
        world.go_on(token)
        assert world.scene.login(world.current)

    def test_every_step_may_run_twice_in_a_row(self, world: World) -> None:
        token = world.manager.rotate(world.arn)
        for name in STEPS:
            world.step(name, token)
            world.step(name, token)
        assert world.secret.holder(CURRENT) == token
        assert world.scene.login(world.current)

    def test_a_rotation_that_is_finished_is_left_alone(self, world: World) -> None:
        world.rotate()
        token, before = world.secret.holder(CURRENT), world.stored()
        assert token is not None
        world.go_on(token)
        assert world.stored() == before
        assert world.scene.login(world.current)

    # Broken off.

    def test_a_rotation_that_dies_anywhere_goes_on(self, world: World) -> None:
        """Whatever call it died before or after: a stored value opens the service, and the retry ends well."""
        for token in world.crashes():
            assert world.opens()
            world.go_on(token)
            assert world.secret.holder(CURRENT) == token
            assert world.scene.login(world.current)

    def test_a_rotation_that_dies_anywhere_and_is_abandoned_is_made_good_by_the_next(self, world: World) -> None:
        for _ in world.crashes():
            world.manager.clear(world.arn)
            assert world.opens()
            world.rotate()
            assert world.scene.login(world.current)

    def test_the_lock_out_of_clearing_awspending_after_set_is_recovered(self, world: World) -> None:
        """AWS's documented recovery leaves the only working password in a version without a label."""
        token = world.until("setSecret")
        world.manager.clear(world.arn)
        assert token not in {world.secret.holder(CURRENT), world.secret.holder(PENDING)}
        world.rotate()
        assert world.scene.login(world.current)

    def test_two_abandoned_rotations_in_a_row_are_recovered(self, world: World) -> None:
        for _ in range(2):
            world.until("setSecret")
            world.manager.clear(world.arn)
        world.rotate()
        assert world.scene.login(world.current)

    def test_a_wrong_value_put_by_hand_is_recovered_by_the_previous_one(self, world: World) -> None:
        world.manager.put(world.arn, world.scene.spoiled(world.current))
        assert not world.scene.login(world.current)
        world.rotate()
        assert world.scene.login(world.current)

    # Refused, and nothing changed.

    def test_when_no_stored_value_opens_the_service_the_error_is_one_of_authentication(self, world: World) -> None:
        token = world.until("createSecret")
        before = world.stored()
        world.scene.lock_out()
        world.refused(self.authentication, "setSecret", token)
        assert world.stored() == before
        assert not world.scene.login(world.pending)

    def test_a_pending_value_for_another_server_is_refused_unused(self, world: World) -> None:
        """Who can write one version must not be able to send the password to a server of theirs."""
        with silent() as (port, connections):
            token = world.manager.rotate(world.arn)
            moved = world.scene.at("localhost", port).value
            world.store_pending(token, moved)
            before = world.stored()
            for name in ("setSecret", "testSecret", "finishSecret"):
                world.refused(self.identity, name, token)
            assert connections() == 0
        assert world.stored() == before
        assert world.scene.login(world.current)

    def test_a_secret_without_what_the_target_needs_is_refused_by_name(self, world: World) -> None:
        if not self.required_keys:
            pytest.skip("not for this function: it needs no other key")
        whole = members(world.current)
        for key in self.required_keys:
            world.manager.put(world.arn, json.dumps({k: v for k, v in whole.items() if k != key}))
            token = world.manager.rotate(world.arn)
            shown = world.tried(self.unusable, "createSecret", token) or world.refused(
                self.unusable, "setSecret", token
            )
            assert key in shown

    # The network.

    def test_a_server_that_is_down_is_a_network_error(self, make_world: Callable[..., World]) -> None:
        world = make_world(lambda scene: scene.at("localhost", closed_port()))
        self._fails_to_connect(world, self.network)

    def test_a_server_that_never_answers_is_a_network_error_within_the_time(
        self, make_world: Callable[..., World]
    ) -> None:
        with silent() as (port, _):
            world = make_world(lambda scene: scene.at("localhost", port))
            started = time.monotonic()
            self._fails_to_connect(world, self.network, SHORT)
            # The drivers' own defaults are a minute or none: the bound is wide, for a machine that is busy.
            assert time.monotonic() - started < SHORT + 5

    def test_a_server_that_hangs_up_is_a_network_error(self, make_world: Callable[..., World]) -> None:
        with silent(hang_up=True) as (port, _):
            world = make_world(lambda scene: scene.at("localhost", port))
            self._fails_to_connect(world, self.unreachable)

    # TLS.

    def test_a_certificate_of_an_unknown_authority_is_refused(self, make_world: Callable[..., World]) -> None:
        world = make_world(lambda scene: scene.untrusted())
        assert self.says_tls in self._fails_to_connect(world, self.unreachable)

    def test_a_certificate_for_another_host_name_is_refused(self, make_world: Callable[..., World]) -> None:
        world = make_world(lambda scene: scene.at("127.0.0.1", scene.address[1]))
        assert self.says_tls in self._fails_to_connect(world, self.unreachable)

    def test_a_server_without_tls_is_refused_and_never_spoken_to_in_plain_text(
        self, scene: Scene, make_world: Callable[..., World]
    ) -> None:
        with scene.without_tls() as change:
            assert self.says_tls in self._fails_to_connect(make_world(change), self.unreachable, SHORT)

    def _fails_to_connect(self, world: World, kind: Kind, seconds: float = 30.0) -> str:
        """Set and test fail, and say nothing of a wrong password; nothing changes. Returns the messages."""
        token = world.manager.rotate(world.arn)
        shown = [world.tried(kind, "createSecret", token, seconds)]  # it calls the service where that issues the value
        if not world.pending:
            world.store_pending(token, world.scene.spoiled(world.current))
        before = world.stored()
        shown += [world.refused(kind, name, token, seconds) for name in ("setSecret", "testSecret", "finishSecret")]
        assert world.stored() == before
        assert world.scene.login(world.scene.usual().value), "it has the value that it had"
        return "\n".join(shown)

    # The rest.

    def test_nothing_secret_is_shown(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        """Neither by the function, at its most talkative, nor in the service's own log, in success and in failure."""
        world.rotate()
        token = world.until("createSecret")
        world.scene.lock_out()
        world.refused(self.authentication, "setSecret", token)
        shown = "".join(capsys.readouterr())
        assert self.logs in shown
        assert world.leaks("\n".join([shown, *world.errors])) == []
        assert world.leaks(world.scene.logs()) == []
