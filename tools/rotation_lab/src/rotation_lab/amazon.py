"""AWS as the function sees it: signed HTTP requests in, answers out. Secrets Manager is the tests' own model."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rotation_lab.model.secrets_manager import SecretsManager, ServiceError


@dataclass(frozen=True)
class Request:
    """One signed request, whichever protocol its service has."""

    service: str
    action: str
    path: str
    body: bytes
    access_key: str

    @property
    def name(self) -> str:
        """Such as "secretsmanager:PutSecretValue"."""
        return f"{self.service}:{self.action}"


Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and body."""
Api = Callable[[Request], Answer]


def secrets_manager(manager: SecretsManager) -> Api:
    """Secrets Manager's JSON protocol over the model."""

    def answer(request: Request) -> Answer:
        try:
            found = manager.answer(request.action, json.loads(request.body))
        except ServiceError as error:
            return json_answer({"__type": error.code, "message": error.message}, 400)
        return json_answer(found)

    return answer


def json_answer(data: Any, status: int = 200) -> Answer:
    """An answer of a JSON service; times are seconds since 1970."""
    return status, {"content-type": "application/x-amz-json-1.1"}, json.dumps(data, default=_plain).encode()


def denied(request: Request) -> Answer:
    """What any service says to a role that lacks the permission."""
    said = f"User: function is not authorized to perform: {request.name}"
    if request.service in ("iam", "sts", "elasticache"):
        error = f"<Error><Code>AccessDenied</Code><Message>{said}</Message></Error>"
        return 403, {"content-type": "text/xml"}, f"<ErrorResponse>{error}</ErrorResponse>".encode()
    answer = json_answer({"__type": "AccessDeniedException", "message": said}, 400)
    answer[1]["x-amzn-errortype"] = "AccessDeniedException"
    return answer


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.timestamp()
    raise TypeError(type(value).__name__)
