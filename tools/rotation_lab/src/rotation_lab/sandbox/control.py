"""The sandbox's own HTTP routes, below ``/_sandbox/``."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from rotation_lab.model import values
from rotation_lab.model.secret import Secret
from rotation_lab.sandbox import additions, bodies
from rotation_lab.sandbox.calls import Calls, FaultError, Faults
from rotation_lab.sandbox.clock import Clock
from rotation_lab.sandbox.endpoint import LostAnswer
from rotation_lab.sandbox.rotation import Rotations
from rotation_lab.sandbox.secrets_manager import Secrets

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
_PREFIX = "/_sandbox/"
_UNITS = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}


class Control:
    """An ASGI application around ministack's."""

    def __init__(
        self,
        inner: App,
        clock: Clock,
        secrets: Secrets,
        rotations: Rotations,
        look: Callable[[], list[str]],
        calls: Calls,
        faults: Faults,
    ) -> None:
        self._inner, self._clock, self._secrets = inner, clock, secrets
        self._rotations, self._look, self._calls, self._faults = rotations, look, calls, faults
        self._routes: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
            ("GET", "health"): lambda data: {"status": "ok", "now": clock.now()},
            ("GET", "state"): self._state,
            ("POST", "advance"): self._advance,
            ("GET", "calls"): lambda data: calls.all(),
            ("POST", "calls/reset"): lambda data: calls.reset(),
            ("GET", "faults"): lambda data: faults.all(),
            ("POST", "faults"): self._add_faults,
            ("DELETE", "faults"): lambda data: faults.clear(),
            ("POST", "data-api"): additions.server_of("rds-data"),
            ("POST", "elasticache"): additions.server_of("elasticache"),
        }
        self.started = asyncio.Event()
        """Set when ministack serves."""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """ASGI's entry."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif scope["type"] == "http" and scope["path"].startswith(_PREFIX):
            await self._serve(scope, receive, send)
        else:
            try:
                await self._inner(scope, receive, send)
            except LostAnswer:
                # A body that is shorter than promised: for the client, the connection broke.
                headers = [(b"content-length", b"1")]
                await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _lifespan(self, scope: Message, receive: Receive, send: Send) -> None:
        """Starts ministack. Its shutdown is left out: it loads services only to stop them."""
        startup = await receive()
        ready = asyncio.Event()

        async def once() -> Message:
            if ready.is_set():
                await asyncio.Event().wait()
            ready.set()
            return startup

        async def told(message: Message) -> None:
            await send(message)
            self.started.set()

        inner = asyncio.create_task(self._as_task(scope, once, told))
        await receive()
        inner.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    async def _as_task(self, scope: Message, receive: Receive, send: Send) -> None:
        await self._inner(scope, receive, send)

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        status, content = 200, None
        try:
            route = self._routes[scope["method"], scope["path"].removeprefix(_PREFIX)]
            data = _content(body, scope["query_string"])
            # In a thread: the scheduler may wait for a lock that a rotation holds.
            content = await asyncio.to_thread(route, data)
        except KeyError as error:
            status, content = 404, {"error": f"not found: {error}"}
        except (ValueError, FaultError) as error:
            status, content = 400, {"error": str(error)}
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(content).encode()})

    def _state(self, data: dict[str, Any]) -> dict[str, Any]:
        wanted = data.get("secret")
        with self._secrets.lock:
            secrets = self._secrets.vault.secrets.values()
            named = [secret for secret in secrets if not secret.primary or wanted == secret.arn]  # replicas by ARN only
            found = [secret for secret in named if wanted in (None, secret.name, secret.arn)]
            if wanted and not found:
                raise KeyError(wanted)
            return {"now": self._clock.now(), "secrets": {secret.name: self._about(secret) for secret in found}}

    def _about(self, secret: Secret) -> dict[str, Any]:
        state = self._rotations.state(secret)
        scheduled = secret.rotation_enabled and secret.rules
        return {
            "arn": secret.arn,
            "rotating": secret.rotating,
            "result": state.result,
            "log": list(state.log),
            "stages": {version: sorted(about.labels) for version, about in secret.versions.items()},
            "next": [moment.timestamp() for moment in values.next_window(secret)] if scheduled else None,
        }

    def _advance(self, data: dict[str, Any]) -> dict[str, Any]:
        unknown = set(data) - set(_UNITS)
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(_UNITS)}")
        for unit, amount in data.items():
            if isinstance(amount, bool) or not isinstance(amount, int | float) or not math.isfinite(amount):
                raise ValueError(f"{unit} is not a number")
        self._clock.advance(sum(amount * _UNITS[unit] for unit, amount in data.items()))
        return {"now": self._clock.now(), "started": self._look()}

    def _add_faults(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        self._faults.add(data)
        return self._faults.all()


def _content(body: bytes, query: bytes) -> dict[str, Any]:
    """The object in a request's body, or its query; ``ValueError`` for anything else."""
    if not body:
        return {name: values[0] for name, values in parse_qs(query.decode()).items()}
    content = bodies.parse(body)
    if not isinstance(content, dict):
        raise ValueError("the body is not a JSON object")
    return content


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body
