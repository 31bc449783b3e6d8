"""What every target has to do, written once. The test class of each target inherits it, against a real service.

    class TestRedis(TargetContract):
        target = "redis"
        former_value_works = True
        not_applicable = {"test_…": "why it has no meaning here"}

        @pytest.fixture
        def service(self, server: RedisServer) -> Installation:
            return Installation(server.credential())

The function under test is the real one, all four steps, over Secrets Manager in memory. The ``service`` fixture gives
each test a credential of its own on a server that is really there. A case without a meaning for a target is named in
``not_applicable`` with the reason, and is told as skipped: so the cases of each target can be counted.

After each case, whatever the function has printed and raised is searched for the values, in pieces of eight characters.
"""

import contextlib
import itertools
import json
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar
from unittest import mock

import pytest

from rotation_lab.leaks import LeakSearch
from rotation_lab.model.secrets_manager import CURRENT, PENDING, STEPS, Secret, SecretsManager
from rotation_lab.services.base import Service, Unencrypted, document
from secret_rotation import catalogue, handler, loading
from secret_rotation.credential import PUBLIC_FIELDS
from secret_rotation.errors import (
    AuthenticationError,
    ConfigurationError,
    IdentityMismatchError,
    NetworkError,
    RotationError,
    SecretError,
)
from secret_rotation.logs import Log
from secret_rotation.rotation import Rotation
from secret_rotation.store import Secrets, Store
from tests.support.function import RotationFunction

NEVER_SET = "zQ7xJx7vwV3wkk9"
"""A password that never works. No eight characters of it, nor of the tests' others, are a word of a log line."""
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

Kind = type[RotationError] | tuple[type[RotationError], ...]

NOT_REACHED: Kind = (NetworkError, ConfigurationError)
"""What a broken connection is told as: never as a wrong password."""
SHORT = 1.0
"""Seconds that the function has where a server never answers."""


@dataclass(frozen=True)
class Setup:
    """The target's settings, and the text of the secret."""

    settings: Mapping[str, str]
    value: str


class Installation:
    """The target set up for one credential of a running service, as a user would: TLS is verified, the value opens it.

    ``needs``: the service's other secrets that the settings name, as ``<name>_secret_arn``. A target whose settings say
    more, or whose secret is another, has a subclass.
    """

    environment: Mapping[str, str] = {"SECRET_KEYS": '["password"]'}
    """The function's other environment variables."""
    public: frozenset[str] = frozenset(PUBLIC_FIELDS)
    """Keys of the secret that may be shown."""

    def __init__(self, service: Service, needs: tuple[str, ...] = (), **settings: str) -> None:
        self.service, self.needs = service, needs
        self.address = ("localhost", (service.upstream or ("", 0))[1])
        """Where it listens; its certificate is valid for this host name, and not for 127.0.0.1."""
        authority = {"tls_ca": service.ca} if service.ca else {}
        self.setup = Setup({**authority, **settings}, document(service, service.reset()))

    def value(self, name: str, password: str, **others: object) -> str:
        """The secret with another user name and password."""
        return _with(self.setup.value, username=name, password=password, **others)

    def login(self, value: str) -> bool:
        """Whether the service accepts the secret with the text ``value``, asked without the target's code."""
        return self.service.opens(value)

    def at(self, host: str, port: int) -> Setup:
        """The same setup, told that the service listens there. Default: the keys host and port of the secret."""
        return replace(self.setup, value=_with(self.setup.value, host=host, port=port))

    def untrusted(self) -> Setup:
        """The same setup, without the certificate of the service's authority."""
        return replace(self.setup, settings={k: v for k, v in self.setup.settings.items() if k != "tls_ca"})

    @contextlib.contextmanager
    def without_tls(self) -> Iterator[Setup]:
        """The same setup, though the service does not speak TLS; a connection without TLS would be accepted."""
        assert isinstance(self.service, Unencrypted)
        with self.service.without_tls() as (_, port):
            yield self.at("localhost", port)

    def spoiled(self, value: str) -> str:
        """``value`` with a credential that has never worked. Default: another password."""
        keys = json.loads(self.environment.get("SECRET_KEYS", "null"))
        return _with(value, **{keys[0]: NEVER_SET}) if keys else NEVER_SET

    def prepare(self, manager: SecretsManager) -> Mapping[str, Any]:
        """Put what else is stored, such as an administrator's secret. Returns further boto3 clients by service.

        The setup's settings are read after this.
        """
        others = self.service.others(*self.address)
        texts = {name: json.dumps(others[name]) if others[name] else None for name in self.needs}
        arns = {f"{name}_secret_arn": manager.create(text, name) for name, text in texts.items()}
        self.setup = replace(self.setup, settings={**self.setup.settings, **arns})
        return {}

    def watch(self, hook: Callable[[str, str], None]) -> None:
        """Call ``hook("before" or "after", action)`` around each call to an AWS service other than Secrets Manager."""


