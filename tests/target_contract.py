"""What every target has to do: the lab's contract, with this module's settings and classes of errors.

    class TestRedis(TargetContract):
        target = "redis"
        former_value_works = True
        not_applicable = {"test_…": "why it has no meaning here"}

        @pytest.fixture
        def service(self, server: RedisServer) -> Installation:
            return Installation(server.credential())

The cases are those of ``rotation_lab.contract``, and a few that only this module's function has to pass. A rotation can
also die before and after each function of the target.
"""

import contextlib
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar
from unittest import mock

import pytest

from rotation_lab import contract
from rotation_lab.contract import Kind, RotationContract, Scene
from rotation_lab.contract.scene import NEVER_SET
from rotation_lab.contract.suite import PASSWORDS
from rotation_lab.model.secrets_manager import SecretsManager
from rotation_lab.points import AFTER, BEFORE
from rotation_lab.services.base import Service, Unencrypted, document
from secret_rotation import catalogue, handler, loading
from secret_rotation.credential import PUBLIC_FIELDS
from secret_rotation.errors import (
    AuthenticationError,
    ConfigurationError,
    IdentityMismatchError,
    NetworkError,
    SecretError,
)
from secret_rotation.logs import Log
from secret_rotation.rotation import Rotation
from secret_rotation.store import Secrets, Store
from tests.support.function import RotationFunction

__all__ = ["PASSWORDS", "Installation", "Setup", "TargetContract", "World"]


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

    def logs(self) -> str:
        """What the service itself has logged, to be searched for values."""
        return self.service.logs()

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


class TargetScene(Scene):
    """A target and its service, as the contract sees them."""

    def __init__(self, target: str, service: Installation) -> None:
        self.target, self.service, self.address, self.public = target, service, service.address, service.public

    def told(self, setup: Setup) -> contract.Setup:
        """The function's environment variables for these settings."""
        settings = json.dumps(dict(setup.settings))
        environment = {"TARGET": self.target, "TARGET_SETTINGS": settings, **self.service.environment}
        return contract.Setup(environment, setup.value)

    def usual(self) -> contract.Setup:
        return self.told(self.service.setup)

    def at(self, host: str, port: int) -> contract.Setup:
        return self.told(self.service.at(host, port))

    def untrusted(self) -> contract.Setup:
        return self.told(self.service.untrusted())

    @contextlib.contextmanager
    def without_tls(self) -> Iterator[Callable[[Scene], contract.Setup]]:
        with self.service.without_tls() as setup:
            # The settings may have got the ARN of an administrator's secret since.
            yield lambda _: self.told(replace(setup, settings={**self.service.setup.settings, **setup.settings}))

    def login(self, value: str) -> bool:
        return self.service.login(value)

    def lock_out(self) -> None:
        self.service.service.lock_out()

    def spoiled(self, value: str) -> str:
        return self.service.spoiled(value)

    def prepare(self, manager: SecretsManager) -> Mapping[str, Any]:
        return self.service.prepare(manager)

    def watch(self, hook: Callable[[str, str], None]) -> None:
        self.service.watch(hook)

    def logs(self) -> str:
        return self.service.logs()


class World(contract.World):
    """A world of this module's function; ``function`` is it."""

    function: RotationFunction
    service: Installation

    @classmethod
    def make(cls, target: str, service: Installation, change: Callable[[Installation], Setup]) -> "World":
        """Store the value that ``change`` makes of the service's setup, and start a function with its settings."""
        scene = TargetScene(target, service)
        return cls.begin(scene, lambda _: scene.told(change(service)))

    @classmethod
    def begin(cls, scene: TargetScene, change: Callable[[Scene], contract.Setup]) -> "World":
        """The same for a setup as the contract has it."""
        manager = SecretsManager()
        clients = scene.prepare(manager)
        world = cls(scene, change(scene), manager)
        world.service, world.function = scene.service, RotationFunction(manager, **world.setup.environment)
        world.function.clients.update(clients)
        found = world.function.function
        world.function.function = found._replace(target=world._watched(found.target))
        world.start(world._run)
        return world

    def _run(self, event: Any, context: Any) -> None:
        with mock.patch.object(handler, "_function", return_value=self.function.function):
            handler.lambda_handler(event, context)

    def _watched(self, target: Any) -> Any:
        def around(function: Callable[..., Any]) -> Callable[..., Any]:
            def run(context: Any) -> Any:
                self.pass_point(BEFORE, function.__name__)
                result = function(context)
                self.pass_point(AFTER, function.__name__)
                return result

            return run

        names = ("create_secret", "set_secret", "test_secret", "finish_secret")
        return replace(target, **{name: around(getattr(target, name)) for name in names if getattr(target, name)})


class TargetContract(RotationContract):
    """The cases. A subclass says which target, and gives the ``service`` fixture."""

    target: ClassVar[str]
    """The type in catalogue.json."""
    authentication: ClassVar[Kind] = AuthenticationError
    identity: ClassVar[Kind] = IdentityMismatchError
    unusable: ClassVar[Kind] = (SecretError, ConfigurationError)
    network: ClassVar[Kind] = NetworkError
    unreachable: ClassVar[Kind] = (NetworkError, ConfigurationError)
    says_tls: ClassVar[str] = "TLS"
    logs: ClassVar[str] = '"duration_ms"'

    @pytest.fixture
    def scene(self, service: Installation) -> TargetScene:
        return TargetScene(self.target, service)

    @pytest.fixture
    def begin(self) -> Callable[..., World]:
        return World.begin

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


class InWorlds(TargetContract):
    """The cases in each odd world of a service, which is in front of the class of the usual one.

    A subclass gives ``worlds`` and ``service``. Tests run ``sample`` alone; WORLDS=1 runs all cases.
    """

    sample: ClassVar[tuple[str, ...]] = ("test_the_lock_out_of_clearing_awspending_after_set_is_recovered",)
    """It sets, loses the label, searches, sets again and finishes."""
    worlds: ClassVar[tuple[str, ...]] = ()
    in_world: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """World → case → why it has no meaning there."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.pytestmark = [pytest.mark.parametrize("odd", cls.worlds)]  # type: ignore[attr-defined]

    @pytest.fixture(autouse=True)
    def _in_odd_world(self, odd: str, service: Installation, request: pytest.FixtureRequest) -> Iterator[None]:
        reason = self.in_world.get(odd, {}).get(getattr(request.node, "originalname", ""))
        if reason:
            pytest.skip(f"not in this world: {reason}")
        with service.service.misbehave(odd):
            yield


def _with(text: str, **changes: object) -> str:
    return json.dumps({**json.loads(text), **changes})
