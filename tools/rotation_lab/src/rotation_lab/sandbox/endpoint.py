"""What happens to every API call on its way in: it is counted, and a fault that a test has ordered strikes it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

from rotation_lab.model import wire
from rotation_lab.model.errors import ServiceError
from rotation_lab.points import BEFORE
from rotation_lab.sandbox import emulator, permissions, requests
from rotation_lab.sandbox.calls import Asked, Calls, Fault, Faults, error_code
from rotation_lab.sandbox.emulator import Answer
from rotation_lab.sandbox.runtime import Pool

Dispatch = Callable[[str, str, dict[str, str], bytes, dict[str, Any], str], Awaitable[Answer | None]]
_KEPT_ANSWERS = 1000
_AMPERSAND = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[0-9A-Fa-f]+);)")
_OWN_FAULTS = {"InternalServiceError", "InternalServiceErrorException", "InternalFailure", "ServiceUnavailable"}


class LostAnswer(Exception):  # noqa: N818 - an order, not an error
    """The connection is to be closed without an answer."""


class Endpoint:
    """Stands before ministack's dispatch."""

    def __init__(self, calls: Calls, faults: Faults, pool: Pool) -> None:
        self._calls, self._faults, self._pool = calls, faults, pool
        self._sent: dict[str, asyncio.Future[Answer | None]] = {}

    def apply(self) -> None:
        """Changes ministack; see ``rotation_lab.sandbox.patches``."""
        emulator.replace(emulator.app, "_dispatch_service_request", self._dispatch)
        emulator.replace(emulator.app, "_handle_rds_data_request", self._rds_data)

    def _dispatch(self, old: Dispatch) -> Dispatch:
        async def dispatch(
            method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any], request_id: str
        ) -> Answer | None:
            try:
                _check_body(headers, body)
            except ServiceError as error:
                return emulator.json_body(wire.encode_error(error), 400)
            parameters = emulator.app._routing_params(method, path, headers, body, query)
            service = str(emulator.router.detect_service(method, path, headers, parameters))
            asked = _asked(service, method, path, headers, body, parameters)
            call = self._answered_once(asked, headers, lambda: old(method, path, headers, body, query, request_id))
            return await self._answer(asked, headers, call)

        return dispatch

    def _rds_data(self, old: Dispatch) -> Dispatch:
        async def dispatch(
            method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any], request_id: str
        ) -> Answer | None:
            if path not in emulator.app._RDS_DATA_PATHS:
                return await old(method, path, headers, body, query, request_id)
            asked = _asked("rds-data", method, path, headers, body, query)
            return await self._answer(asked, headers, lambda: old(method, path, headers, body, query, request_id))

        return dispatch

    async def _answer(
        self, asked: Asked, headers: dict[str, str], call: Callable[[], Awaitable[Answer | None]]
    ) -> Answer | None:
        fault = self._faults.due(asked)
        if fault is None:
            answer = await call()
        elif fault.moment == BEFORE:
            answer = await self._strike(fault, asked, headers) or await call()
        else:
            answer = await call()
            answer = await self._strike(fault, asked, headers) or answer
        self._calls.add(asked, error_code(*answer) if answer else None)
        return _well_formed(answer) if answer and asked.service != "s3" else answer

    async def _strike(self, fault: Fault, asked: Asked, headers: dict[str, str]) -> Answer | None:
        kind, _, detail = fault.effect.partition(":")
        if kind == "delay":
            await asyncio.sleep(float(detail))
            return None
        if kind == "error":
            return _error(detail, headers)
        if kind == "kill" and asked.function:
            self._pool.kill(asked.function)
        self._calls.add(asked, "lost")
        raise LostAnswer

    def _answered_once(
        self, asked: Asked, headers: dict[str, str], call: Callable[[], Awaitable[Answer | None]]
    ) -> Callable[[], Awaitable[Answer | None]]:
        """A call that the SDK sends again, because the connection broke, gets the answer of its first sending.

        Otherwise CreateRole or AddPermission gets a 409 for what its own first sending has made: Terraform's provider
        then fails, at once or after five minutes. The calls of functions are done again, as AWS does: what comes of
        that is what rotation functions are tested for.
        """
        invocation = headers.get("amz-sdk-invocation-id", "")
        if asked.function or not invocation:
            return call

        async def once() -> Answer | None:
            if invocation not in self._sent:
                self._sent[invocation] = asyncio.ensure_future(call())
                self._sent[invocation].add_done_callback(lambda done: self._keep(invocation, done))
            # Shielded, since the first sending goes on when its connection is gone, and the second waits for it.
            return await asyncio.shield(self._sent[invocation])

        return once

    def _keep(self, invocation: str, done: asyncio.Future[Answer | None]) -> None:
        """Keeps an answer for a while; an error is no answer to keep: the SDK repeats the call to get another."""
        answer = None if done.cancelled() or done.exception() else done.result()
        if answer is None or answer[0] >= 400:
            del self._sent[invocation]
        elif len(self._sent) > _KEPT_ANSWERS:
            del self._sent[next(iter(self._sent))]


def _well_formed(answer: Answer) -> Answer:
    """ministack puts names and tags into XML as they are; what cannot be an entity is an ampersand."""
    status, headers, body = answer
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    if "xml" not in kind or not isinstance(body, bytes):
        return answer
    return status, headers, _AMPERSAND.sub(b"&amp;", body)


def _check_body(headers: dict[str, str], body: bytes) -> None:
    """``ServiceError`` for a body of a JSON protocol that is not what it says; ministack would fail over it."""
    if target := headers.get("x-amz-target"):
        requests.check(target, requests.parse(body))


def _asked(
    service: str, method: str, path: str, headers: dict[str, str], body: bytes, parameters: dict[str, Any]
) -> Asked:
    action = emulator.iam_actions.extract_iam_action(service, method, path, headers, body, parameters)
    principal = emulator.caller(headers, parameters) or None
    function = permissions.function_of(principal or "")
    return Asked(
        service=service,
        action=str(action).partition(":")[2] if action else f"{method} {path}",
        principal=principal,
        function=function.rpartition(":")[2] if function else None,
        resource=_resource(service, method, path, headers, body, parameters),
    )


def _resource(*request: Any) -> str | None:
    resource = emulator.iam_actions.extract_resource_arn(*request, emulator.region(), emulator.account())
    return str(resource) if resource and resource != "*" else None


def _error(code: str, headers: dict[str, str]) -> Answer:
    status = 500 if code in _OWN_FAULTS else 400
    message = "The sandbox was told to answer so."
    if "x-www-form-urlencoded" in headers.get("content-type", ""):
        return emulator.xml_error(code, message, status)
    return emulator.json_error(code, message, status)