class Crash(BaseException):
    """The function dies here. Not an ``Exception``: no handler of the function runs, as when it is killed."""


@dataclass
class World:
    """A function set up for the service, Secrets Manager, and the secret between them."""

    service: Installation
    setup: Setup
    manager: SecretsManager
    function: RotationFunction
    arn: str
    errors: list[str] = field(default_factory=list)
    points: Iterator[int] = field(default_factory=itertools.count)
    crash_at: int = -1

    @classmethod
    def make(cls, target: str, service: Installation, change: Callable[[Installation], Setup]) -> "World":
        """Store the value that ``change`` makes of the service's setup, and start a function with its settings."""
        manager = SecretsManager()
        clients = service.prepare(manager)
        setup = change(service)
        environment = {"TARGET": target, "TARGET_SETTINGS": json.dumps(dict(setup.settings)), **service.environment}
        function = RotationFunction(manager, **environment)
        function.clients.update(clients)
        world = cls(service, setup, manager, function, manager.create(setup.value))
        manager.hooks.append(world.pass_point)
        service.watch(world.pass_point)
        function.function = function.function._replace(target=world._watched(function.function.target))
        return world

    @property
    def secret(self) -> Secret:
        """The secret and all its versions."""
        return self.manager.secrets[self.arn]

    @property
    def current(self) -> str:
        """What applications read."""
        return self.secret.text(CURRENT) or ""

    @property
    def pending(self) -> str:
        """What the rotation in progress has stored."""
        return self.secret.text(PENDING) or ""

    def step(self, name: str, token: str, seconds: float = 30.0) -> None:
        """Run one step, as Lambda does."""
        event = {"Step": name, "SecretId": self.arn, "ClientRequestToken": token}
        with mock.patch.object(handler, "_function", return_value=self.function.function):
            handler.lambda_handler(event, Invocation(seconds))

    def refused(self, kind: Kind, name: str, token: str, seconds: float = 30.0) -> str:
        """Run a step that must fail with ``kind``; return its message."""
        told = self.tried(kind, name, token, seconds)
        assert told, f"{name} did not fail"
        return told

    def tried(self, kind: Kind, name: str, token: str, seconds: float = 30.0) -> str:
        """Run a step that may fail, then with ``kind``; return its message, or nothing."""
        failure: RotationError | None = None
        try:
            self.step(name, token, seconds)
        except RotationError as error:
            failure = error
        if failure is None:
            return ""
        self.errors.append(_whole(failure))
        assert isinstance(failure, kind), f"{type(failure).__name__}: {failure}"
        return str(failure)

    def until(self, last: str) -> str:
        """Start a rotation and run its steps up to ``last``; return its token."""
        token = self.manager.rotate(self.arn)
        for name in STEPS[: STEPS.index(last) + 1]:
            self.step(name, token)
        return token

    def go_on(self, token: str) -> None:
        """Run all four steps with ``token``, as the service does when it tries again."""
        for name in STEPS:
            self.step(name, token)
        assert self.manager.complete(self.arn), "the rotation is not complete"

    def rotate(self) -> str:
        """A whole rotation; return the new text."""
        token = self.manager.rotate(self.arn)
        self.go_on(token)
        assert self.secret.holder(CURRENT) == token
        return self.current

    def store_pending(self, token: str, text: str) -> None:
        """Put the value of the rotation in progress by hand."""
        self.manager.client().put_secret_value(
            SecretId=self.arn, ClientRequestToken=token, SecretString=text, VersionStages=[PENDING]
        )

    def crashes(self) -> Iterator[str]:
        """Start a rotation for each point at which it can die, and let it die there; give the token each time.

        The points are before and after each call of an AWS service, and each function of the target. They are found by
        counting on until a rotation ends, so new code has its points too.
        """
        for point in itertools.count():
            token = self.manager.rotate(self.arn)
            self.points, self.crash_at = itertools.count(), point
            try:
                self.go_on(token)
            except Crash:
                self.crash_at = -1
                yield token
            else:
                self.crash_at = -1
                return

    def opens(self) -> bool:
        """Whether any version that is kept, labelled or not, opens the service."""
        texts = dict.fromkeys(v.text for v in reversed(self.secret.versions.values()) if v.text is not None)
        return any(self.service.login(text) for text in texts)

    def stored(self) -> object:
        """Everything that Secrets Manager holds of the secret, to compare."""
        return {version: (about.text, frozenset(about.labels)) for version, about in self.secret.versions.items()}

    def leaks(self, text: str) -> list[str]:
        """What of the values stands in ``text``."""
        search = LeakSearch()
        for number, value in enumerate(self._values()):
            search.add(f"value {number}", value)
        return search.find(text)

    def _values(self) -> set[str]:
        texts = {text for secret in self.manager.secrets.values() for text in secret.texts()}
        members = {m for text in texts for k, m in _members(text).items() if k not in self.service.public}
        return {*self.manager.made, *members}

    def pass_point(self, moment: str, action: str) -> None:
        """A point at which the function may die: it does, if this one was chosen."""
        if next(self.points) == self.crash_at:
            raise Crash(f"{moment} {action}")

    def _watched(self, target: Any) -> Any:
        def around(function: Callable[..., Any]) -> Callable[..., Any]:
            def run(context: Any) -> Any:
                self.pass_point("before", function.__name__)
                result = function(context)
                self.pass_point("after", function.__name__)
                return result

            return run

        names = ("create_secret", "set_secret", "test_secret", "finish_secret")
        return replace(target, **{name: around(getattr(target, name)) for name in names if getattr(target, name)})


