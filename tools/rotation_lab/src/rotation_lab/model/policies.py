"""Resource policies of secrets."""

from __future__ import annotations

import json
from typing import Any

from rotation_lab.model.errors import ServiceError
from rotation_lab.model.secret import Data
from rotation_lab.model.vault import Caller, Request, Vault, identity, present

_MALFORMED = "This resource policy contains invalid Json"
_PUBLIC = "You must specify a resource policy that doesn't grant public access: name principals instead of *."


def put(vault: Vault, caller: Caller, request: Request) -> Data:
    """PutResourcePolicy."""
    policy = str(request["ResourcePolicy"])
    statements = _statements(policy)
    if statements is None:
        raise ServiceError("MalformedPolicyDocumentException", _MALFORMED)
    secret = vault.find(caller, request, write=True)
    if request.get("BlockPublicPolicy") and any(_is_public(statement) for statement in statements):
        raise ServiceError("PublicPolicyException", _PUBLIC)
    secret.policy = policy
    vault.changed(secret)
    return identity(secret)


def get(vault: Vault, caller: Caller, request: Request) -> Data:
    """GetResourcePolicy."""
    secret = vault.find(caller, request)
    return {**identity(secret), **present(ResourcePolicy=secret.policy)}


def delete(vault: Vault, caller: Caller, request: Request) -> Data:
    """DeleteResourcePolicy."""
    secret = vault.find(caller, request, write=True)
    secret.policy = None
    vault.changed(secret)
    return identity(secret)


def validate(vault: Vault, caller: Caller, request: Request) -> Data:
    """ValidateResourcePolicy."""
    if request.get("SecretId"):
        vault.find(caller, request)
    statements = _statements(str(request["ResourcePolicy"]))
    if statements is None:
        return _found("SYNTAX", _MALFORMED)
    if any(_is_public(statement) for statement in statements):
        return _found("PUBLIC_POLICY", _PUBLIC)
    return {"PolicyValidationPassed": True, "ValidationErrors": []}


def _found(name: str, message: str) -> Data:
    return {"PolicyValidationPassed": False, "ValidationErrors": [{"CheckName": name, "ErrorMessage": message}]}


def _statements(policy: str) -> list[dict[str, Any]] | None:
    """The statements of a policy; None when it is none."""
    try:
        content = json.loads(policy)
    except (ValueError, RecursionError):
        return None
    statements: Any = content.get("Statement") if isinstance(content, dict) else None
    listed: list[Any] = statements if isinstance(statements, list) else [statements]
    return listed if listed and all(_is_statement(statement) for statement in listed) else None


def _is_statement(statement: Any) -> bool:
    return isinstance(statement, dict) and statement.get("Effect") in ("Allow", "Deny") and "Principal" in statement


def _is_public(statement: dict[str, Any]) -> bool:
    """Whether it allows something to everybody; a condition may narrow it, and is taken to do so."""
    principal = statement["Principal"]
    named = principal.get("AWS") if isinstance(principal, dict) else principal
    anybody = "*" in (named if isinstance(named, list) else [named])
    return anybody and statement["Effect"] == "Allow" and not statement.get("Condition")
