"""Names, ARNs and tokens: what Secrets Manager accepts, whichever action it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rotation_lab.model.errors import ServiceError

SUFFIX = re.compile(r"-[A-Za-z0-9]{6}$")
_NAME = re.compile(r"[A-Za-z0-9/_+=.@!-]+")
_ARN = re.compile(r"arn:[a-z-]+:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@!-]+")
_INVALID = "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!"
_LONGEST_NAME = 512


def check(request: Mapping[str, Any]) -> None:
    """``ServiceError`` for a name or ARN that no secret can have; it comes before the question whether there is one."""
    for member in ("Name", "SecretId"):
        text = request.get(member)
        if text is not None and not is_valid(str(text)):
            raise ServiceError("ValidationException", _INVALID)


def is_valid(text: str) -> bool:
    """Whether a secret can have this name or ARN."""
    if text.startswith("arn:"):
        return bool(_ARN.fullmatch(text))
    return len(text) <= _LONGEST_NAME and bool(_NAME.fullmatch(text))


def client_token(request: Mapping[str, Any], missing: str = "InvalidRequestException") -> str:
    """The ClientRequestToken, which becomes a version's id; ``missing`` is the error when there is none."""
    token = request.get("ClientRequestToken")
    if token is None:
        raise ServiceError(missing, "You must provide a ClientRequestToken value. We recommend a UUID-type value.")
    if not 32 <= len(token) <= 64:
        raise ServiceError("InvalidParameterException", "ClientRequestToken must be 32-64 characters long.")
    return str(token)
