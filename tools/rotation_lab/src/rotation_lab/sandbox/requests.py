"""Requests to Secrets Manager, checked against the API's model as botocore has it."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from rotation_lab.sandbox.errors import ApiError


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object of a request, without members that are null; raises ``ApiError``."""
    try:
        content = json.loads(body or b"{}")
    except ValueError as error:
        raise ApiError("SerializationException", "The request is not JSON.") from error
    if not isinstance(content, dict):
        raise ApiError("SerializationException", "The request is not an object.")
    return {name: value for name, value in content.items() if value is not None}


def check(action: str, request: dict[str, Any]) -> None:
    """``ApiError`` for a member that is missing or of another type. Members that the model lacks are ignored."""
    shape: Any = _model().operation_model(action).input_shape
    known = {name: value for name, value in request.items() if name in shape.members}
    if ParamValidator().validate(known, shape).has_errors():  # its report has values, which may be secret
        raise ApiError("ValidationException", f"The request does not fit the model of {action}.")


@cache
def _model() -> ServiceModel:
    return botocore.session.get_session().get_service_model("secretsmanager")
