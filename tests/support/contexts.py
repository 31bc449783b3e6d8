"""What a target gets, made by hand."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from secret_rotation import catalogue
from secret_rotation.deadline import Deadline
from secret_rotation.logs import Log
from secret_rotation.target import Context, Credential

from .function import LambdaContext

SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:app-AbCdEf"


def credential(password: str, **fields: object) -> Credential:
    """A version of a JSON secret whose key ``password`` rotates."""
    document = {"username": "app", **fields, "password": password}
    return Credential(f"version-{password.removeprefix('s3cret-')}", json.dumps(document), ("password",))


def plain(text: str) -> Credential:
    """A version of a plain-text secret."""
    return Credential(f"version-{text}", text)


def of(target: str) -> Callable[..., Context]:
    """``context`` for a target, whose settings it completes."""

    def complete(*versions: Any, **given: Any) -> Context:
        fallbacks = catalogue.fallbacks(target)
        return context(*versions, **{**catalogue.defaults(target), "fallbacks": fallbacks, **given})

    return complete


def context(
    pending: Credential | None,
    current: Credential | None = None,
    older: Iterable[Credential] = (),
    /,
    *,
    seconds: Any = 30.0,
    client: Any = None,
    fallbacks: Any = None,
    **settings: str,
) -> Context:
    """A step of a rotation, with ``seconds`` left and the target's ``settings``.

    What is not a setting is ``Any``, so that a test may give its settings as ``**`` of a dictionary.
    """
    deadline = Deadline()
    deadline.start(LambdaContext(seconds))
    log = Log()
    for known in (pending, current, *older):
        if known is not None:
            log.hide(*known.confidential())
    return Context(
        secret_id=SECRET,
        settings=settings,
        fallbacks=fallbacks or {},
        current=current,
        log=log,
        deadline=deadline,
        client=client or _no_client,
        pending_or_none=pending,
        older=lambda: iter(tuple(older)),
    )


def _no_client(service: str, **_: object) -> Any:
    raise AssertionError(f"The target made a client for {service}.")
