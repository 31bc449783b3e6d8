"""Tags of secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rotation_lab.model.errors import ServiceError
from rotation_lab.model.secret import Data
from rotation_lab.model.vault import Caller, Request, Vault

_MOST = 50


def tag(vault: Vault, caller: Caller, request: Request) -> Data:
    """TagResource."""
    checked({}, request["Tags"])
    secret = vault.find(caller, request, write=True)
    secret.tags = checked(secret.tags or {}, request["Tags"])
    vault.changed(secret)
    return {}


def untag(vault: Vault, caller: Caller, request: Request) -> Data:
    """UntagResource. The list of tags stays when the last one goes, and is shown empty."""
    secret = vault.find(caller, request, write=True)
    if secret.tags is not None:
        secret.tags = {key: value for key, value in secret.tags.items() if key not in request["TagKeys"]}
    vault.changed(secret)
    return {}


def checked(present: Mapping[str, str], new: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The tags with the new ones; ``ServiceError`` when AWS refuses them."""
    if not all(tag.get("Key") for tag in new):
        raise ServiceError("InvalidParameterException", "A tag must have a Key.")
    added = {str(tag["Key"]): str(tag.get("Value", "")) for tag in new}
    if len(added) < len(new):
        raise ServiceError("InvalidParameterException", "A tag key is given twice.")
    if any(key.lower().startswith("aws:") for key in added):
        raise ServiceError(
            "InvalidParameterException", "Tag keys can't begin with aws:, which is reserved for AWS. Rename the tag."
        )
    together = {**present, **added}
    if len(together) > _MOST:
        raise ServiceError("InvalidParameterException", f"A secret can have at most {_MOST} tags.")
    return together


def shown(tags: Mapping[str, str] | None) -> list[Data] | None:
    """As answers have them; None when the secret has never had a tag."""
    return None if tags is None else [{"Key": key, "Value": value} for key, value in tags.items()]
