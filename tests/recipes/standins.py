"""Stand-ins for AWS services that change the users of a server: botocore checks what is sent, and the server is real.

As at AWS, a change takes a while to be applied, and the service says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.model import OperationModel

Operations = Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]]
LOOKS = 2
"""So often a service answers that it is still changing something."""


def client(service: str, operations: Operations) -> Any:
    """A boto3 client whose operations are these functions."""
    made = boto3.client(service, region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")  # type: ignore[call-overload]
    asked: dict[str, Mapping[str, Any]] = {}

    def keep(params: Mapping[str, Any], model: OperationModel, **_: object) -> None:
        asked[model.name] = params

    def answer(model: OperationModel, **_: object) -> Any:
        return SimpleNamespace(status_code=200), operations[model.name](asked[model.name])

    made.meta.events.register("provide-client-params.*.*", keep)
    made.meta.events.register("before-call", answer)
    return made


class Passwords:
    """One user of a server that accepts the last passwords that were set. ``accept`` makes the server do so."""

    def __init__(self, accept: Callable[[list[str]], None], *first: str) -> None:
        self._accept, self._looks, self.accepted = accept, 0, list(first)
        accept(self.accepted)

    def set(self, *passwords: str) -> None:
        """It is to accept these and no others, once the change is applied."""
        self.accepted, self._looks = list(passwords), LOOKS

    def status(self, settled: str) -> str:
        """``modifying`` for a while after a change, which is applied then."""
        if self._looks:
            self._looks -= 1
            return "modifying"
        self._accept(self.accepted)
        return settled

    def wait(self, _: float) -> None:
        """Some seconds go by, after which the change is applied, of a service that does not say when."""
        self._accept(self.accepted)
