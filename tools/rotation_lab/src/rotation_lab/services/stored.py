"""Secrets that an example finds in Secrets Manager."""

import contextlib
import json
from collections.abc import Iterator

from rotation_lab.sandbox.client import Sandbox


@contextlib.contextmanager
def secret(aws: Sandbox, name: str, value: object) -> Iterator[None]:
    """Keep a JSON secret of this name until the block ends."""
    manager = aws.client("secretsmanager")
    manager.create_secret(Name=name, SecretString=json.dumps(value))
    try:
        yield
    finally:
        manager.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
