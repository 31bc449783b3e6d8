"""Requests of the JSON protocols, checked against the services' models as botocore has them.

The checks come from the model alone, for every action and member alike. An SDK makes the same ones of types and of
members that must be there. Lengths, values and patterns are checked for Secrets Manager only, as AWS does for all.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ServiceModel

from rotation_lab.model.errors import ServiceError
from rotation_lab.sandbox import bodies

_SHOWN = 200
_OURS = "secretsmanager"
_SERVICES = {_OURS: "secretsmanager", "TrentService": "kms", "Logs_20140328": "logs", "AWSEvents": "events"}
"""Prefix of the header X-Amz-Target -> service."""
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "blob": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "list": (list,),
    "float": (int, float),
    "double": (int, float),
    "structure": (dict,),
    "map": (dict,),
}
_OWN_CHECKS = {
    "ClientRequestTokenType",
    "ExcludeCharactersType",
    "NameType",
    "PasswordLengthType",
    "SecretIdType",
    "AutomaticallyRotateAfterDaysType",
    "DurationType",
    "ScheduleExpressionType",
}
"""Shapes whose limits Secrets Manager itself checks, with an error of its own: the state machine does."""


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object of a request, without members that are null; raises ``ServiceError``."""
    try:
        content = bodies.parse(body or b"{}")
    except ValueError:
        raise ServiceError("SerializationException", "The request is not JSON in UTF-8.") from None
    if not isinstance(content, dict):
        raise ServiceError("SerializationException", "The request is not an object.")
    return {name: value for name, value in content.items() if value is not None}


def check(target: str, request: dict[str, Any]) -> None:
    """``ServiceError`` for what the model of an action ("secretsmanager.PutSecretValue") does not allow.

    Members that the model lacks are ignored, and so are services other than these.
    """
    prefix, _, action = target.rpartition(".")
    if prefix not in _SERVICES:
        return
    model = _model(_SERVICES[prefix])
    if action not in model.operation_names:
        raise ServiceError("UnknownOperationException", f"{model.service_name} has no action {action[:_SHOWN]}.")
    shape = model.operation_model(action).input_shape
    found = list(_faults(shape, request, "")) if shape is not None else []
    if found and prefix == _OURS:
        many = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected: "
        raise ServiceError("ValidationException", many + "; ".join(found))


def _faults(shape: Any, value: Any, at: str) -> Iterator[str]:
    """What is wrong with a value. It is not shown itself: it may be secret."""
    _check_type(shape, value, at)
    if shape.type_name == "structure":
        yield from _faults_of_members(shape, value, at)
    elif shape.type_name == "list":
        yield from _faults_of_limits(shape, len(value), at, "length")
        for number, item in enumerate(value, 1):
            yield from _faults(shape.member, item, f"{at}.{number}.member")
    elif shape.name not in _OWN_CHECKS:
        yield from _SIZES.get(shape.type_name, _no_faults)(shape, value, at)


def _check_type(shape: Any, value: Any, at: str) -> None:
    known = _TYPES.get(shape.type_name, (object,))
    if not isinstance(value, known) or (isinstance(value, bool) and bool not in known and object not in known):
        raise ServiceError("SerializationException", f"The value of {at or 'the request'} is no {shape.type_name}.")


def _faults_of_members(shape: Any, value: dict[str, Any], at: str) -> Iterator[str]:
    for name, member in shape.members.items():
        place = f"{at}.{_lower(name)}" if at else _lower(name)
        if value.get(name) is not None:
            yield from _faults(member, value[name], place)
        elif name in shape.required_members:
            yield f"Value at '{place}' failed to satisfy constraint: Member must not be null"


def _faults_of_limits(shape: Any, size: int, at: str, what: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield f"Value at '{at}' failed to satisfy constraint: Member must have {what} greater than or equal to {low}"
    if high is not None and size > high:
        yield f"Value at '{at}' failed to satisfy constraint: Member must have {what} less than or equal to {high}"


def _faults_of_text(shape: Any, value: str, at: str) -> Iterator[str]:
    # surrogatepass: JSON can carry half a pair
    size = len(value.encode("utf-8", "surrogatepass")) if shape.name == "SecretStringType" else len(value)
    yield from _faults_of_limits(shape, size, at, "length")
    pattern = shape.metadata.get("pattern")
    if pattern and not _matches(pattern, value):
        yield f"Value at '{at}' failed to satisfy constraint: Member must satisfy regular expression pattern: {pattern}"
    if shape.enum and value not in shape.enum:
        allowed = ", ".join(shape.enum)
        yield f"Value at '{at}' failed to satisfy constraint: Member must satisfy enum value set: [{allowed}]"


def _matches(pattern: str, value: str) -> bool:
    try:
        return bool(re.fullmatch(pattern, value))
    except re.error:  # the models have Java's patterns
        return True


def _faults_of_number(shape: Any, value: int, at: str) -> Iterator[str]:
    yield from _faults_of_limits(shape, value, at, "value")


def _faults_of_blob(shape: Any, value: str, at: str) -> Iterator[str]:
    try:
        size = len(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError) as error:
        raise ServiceError("SerializationException", f"The value of {at} is not base64.") from error
    yield from _faults_of_limits(shape, size, at, "length")


def _no_faults(shape: Any, value: Any, at: str) -> Iterator[str]:
    return iter(())


_SIZES: dict[str, Callable[[Any, Any, str], Iterator[str]]] = {
    "string": _faults_of_text,
    "integer": _faults_of_number,
    "long": _faults_of_number,
    "blob": _faults_of_blob,
}


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]


@cache
def _model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)
