"""One credential of a service, and how it is given to a function."""

import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from rotation_lab import amazon
from rotation_lab.model.secrets_manager import SecretsManager
from rotation_lab.services.base import Answers, Service, Unencrypted, document

NEVER_SET = "zQ7xJx7vwV3wkk9"
"""A password that never works. No eight characters of it, nor of the tests' others, are a word of a log line."""

Hook = Callable[[str, str], None]
"""Called with "before" or "after", and an action."""


@dataclass(frozen=True)
class Setup:
    """The function's environment variables, and the text of the secret."""

    environment: Mapping[str, str]
    value: str


@dataclass(frozen=True)
class Place:
    """Where the service is reached, and how it proves who it is."""

    host: str
    port: int
    ca: str
    """The certificate of its authority in PEM; "" without TLS, and where a case is to see that none is trusted."""
    others: Mapping[str, str] = field(default_factory=dict)
    """ARNs of other secrets, such as ``admin``."""


class Scene(ABC):
    """A running service, with one credential that was made for one test."""

    address: tuple[str, int] = ("localhost", 0)
    """Where the service listens; its certificate is valid for this host name, and not for 127.0.0.1."""
    keys: tuple[str, ...] = ("password",)
    """The keys of the secret that rotate; none for plain text."""
    public: frozenset[str] = frozenset()
    """Keys of the secret that may be shown."""

    @abstractmethod
    def usual(self) -> Setup:
        """As a user would set it up: TLS is verified, and the value opens the service."""

    @abstractmethod
    def at(self, host: str, port: int) -> Setup:
        """The same setup, with the service at this address."""

    @abstractmethod
    def untrusted(self) -> Setup:
        """The same setup, without the certificate of the service's authority."""

    @abstractmethod
    def without_tls(self) -> AbstractContextManager[Callable[["Scene"], Setup]]:
        """What gives the same setup, for a service that does not speak TLS: without TLS it would accept the value."""

    @abstractmethod
    def login(self, value: str) -> bool:
        """Whether the service accepts the secret with the text ``value``, asked without the function's code."""

    @abstractmethod
    def lock_out(self) -> None:
        """Change the credential, the administrator's too if there is one, so that no stored value opens anything."""

    def spoiled(self, value: str) -> str:
        """``value`` with a credential that has never worked. Default: another password."""
        return json.dumps({**json.loads(value), self.keys[0]: NEVER_SET}) if self.keys else NEVER_SET

    def prepare(self, manager: SecretsManager) -> Mapping[str, Any]:
        """Put what else is stored, such as an administrator's secret; what the setup needs is known after this.

        Returns what answers further AWS services, as the function's stand-in needs it.
        """
        return {}

    def watch(self, hook: Hook) -> None:  # noqa: B027 - not every service is one of AWS's
        """Call ``hook`` around each call to an AWS service other than Secrets Manager. Default: there is none."""

    def logs(self) -> str:
        """What the service itself has logged, to be searched for values."""
        return ""


class Served(Scene):
    """A credential of ``rotation_lab.services``."""

    public = frozenset({"engine", "host", "port", "dbname", "username", "masterarn", "user_arn", "region"})

    def __init__(self, service: Service, environment: Callable[[Place], Mapping[str, str]]) -> None:
        self._service, self._environment = service, environment
        self._values, self._others = dict(service.reset()), dict[str, str]()
        self.address = service.upstream or ("localhost", 0)
        self.keys = tuple(key for key in self._values if key not in ("", *self.public))

    def usual(self) -> Setup:
        return self.at(*self.address)

    def at(self, host: str, port: int) -> Setup:
        return self._setup(Place(host, port, self._service.ca, self._others))

    def untrusted(self) -> Setup:
        return self._setup(Place(*self.address, "", self._others))

    @contextlib.contextmanager
    def without_tls(self) -> Iterator[Callable[[Scene], Setup]]:
        service = self._service
        assert isinstance(service, Unencrypted), "name the case in not_applicable: the service has no such address"
        with service.without_tls() as address:
            yield lambda _: self._setup(Place(*address, service.ca, self._others))

    def login(self, value: str) -> bool:
        return self._service.opens(value)

    def lock_out(self) -> None:
        self._service.lock_out()

    def prepare(self, manager: SecretsManager) -> Mapping[str, amazon.Api]:
        for name, found in self._service.others(*self.address).items():
            text = json.dumps(found) if found is not None else None
            self._others[name] = manager.create(text, name, rotation_enabled=False)

        def read(arn: str) -> str | None:
            return manager.secrets[arn].text() if arn in manager.secrets else None

        return self._service.apis(read) if isinstance(self._service, Answers) else {}

    def logs(self) -> str:
        return self._service.logs()

    def _setup(self, place: Place) -> Setup:
        value = document(self._service, self._values, place.host, place.port)
        return Setup(dict(self._environment(place)), value)
