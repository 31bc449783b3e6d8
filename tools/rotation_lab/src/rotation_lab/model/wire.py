"""Secrets Manager's JSON protocol: dates are seconds since 1970, binary values are base64."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any

from rotation_lab.model.errors import ServiceError
from rotation_lab.model.secret import Data

_OWN_ERRORS = {
    "DecryptionFailure",
    "EncryptionFailure",
    "InternalServiceError",
    "InvalidNextTokenException",
    "InvalidParameterException",
    "InvalidRequestException",
    "LimitExceededException",
    "MalformedPolicyDocumentException",
    "PreconditionNotMetException",
    "PublicPolicyException",
    "ResourceExistsException",
    "ResourceNotFoundException",
}
"""Secrets Manager's own errors, whose text is called Message; those of AWS's front end call it message."""


def decode(body: bytes | str) -> Data:
    """The parameters in a request that has been checked."""
    content: Data = json.loads(body or "{}")
    given = {name: value for name, value in content.items() if value is not None}
    if "SecretBinary" in given:
        given["SecretBinary"] = base64.b64decode(given["SecretBinary"])
    return given


def encode(answer: Any) -> bytes:
    """The body of an answer."""
    return json.dumps(answer, default=_plain).encode()


def encode_error(error: ServiceError) -> bytes:
    """The body of an error."""
    return encode({"__type": error.code, "Message" if error.code in _OWN_ERRORS else "message": error.message})


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(type(value).__name__)
