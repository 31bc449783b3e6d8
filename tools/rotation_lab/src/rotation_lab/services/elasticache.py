"""A local ElastiCache API over a Redis server: the users of its query protocol, ModifyUser and DescribeUsers.

    with redis_server.start() as server, elasticache.start(server) as cache:
        user = cache.credential("app")
        boto3.client("elasticache", endpoint_url=cache.url)

Like AWS's, a user has one or two passwords and is ``modifying`` for a while after a change. Here the change is applied
when the user has been described ``LOOKS`` times, so that no clock decides. It does not look at who calls.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from rotation_lab import amazon
from rotation_lab.model.secrets_manager import ServiceError

from . import posted, redis_server
from .base import USER, ReadSecret
from .redis_server import RedisServer

LOOKS = 2
"""So often a user is described as ``modifying`` after a change."""
MOST, SHORTEST, LONGEST = 2, 16, 128
Request = dict[str, str]


class User(redis_server.User):
    """A user of ElastiCache, whose id is its name, and the Redis user that it stands for."""

    def __init__(self, cache: "ElastiCache", name: str) -> None:
        self._cache, self._looks, self._passwords = cache, 0, [""]
        super().__init__(cache.server, name, None, may_change_itself=False)

    def apis(self, read: ReadSecret) -> Mapping[str, amazon.Api]:
        """The service's API: Redis itself is reached at its address."""
        return {"elasticache": self._answer}

    def _answer(self, request: amazon.Request) -> amazon.Answer:
        status, body = self._cache.answer(request.body)
        return status, {"content-type": "text/xml"}, body

    def set_password(self, name: str, password: str) -> None:
        """This password only, and at once: the change that waits is dropped."""
        if name == self.name:
            self._looks, self._passwords = 0, [password]
        super().set_password(name, password)

    def modify(self, passwords: list[str]) -> None:
        """These passwords only, once the change is applied."""
        if self._looks:
            raise ServiceError("InvalidUserState", f"User {self.name} is modifying.")
        if not 1 <= len(passwords) <= MOST or not all(SHORTEST <= len(one) <= LONGEST for one in passwords):
            said = f"A user has one or {MOST} passwords of {SHORTEST} to {LONGEST} characters."
            raise ServiceError("InvalidParameterValue", said)
        self._looks, self._passwords = LOOKS, passwords

    def described(self) -> str:
        """Its XML."""
        status = "modifying" if self._looks else "active"
        about = {"UserId": self.name, "UserName": self.name, "Status": status, "Engine": "redis"}
        fields = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in about.items())
        count = f"<PasswordCount>{len(self._passwords)}</PasswordCount>"
        return f"{fields}<Authentication><Type>password</Type>{count}</Authentication>"

    def look(self) -> None:
        """Somebody has seen it; the last look at a change applies it."""
        if self._looks:
            self._looks -= 1
            if not self._looks:
                self._apply()

    def _apply(self) -> None:
        passwords = (f">{password}" for password in self._passwords)
        self.server.run("ACL", "SETUSER", self.name, "reset", "on", *passwords, *self._rights[self.name])


@dataclass
class ElastiCache:
    """The API. ``calls`` has the names of the operations, in order."""

    server: RedisServer
    url: str = ""
    calls: list[str] = field(default_factory=list)
    users: dict[str, User] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def credential(self, name: str = USER) -> User:
        """A user of its own."""
        self.users[name] = User(self, name)
        return self.users[name]

    def answer(self, body: bytes) -> tuple[int, bytes]:
        """Status and XML for the body of a request."""
        request = dict(parse_qsl(body.decode(), keep_blank_values=True))
        name = request.get("Action", "")
        try:
            with self._lock:
                result = self._run(name, request)
        except ServiceError as error:
            said = f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
            return 400, f"<ErrorResponse>{said}</ErrorResponse>".encode()
        return 200, f"<{name}Response><{name}Result>{result}</{name}Result></{name}Response>".encode()

    def _run(self, name: str, request: Request) -> str:
        self.calls.append(name)
        operations: dict[str, Callable[[Request], str]] = {"ModifyUser": self._modify, "DescribeUsers": self._describe}
        if name not in operations:
            raise ServiceError("InvalidAction", f"This local ElastiCache has only {', '.join(operations)}.")
        return operations[name](request)

    def _modify(self, request: Request) -> str:
        user = self._user(request.get("UserId", ""))
        user.modify([value for name, value in request.items() if name.startswith("Passwords.")])
        return user.described()

    def _describe(self, request: Request) -> str:
        wanted = request.get("UserId")
        found = [self._user(wanted)] if wanted else list(self.users.values())
        members = "".join(f"<member>{user.described()}</member>" for user in found)
        for user in found:
            user.look()
        return f"<Users>{members}</Users>"

    def _user(self, name: str) -> User:
        if name not in self.users:
            raise ServiceError("UserNotFound", f"User {name} not found.")
        return self.users[name]


@contextlib.contextmanager
def over(started: AbstractContextManager[RedisServer]) -> Iterator[ElastiCache]:
    """The API over a Redis that is started, until the block ends."""
    with started as server, start(server) as cache:
        yield cache


@contextlib.contextmanager
def start(server: RedisServer) -> Iterator[ElastiCache]:
    """Run it until the block ends."""
    cache = ElastiCache(server)

    def answer(_: str, body: bytes) -> posted.Answer:
        status, text = cache.answer(body)
        return status, text, {"Content-Type": "text/xml"}

    with posted.serve(answer) as cache.url:
        yield cache
