"""What the contract suite, the crash harness, the demo and the examples know of a service that a secret opens.

    with postgresql.start() as server:           # once in a process: a server takes seconds
        service = server.credential("app")       # one credential; any number of them, which do not see each other
        text = document(service, service.reset(), "localhost", server.port)
        service.opens(text)                      # logs in, without the code of any rotation function
        service.change()                         # a person sets another value, in the service only
        service.lock_out()                       # no value that was ever stored opens anything
        with service.misbehave("read-only by default"):
            ...                                  # one of service.worlds

``start`` has the server's own settings as arguments, such as ``tls=False``. A service without a server has a credential
all the same: ``Iam().credential("app")``, ``Nothing(["password"])``.
"""

import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Protocol, runtime_checkable

from rotation_lab import amazon

USER = "app"
FIRST, CHANGED, LOST = "first-kX81vB6nRw3z", "hand-Qm27tY9sLc4x", "lost-Xe53pJ8bVd6u"
ADMIN_PASSWORD = "root-Lw93nH5dTz8q"

Address = tuple[str, int]
Values = Mapping[str, str]
"""Key of the secret → value; a plain-text secret has the key ""."""
ReadSecret = Callable[[str], str | None]
"""The AWSCURRENT text of the secret with this ARN; None when there is none."""


class BusyError(Exception):
    """The service lets a person wait, since a function that has not ended holds a lock."""


class Service(ABC):
    """One credential of a service that is running, and the secret that holds it."""

    worlds: tuple[str, ...] = ()
    """Odd ways in which ``misbehave`` can make it behave. What worked before works in each of them."""

    @property
    def upstream(self) -> Address | None:
        """Where it listens; None when it is reached through AWS, or not at all."""
        return None

    @property
    def ca(self) -> str:
        """The certificate of its authority in PEM, which it has for ``localhost``; "" without TLS."""
        return ""

    def known(self, host: str, port: int) -> Mapping[str, Any]:
        """The members of the secret that do not rotate, where the service is reached at this address."""
        return {}

    def others(self, host: str, port: int) -> Mapping[str, Mapping[str, Any] | None]:
        """Other secrets that a target may need, such as ``admin``: name → document. None: it has no value yet."""
        return {}

    @abstractmethod
    def reset(self) -> Values:
        """Put it back as it was before any rotation, and return the values that it then accepts."""

    @abstractmethod
    def opens(self, text: str) -> bool:
        """Whether it accepts the secret with this text."""

    @abstractmethod
    def change(self) -> Values:
        """A person sets other values in the service; return them. Raises ``BusyError``."""

    @abstractmethod
    def lock_out(self) -> None:
        """Change all credentials, the administrator's too: nothing that is stored anywhere opens anything."""

    def misbehave(self, name: str) -> AbstractContextManager[None]:
        """It behaves in this odd way, one of ``worlds``, until the block ends. Raises ``KeyError``."""
        raise KeyError(name)

    def logs(self) -> str:
        """What it has logged since the credential was made."""
        return ""


class Server(Protocol):
    """A program that runs, with any number of credentials."""

    @property
    def credential(self) -> Callable[..., Service]:
        """Make one, for the user ``app`` unless it is named. Each server has options of its own."""


# What a service may also be able to do.


@runtime_checkable
class Issues(Protocol):
    """It issues the value itself."""

    def issued(self) -> int:
        """How many values it has issued since the last reset."""


@runtime_checkable
class Ages(Protocol):
    """It looks at how old what it keeps is."""

    def later(self, time: timedelta) -> None:
        """Everything that it keeps becomes so much older."""


@runtime_checkable
class Follows(Protocol):
    """A person may have to do something in it before a rotation goes on."""

    def follow(self, message: str) -> bool:
        """Do what the function's message asks for; False when it asks for nothing here."""


@runtime_checkable
class Answers(Protocol):
    """The function reaches it by signed requests to AWS."""

    def apis(self, read: ReadSecret) -> Mapping[str, amazon.Api]:
        """Name of the AWS service → what answers; it reads secrets with ``read``."""


@runtime_checkable
class Unencrypted(Protocol):
    """It can be reached without TLS where a test asks for it."""

    def without_tls(self) -> AbstractContextManager[Address]:
        """Until the block ends it accepts the same credentials at this address, and does not speak TLS there."""


# What services have in common.


def document(service: Service, values: Values, host: str = "localhost", port: int = 0) -> str:
    """The secret's text, at the service's own port unless another is given."""
    found = port or (service.upstream or ("", 0))[1]
    return values[""] if "" in values else json.dumps({**service.known(host, found), **values})


@contextlib.contextmanager
def alone(started: AbstractContextManager[Server], **options: Any) -> Iterator[Service]:
    """A server of its own for one credential, which is made with the ``options``."""
    with started as server:
        yield server.credential(**options)


class Nothing(Service):
    """A value opens what it is for as soon as consumers can read it: a key that signs, a token that is compared."""

    def __init__(self, keys: tuple[str, ...] = ()) -> None:
        self._keys = keys or ("",)

    def reset(self) -> Values:
        return {key: f"first-{n}-wHjq83" for n, key in enumerate(self._keys)}

    def opens(self, text: str) -> bool:
        return bool(text)

    def change(self) -> Values:
        return {key: f"hand-{n}-Zk20xv" for n, key in enumerate(self._keys)}

    def lock_out(self) -> None:
        """It cannot be."""


@dataclass(frozen=True)
class Misbehaviour:
    """What is done to a service to make it behave oddly, and what undoes that; each server has its own language."""

    begin: tuple[str, ...]
    end: tuple[str, ...]


class Login(Service):
    """One user name and password on a server, and an administrator who may change it."""

    engine: ClassVar[str]
    """As AWS documents the secrets of databases."""
    more: ClassVar[Mapping[str, Any]] = {}
    """Further members of the secret."""
    misbehaviours: ClassVar[Mapping[str, Misbehaviour]] = {}

    def __init__(self, name: str, admin: str | None) -> None:
        self.name, self.admin = name, admin or f"{name}_admin"

    @property
    def worlds(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(self.misbehaviours)

    def known(self, host: str, port: int) -> Mapping[str, Any]:
        return {"engine": self.engine, "host": host, "port": port, "username": self.name, **self.more}

    def others(self, host: str, port: int) -> Mapping[str, Mapping[str, Any] | None]:
        """The administrator's secret."""
        return {"admin": {**self.known(host, port), "username": self.admin, "password": ADMIN_PASSWORD}}

    def reset(self) -> Values:
        self.set_password(self.admin, ADMIN_PASSWORD)
        self.set_password(self.name, FIRST)
        return {"username": self.name, "password": FIRST}

    def change(self) -> Values:
        self.set_password(self.name, CHANGED)
        return {"username": self.name, "password": CHANGED}

    def lock_out(self) -> None:
        self.set_password(self.admin, LOST)
        self.set_password(self.name, LOST)

    def opens(self, text: str) -> bool:
        found = json.loads(text)
        return self.accepts(found["username"], found["password"])

    @contextlib.contextmanager
    def misbehave(self, name: str) -> Iterator[None]:
        found = self.misbehaviours[name]
        self.do(found.begin)
        try:
            yield
        finally:
            self.do(found.end)

    def do(self, statements: tuple[str, ...]) -> None:
        """The statements of a misbehaviour, about this credential's user."""
        raise NotImplementedError

    @abstractmethod
    def set_password(self, name: str, password: str) -> None:
        """Set it as the server's owner."""

    @abstractmethod
    def accepts(self, username: str, password: str) -> bool:
        """Whether the user can log in."""
