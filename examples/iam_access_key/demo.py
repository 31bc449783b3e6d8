"""Logs in to STS with the user's keys: the current one and the one before must work, older ones must be gone."""

import contextlib
import json
from collections.abc import Iterator

from botocore.exceptions import ClientError

from rotation_lab.sandbox.client import Sandbox

_sandbox: list[Sandbox] = []
_keys: list[tuple[str, str]] = []
"""Those that the user had, in order."""


@contextlib.contextmanager
def start(aws: Sandbox) -> Iterator[dict[str, object]]:
    """Nothing is needed besides AWS."""
    _sandbox[:], _keys[:] = [aws], []
    yield {}


def check(value: str) -> str:
    """Log in with each key that the secret has held."""
    document = json.loads(value)
    key = document["access_key_id"], document["secret_access_key"]
    if key not in _keys:
        _keys.append(key)
    owners = [_owner(*each) for each in reversed(_keys)]
    if [owner is not None for owner in owners] != [index < 2 for index in range(len(owners))]:
        raise RuntimeError(f"the keys, newest first, belong to {owners}")
    return f"STS knows the current key, and the one before, of {len(owners)} so far, as {owners[0]}"


def _owner(key_id: str, secret: str) -> str | None:
    client = _sandbox[0].client("sts", aws_access_key_id=key_id, aws_secret_access_key=secret)
    try:
        return str(client.get_caller_identity()["Arn"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidClientTokenId":
            raise
        return None
