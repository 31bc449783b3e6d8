"""Another endpoint instead of the sandbox: an AWS account, or a sandbox that runs already."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import boto3
from botocore.exceptions import ClientError

from rotation_lab.sandbox.client import variables

_POLL_SECONDS, _ROLE_SECONDS = 1.0, 60
T = TypeVar("T")


class Account:
    """Has what most tests ask of ``Sandbox``: ``client`` and ``settle``. ``close`` deletes what the tests have made."""

    def __init__(self, endpoint: str) -> None:
        self._options: dict[str, Any] = {}
        if endpoint != "aws":
            named = variables(0)
            self._options = {
                "endpoint_url": endpoint,
                "region_name": named["AWS_REGION"],
                "aws_access_key_id": named["AWS_ACCESS_KEY_ID"],
                "aws_secret_access_key": named["AWS_SECRET_ACCESS_KEY"],
            }
        self._clients: dict[str, Any] = {}
        self._made: list[Callable[[], object]] = []

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client."""
        if options:
            return boto3.session.Session().client(service, **{**self._options, **options})  # type: ignore[call-overload]
        if service not in self._clients:
            self._clients[service] = self.client(service, **(self._options or {"config": None}))
        return self._clients[service]

    def settle(self, secret: str, timeout: float = 120) -> dict[str, Any]:
        """Wait until AWSPENDING is on no other version than AWSCURRENT."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            stages = self.client("secretsmanager").describe_secret(SecretId=secret).get("VersionIdsToStages", {})
            if not any("AWSPENDING" in labels and "AWSCURRENT" not in labels for labels in stages.values()):
                return {"result": "ok", "log": []}
            time.sleep(_POLL_SECONDS)
        raise TimeoutError(f"{secret} still rotates after {timeout} s")

    def later(self, delete: Callable[[], object]) -> None:
        """Delete something at the end."""
        self._made.append(delete)

    def once_roles_work(self, call: Callable[[], T]) -> T:
        """Call again while a new role is not known everywhere."""
        end = time.monotonic() + _ROLE_SECONDS
        while True:
            try:
                return call()
            except ClientError as error:
                if error.response["Error"]["Code"] != "InvalidParameterValueException" or time.monotonic() > end:
                    raise
                time.sleep(_POLL_SECONDS)

    def close(self) -> None:
        """Delete what was made, the last first."""
        for delete in reversed(self._made):
            try:
                delete()
            except ClientError as error:
                print(f"left over: {error}")
        for client in self._clients.values():
            client.close()