class Invocation:
    """Lambda's context object: the time runs."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds left."""
        return round((self._end - time.monotonic()) * 1000)


class TargetContract:
    """The cases. A subclass says which target, and gives the ``service`` fixture."""

    target: ClassVar[str]
    """The type in catalogue.json."""
    former_value_works: ClassVar[bool] = False
    """Whether the value before still opens the service after a rotation; the one before that never does."""
    required_keys: ClassVar[tuple[str, ...]] = ()
    """Keys of the secret, besides those that rotate, without which the target cannot work."""
    passwords: ClassVar[Mapping[str, str]] = PASSWORDS
    """Passwords that must work; a service that cannot have one of them leaves it out, and says why."""
    not_applicable: ClassVar[Mapping[str, str]] = {}
    """Case → why it has no meaning for this target."""

    def __init_subclass__(cls) -> None:
        unknown = [name for name in cls.not_applicable if not hasattr(TargetContract, name)]
        if unknown:
            raise TypeError(f"{cls.__name__}.not_applicable names no case: {', '.join(unknown)}")

    @pytest.fixture(autouse=True)
    def _applicable(self, request: pytest.FixtureRequest) -> None:
        name = getattr(request.node, "originalname", request.node.name)
        if name in self.not_applicable:
            pytest.skip(f"not for this target: {self.not_applicable[name]}")

    @pytest.fixture
    def service(self) -> Installation:
        """A credential of its own on a real server."""
        raise NotImplementedError

    @pytest.fixture
    def make_world(
        self, service: Installation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[Callable[..., World]]:
        """Make a world, of the service's setup or of a changed one. At the end, search what was shown for values."""
        monkeypatch.setenv("AWS_LAMBDA_LOG_LEVEL", "TRACE")
        worlds: list[World] = []

        def make(change: Callable[[Installation], Setup] = lambda service: service.setup) -> World:
            worlds.append(World.make(self.target, service, change))
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
        assert world.service.login(old)
        new = world.rotate()
        assert new != old
        assert world.service.login(new)

    def test_the_value_before_works_as_long_as_the_target_promises(self, world: World) -> None:
        first = world.current
        second = world.rotate()
        assert world.service.login(first) is self.former_value_works
        third = world.rotate()
        assert world.service.login(second) is self.former_value_works
        assert world.service.login(third)
        assert not world.service.login(first), "two rotations old"

    def test_nothing_changes_at_the_service_before_set(self, world: World) -> None:
        old = world.current
        world.until("createSecret")
        assert world.service.login(old)
        assert not world.service.login(world.pending)

    def test_the_test_refuses_a_value_that_was_not_set(self, world: World) -> None:
        token = world.until("createSecret")
        world.refused(AuthenticationError, "testSecret", token)

    def test_finish_refuses_a_value_that_was_not_set(self, world: World) -> None:
        token, before = world.until("createSecret"), world.stored()
        world.refused(AuthenticationError, "finishSecret", token)
        assert world.stored() == before

    def test_a_test_that_comes_alone_passes(self, world: World) -> None:
        """With RotateImmediately=false only testSecret runs, on a version without a value."""
        world.step("testSecret", world.manager.rotate(world.arn))
        assert world.service.login(world.current)

    @pytest.mark.parametrize("kind", PASSWORDS)
    def test_any_character_may_be_in_a_password(self, world: World, kind: str) -> None:
        """It is set, logged in with, and logged in with to set the next one."""
        if kind not in self.passwords:
            pytest.skip(f"not for this target: a password with {kind}")

        with mock.patch.object(world.manager, "random_password", return_value=self.passwords[kind]):
            new = world.rotate()
        assert self.passwords[kind] in _members(new).values()
        assert world.service.login(new)
        assert world.service.login(world.rotate())

    # Again.

    @pytest.mark.parametrize("name", STEPS)
    def test_a_step_may_run_twice(self, world: World, name: str) -> None:
        token = world.until(name)
        world.step(name, token)
        world.go_on(token)
        assert world.service.login(world.current)

    def test_every_step_may_run_twice_in_a_row(self, world: World) -> None:
        token = world.manager.rotate(world.arn)
        for name in STEPS:
            world.step(name, token)
            world.step(name, token)
        assert world.secret.holder(CURRENT) == token
        assert world.service.login(world.current)

    def test_a_rotation_that_is_finished_is_left_alone(self, world: World) -> None:
        world.rotate()
        token, before = world.secret.holder(CURRENT), world.stored()
        assert token is not None
        world.go_on(token)
        assert world.stored() == before
        assert world.service.login(world.current)

    def test_set_may_run_twice_at_the_same_time(self, world: World) -> None:
        token = world.until("createSecret")
        function = world.function.function
        failures: list[BaseException] = []

        def run() -> None:
            secrets, keys = Secrets(lambda _: world.manager.client(), Log()), function.settings.keys or ()
            store = Store(secrets, world.arn, token, None, function.deadline, keys)
            try:
                Rotation(store, function, Log()).set_secret()
            except BaseException as error:  # noqa: BLE001  # told below, in the test's own thread
                failures.append(error)

        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # One of the two may be refused by the service, and is then tried again; the value must work all the same.
        assert len(failures) < 2, failures
        world.go_on(token)
        assert world.service.login(world.current)

    # Broken off.

    def test_a_rotation_that_dies_anywhere_goes_on(self, world: World) -> None:
        """Whatever call it died before or after: a stored value opens the service, and the retry ends well."""
        for token in world.crashes():
            assert world.opens()
            world.go_on(token)
            assert world.secret.holder(CURRENT) == token
            assert world.service.login(world.current)

    def test_a_rotation_that_dies_anywhere_and_is_abandoned_is_made_good_by_the_next(self, world: World) -> None:
        for _ in world.crashes():
            world.manager.clear(world.arn)
            assert world.opens()
            world.rotate()
            assert world.service.login(world.current)

    def test_the_lock_out_of_clearing_awspending_after_set_is_recovered(self, world: World) -> None:
        """AWS's documented recovery leaves the only working password in a version without a label."""
        token = world.until("setSecret")
        world.manager.clear(world.arn)
        assert token not in {world.secret.holder(CURRENT), world.secret.holder(PENDING)}
        world.rotate()
        assert world.service.login(world.current)

    def test_two_abandoned_rotations_in_a_row_are_recovered(self, world: World) -> None:
        for _ in range(2):
            world.until("setSecret")
            world.manager.clear(world.arn)
        world.rotate()
        assert world.service.login(world.current)

    def test_a_wrong_value_put_by_hand_is_recovered_by_the_previous_one(self, world: World) -> None:
        world.manager.put(world.arn, world.service.spoiled(world.current))
        assert not world.service.login(world.current)
        world.rotate()
        assert world.service.login(world.current)

    # Refused, and nothing changed.

    def test_when_no_stored_value_opens_the_service_the_error_is_one_of_authentication(self, world: World) -> None:
        token = world.until("createSecret")
        before = world.stored()
        world.service.service.lock_out()
        world.refused(AuthenticationError, "setSecret", token)
        assert world.stored() == before
        assert not world.service.login(world.pending)

    def test_a_pending_value_for_another_server_is_refused_unused(self, world: World) -> None:
        """Who can write one version must not be able to send the password to a server of theirs."""
        with _listener() as (port, connections):
            token = world.manager.rotate(world.arn)
            moved = world.service.at("localhost", port).value
            world.store_pending(token, moved)
            before = world.stored()
            for name in ("setSecret", "testSecret", "finishSecret"):
                world.refused(IdentityMismatchError, name, token)
            assert connections() == 0
        assert world.stored() == before
        assert world.service.login(world.current)

    def test_a_secret_without_what_the_target_needs_is_refused_by_name(self, world: World) -> None:
        if not self.required_keys:
            pytest.skip("not for this target: it needs no other key")
        whole = _members(world.current)
        for key in self.required_keys:
            world.manager.put(world.arn, json.dumps({k: v for k, v in whole.items() if k != key}))
            token = world.manager.rotate(world.arn)
            refusals = (SecretError, ConfigurationError)
            told = world.tried(refusals, "createSecret", token) or world.refused(refusals, "setSecret", token)
            assert key in told

    # The network.

    def test_a_server_that_is_down_is_a_network_error(self, make_world: Callable[..., World]) -> None:
        world = make_world(lambda service: service.at("localhost", _closed_port()))
        self._fails_to_connect(world, NetworkError)

    def test_a_server_that_never_answers_is_a_network_error_within_the_time(
        self, make_world: Callable[..., World]
    ) -> None:
        with _listener() as (port, _):
            world = make_world(lambda service: service.at("localhost", port))
            started = time.monotonic()
            self._fails_to_connect(world, NetworkError, SHORT)
            # The drivers' own defaults are a minute or none: the bound is wide, for a machine that is busy.
            assert time.monotonic() - started < SHORT + 5

    def test_a_server_that_hangs_up_is_a_network_error(self, make_world: Callable[..., World]) -> None:
        with _listener(hang_up=True) as (port, _):
            world = make_world(lambda service: service.at("localhost", port))
            self._fails_to_connect(world, NOT_REACHED)

    # TLS.

    def test_a_certificate_of_an_unknown_authority_is_refused(self, make_world: Callable[..., World]) -> None:
        world = make_world(lambda service: service.untrusted())
        assert "TLS" in self._fails_to_connect(world, NOT_REACHED)

    def test_a_certificate_for_another_host_name_is_refused(self, make_world: Callable[..., World]) -> None:
        world = make_world(lambda service: service.at("127.0.0.1", service.address[1]))
        assert "TLS" in self._fails_to_connect(world, NOT_REACHED)

    def test_a_server_without_tls_is_refused_and_never_spoken_to_in_plain_text(
        self, service: Installation, make_world: Callable[..., World]
    ) -> None:
        with service.without_tls() as setup:
            # The settings may have got the ARN of an administrator's secret since.
            world = make_world(lambda service: replace(setup, settings={**service.setup.settings, **setup.settings}))
            assert "TLS" in self._fails_to_connect(world, NOT_REACHED, SHORT)

    def _fails_to_connect(self, world: World, kind: Kind, seconds: float = 30.0) -> str:
        """Set and test fail, and say nothing of a wrong password; nothing changes. Returns the messages."""
        token = world.manager.rotate(world.arn)
        told = [world.tried(kind, "createSecret", token, seconds)]  # it calls the service where that issues the value
        if not world.pending:
            world.store_pending(token, world.service.spoiled(world.current))
        before = world.stored()
        told += [world.refused(kind, name, token, seconds) for name in ("setSecret", "testSecret", "finishSecret")]
        assert world.stored() == before
        assert world.service.login(world.service.setup.value), "it has the value that it had"
        return "\n".join(told)

    # The rest.

    def test_without_the_driver_the_error_says_how_to_attach_it(
        self, service: Installation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        about = catalogue.targets()[self.target]
        if about["driver"] is None:
            pytest.skip("not for this target: it needs no driver")
        driver = about["driver"].lower()
        for module in [module for module in sys.modules if module.split(".")[0] == driver]:
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.setitem(sys.modules, driver, None)
        monkeypatch.delitem(sys.modules, f"secret_rotation.targets.{self.target}", raising=False)
        with pytest.raises(ConfigurationError, match="make layer") as caught:
            loading.load(self.target)
        assert about["driver"] in str(caught.value)

    def test_nothing_secret_is_shown(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        """Neither by the function, at its most talkative, nor in the service's own log, in success and in failure."""
        world.rotate()
        token = world.until("createSecret")
        world.service.service.lock_out()
        world.refused(AuthenticationError, "setSecret", token)
        shown = "".join(capsys.readouterr())
        assert '"duration_ms"' in shown  # the function's log
        assert world.leaks("\n".join([shown, *world.errors])) == []
        assert world.leaks(world.service.service.logs()) == []


def _whole(error: BaseException) -> str:
    """All that the exception would show anywhere: its chain and its attributes."""
    return "".join(traceback.format_exception(error)) + repr(error.args) + repr(vars(error))


def _members(text: str) -> dict[str, str]:
    """The members of a JSON secret that are texts; a plain-text secret has one without a name."""
    try:
        found = json.loads(text)
    except ValueError:
        return {"": text}
    return {key: value for key, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}


def _with(text: str, **changes: object) -> str:
    return json.dumps({**json.loads(text), **changes})


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def _listener(*, hang_up: bool = False) -> Iterator[tuple[int, Callable[[], int]]]:
    """A port where connections are accepted and nothing is answered, or hung up at once; and how many there were."""
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)

        def accept() -> None:
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    accepted.append(server.accept()[0])
                    if hang_up:
                        accepted[-1].close()

        ended = threading.Event()
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield server.getsockname()[1], lambda: len(accepted)
        finally:
            ended.set()
            thread.join()
            for connection in accepted:
                connection.close()
