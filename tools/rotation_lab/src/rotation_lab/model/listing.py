"""ListSecrets and BatchGetSecretValue, which find secrets by filters."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from rotation_lab.model import values
from rotation_lab.model.errors import ServiceError
from rotation_lab.model.secret import Data, Secret
from rotation_lab.model.vault import Caller, Request, Vault

_BATCH = 20
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
"""A word ends where the case changes from upper to lower, and between letters, digits and anything else."""


def list_secrets(vault: Vault, caller: Caller, request: Request) -> Data:
    """ListSecrets."""
    secrets = _found(vault, caller, request.get("Filters") or [], bool(request.get("IncludePlannedDeletion")))
    secrets.sort(key=_key(str(request.get("SortBy") or "created-date")), reverse=request.get("SortOrder") == "desc")
    answer = values.page("SecretList", secrets, request, vault.page)
    return {**answer, "SecretList": [_entry(vault, secret) for secret in answer["SecretList"]]}


def _entry(vault: Vault, secret: Secret) -> Data:
    stages = secret.stages()
    return {**values.summary(vault, secret), **({"SecretVersionsToStages": stages} if stages else {})}


def _key(name: str) -> Callable[[Secret], Any]:
    if name == "name":
        return lambda secret: secret.name
    attribute = {"created-date": "created", "last-changed-date": "changed", "last-accessed-date": "accessed"}[name]

    def moment(secret: Secret) -> datetime:
        when: datetime = getattr(secret, attribute) or secret.created
        return when

    return moment


def batch_get(vault: Vault, caller: Caller, request: Request) -> Data:
    """BatchGetSecretValue: by a list of names, or by filters with pages."""
    ids, filters = request.get("SecretIdList"), request.get("Filters")
    if bool(ids) == bool(filters):
        raise ServiceError(
            "InvalidParameterException", "You must include either Filters or SecretIdList in the request, but not both."
        )
    if ids:
        if "MaxResults" in request:
            raise ServiceError("InvalidParameterException", "To use MaxResults, you must also use Filters.")
        return _values(vault, caller, list(ids))
    caller.check("ListSecrets", "*")
    found = values.page("ids", [s.arn for s in _found(vault, caller, filters or [], False)], request, _BATCH)
    more = {"NextToken": found["NextToken"]} if "NextToken" in found else {}
    return {**_values(vault, caller, found["ids"]), **more}


def _values(vault: Vault, caller: Caller, ids: Sequence[str]) -> Data:
    read: list[Data] = []
    errors: list[Data] = []
    for secret_id in ids:
        try:
            secret = vault.find(caller, {"SecretId": secret_id})
            caller.check("GetSecretValue", secret.arn)
            read.append(values.read(vault, secret))
        except ServiceError as error:
            errors.append({"SecretId": secret_id, "ErrorCode": error.code, "Message": error.message})
    return {"SecretValues": read, "Errors": errors}


def _found(vault: Vault, caller: Caller, filters: Sequence[Data], with_deleted: bool) -> list[Secret]:
    if not all(about.get("Key") and about.get("Values") for about in filters):
        raise ServiceError("InvalidParameterException", "A filter must have a Key and Values.")
    return [
        secret
        for secret in vault.secrets.values()
        if (secret.account, secret.region) == (caller.account, caller.region)
        and (with_deleted or not secret.deleted)
        and all(_passes(secret, about) for about in filters)
    ]


def _passes(secret: Secret, about: Data) -> bool:
    """Any value of a filter is enough; one that begins with ! excludes what it matches."""
    matches, texts = _MATCHES[str(about.get("Key"))]
    wanted = [str(value) for value in about.get("Values") or []]
    excluded = [value[1:] for value in wanted if value.startswith("!")]
    included = [value for value in wanted if not value.startswith("!")]
    found = texts(secret)
    if any(matches(text, value) for value in excluded for text in found):
        return False
    return not included or any(matches(text, value) for value in included for text in found)


def _prefix(text: str, value: str) -> bool:
    return text.startswith(value)


def _words_begin(text: str, value: str) -> bool:
    """Every word of the value begins a word of the text, whatever the case."""
    words = text.lower().split()
    return all(any(word.startswith(wanted) for word in words) for wanted in value.lower().split())


def _any_word(text: str, value: str) -> bool:
    words = {word.lower() for word in _WORD.findall(text)}
    return any(word.startswith(wanted.lower()) for wanted in _WORD.findall(value) for word in words)


def _primary(secret: Secret) -> list[str]:
    return [secret.primary.split(":")[3]] if secret.primary else [secret.region] if secret.replicas else []


def _everything(secret: Secret) -> list[str]:
    tags = secret.tags or {}
    return [secret.name, secret.description, *tags, *tags.values()]


_MATCHES: dict[str, tuple[Callable[[str, str], bool], Callable[[Secret], list[str]]]] = {
    "name": (_prefix, lambda secret: [secret.name]),
    "description": (_words_begin, lambda secret: [secret.description]),
    "tag-key": (_prefix, lambda secret: list(secret.tags or {})),
    "tag-value": (_prefix, lambda secret: list((secret.tags or {}).values())),
    "primary-region": (_prefix, _primary),
    "owning-service": (_prefix, lambda secret: []),
    "all": (_any_word, _everything),
}
