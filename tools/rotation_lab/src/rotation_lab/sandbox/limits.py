"""Sizes that AWS refuses and ministack accepts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_plus

from rotation_lab.model.errors import ServiceError
from rotation_lab.sandbox import emulator

MAX_ENVIRONMENT, MAX_FUNCTION_POLICY, MAX_ROLE_POLICIES, MAX_ACCESS_KEYS = 4096, 20 * 1024, 10_240, 2
_FAILED = (
    "Lambda was unable to configure your environment variables because the environment variables you have provided"
)
_RESERVED = {"_HANDLER", "_X_AMZN_TRACE_ID", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"}
_RESERVED |= {"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID"}
_RESERVED |= {"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_FUNCTION_NAME"}
_RESERVED |= {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE"}
_RESERVED |= {"AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"}


def apply() -> None:
    """Changes ministack; see ``rotation_lab.sandbox.patches``."""
    actions = emulator.iam._IAM_HANDLERS
    emulator.replace_item(actions, "PutRolePolicy", _put_role_policy)
    emulator.replace_item(actions, "CreateAccessKey", _create_access_key)
    emulator.replace_item(actions, "DeleteAccessKey", _delete_access_key)
    emulator.replace_item(actions, "ListAccessKeys", _list_access_keys)


def check_environment(config: Mapping[str, Any]) -> None:
    """The environment variables of a function: 4 KB, and not Lambda's own names."""
    variables = (config.get("Environment") or {}).get("Variables") or {}
    if reserved := sorted(_RESERVED & set(variables)):
        raise ServiceError(
            "InvalidParameterValueException",
            f"{_FAILED} contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}",
        )
    if len(json.dumps(variables, ensure_ascii=False, separators=(",", ":")).encode()) > MAX_ENVIRONMENT:
        raise ServiceError("InvalidParameterValueException", f"{_FAILED} exceeded the 4KB limit.")


def check_function_policy(policy: Mapping[str, Any]) -> None:
    """The resource policy of a function: 20 KB."""
    if len(json.dumps(policy, separators=(",", ":")).encode()) > MAX_FUNCTION_POLICY:
        raise ServiceError(
            "PolicyLengthExceededException", f"The final policy size is bigger than the limit ({MAX_FUNCTION_POLICY})."
        )


def _put_role_policy(old: Callable[..., Any]) -> Callable[..., Any]:
    def put(params: dict[str, Any]) -> Any:
        value = emulator.iam._p
        role, name = value(params, "RoleName"), value(params, "PolicyName")
        others = (emulator.iam._roles.get(role) or {}).get("InlinePolicies") or {}
        documents = {**others, name: value(params, "PolicyDocument")}
        if sum(_size(document) for document in documents.values()) > MAX_ROLE_POLICIES:
            message = f"Maximum policy size of {MAX_ROLE_POLICIES} bytes exceeded for role {role}"
            return emulator.iam._error(409, "LimitExceeded", message, ns="iam")
        return old(params)

    return put


def _size(document: Any) -> int:
    text = document if isinstance(document, str) else json.dumps(document, separators=(",", ":"))
    return len("".join(unquote_plus(text).split()) if text.startswith("%7B") else "".join(text.split()))


def _create_access_key(old: Callable[..., Any]) -> Callable[..., Any]:
    def create(params: dict[str, Any]) -> Any:
        user = emulator.iam._p(params, "UserName") or "default"
        keys = [key for key in emulator.iam._access_keys.values() if key["UserName"] == user]
        if len(keys) >= MAX_ACCESS_KEYS:
            message = f"Cannot exceed quota for AccessKeysPerUser: {MAX_ACCESS_KEYS}"
            return emulator.iam._error(409, "LimitExceeded", message, ns="iam")
        return old(params)

    return create


def _list_access_keys(old: Callable[..., Any]) -> Callable[..., Any]:
    def listed(params: dict[str, Any]) -> Any:
        user = emulator.iam._p(params, "UserName")
        if user and user not in emulator.iam._users:  # ministack lists nothing
            message = f"The user with name {user} cannot be found."
            return emulator.iam._error(404, "NoSuchEntity", message, ns="iam")
        return old(params)

    return listed


def _delete_access_key(old: Callable[..., Any]) -> Callable[..., Any]:
    def delete(params: dict[str, Any]) -> Any:
        user, key = emulator.iam._p(params, "UserName"), emulator.iam._p(params, "AccessKeyId")
        about = emulator.iam._access_keys.get(key)
        if user and about and about["UserName"] != user:  # ministack deletes another user's key
            message = f"The Access Key with id {key} cannot be found."
            return emulator.iam._error(404, "NoSuchEntity", message, ns="iam")
        return old(params)

    return delete
