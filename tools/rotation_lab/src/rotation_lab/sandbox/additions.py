"""What ministack lacks: lists of IAM that are empty here, keys of log groups, APIs over your own database and Redis.

ministack's own Data API needs Docker, and its ElastiCache users are not those of a Redis. Here a call that IAM has
allowed is handed on to an HTTP server that speaks the same protocol; which one, ``POST /_sandbox/data-api`` and
``POST /_sandbox/elasticache`` say.
"""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Awaitable, Callable
from typing import Any

from rotation_lab.sandbox import emulator
from rotation_lab.sandbox.emulator import Answer

Handler = Callable[[str, str, dict[str, str], bytes, dict[str, Any]], Awaitable[Answer]]
_EMPTY_LISTS = {
    "ListSSHPublicKeys": "SSHPublicKeys",
    "ListServiceSpecificCredentials": "ServiceSpecificCredentials",
    "ListSigningCertificates": "Certificates",
}
"""What Terraform's provider asks before it deletes a user with ``force_destroy``."""
_SECONDS = 60

_servers: dict[str, str] = {}
"""Service → host:port of the server, if one has been named."""


def apply() -> None:
    """Changes ministack; see ``rotation_lab.sandbox.patches``."""
    for action, name in _EMPTY_LISTS.items():
        emulator.iam._IAM_HANDLERS.setdefault(action, _empty_list(action, name))
    emulator.replace(emulator.rds_data, "handle_request", _data_api_elsewhere)
    emulator.replace(emulator.elasticache, "handle_request", _elasticache_elsewhere)
    emulator.replace(emulator.iam_actions, "extract_resource_arn", _users_of_elasticache)
    emulator.replace(emulator.cloudwatch_logs, "handle_request", _keys_of_log_groups)


def server_of(service: str) -> Callable[[dict[str, Any]], None]:
    """The route of a service: ``{"address": "host:port"}`` names the server, ``{"address": null}`` none."""

    def use(data: dict[str, Any]) -> None:
        address = data.get("address", "")
        if address is not None and not (isinstance(address, str) and _is_address(address)):
            raise ValueError('address is "host:port", or null')
        _servers.pop(service, None)
        if address is not None:
            _servers[service] = address

    return use


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdecimal() and 0 < int(port) < 65_536


def _keys_of_log_groups(old: Handler) -> Handler:
    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Answer:
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        if action not in ("AssociateKmsKey", "DisassociateKmsKey"):
            return await old(method, path, headers, body, query)
        request = json.loads(body)
        group = emulator.cloudwatch_logs._log_groups.get(str(request.get("logGroupName", "")))
        if group is None:
            return emulator.json_error("ResourceNotFoundException", "The specified log group does not exist.")
        group["kmsKeyId"] = request.get("kmsKeyId") if action == "AssociateKmsKey" else None
        return emulator.json_body(b"")

    return handle_request


def _empty_list(action: str, name: str) -> Callable[[dict[str, Any]], Answer]:
    def listed(params: dict[str, Any]) -> Answer:
        content = f"<{action}Result><{name}/><IsTruncated>false</IsTruncated></{action}Result>"
        answer: Answer = emulator.iam._xml(200, f"{action}Response", content, ns="iam")
        return answer

    return listed


def _data_api_elsewhere(old: Handler) -> Handler:
    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Answer:
        if "rds-data" not in _servers:
            return await old(method, path, headers, body, query)
        # AWS reads the secret in the caller's name.
        secret, key = json.loads(body)["secretArn"], emulator.router.extract_access_key_id(headers, query)
        action = "secretsmanager:GetSecretValue"
        if emulator.iam_evaluator.enforce(key, action, "secretsmanager", emulator.region(), resource_arn=secret):
            return emulator.json_error("AccessDeniedException", f"The caller is not authorized to perform: {action}")
        try:
            return await asyncio.to_thread(_hand_on, "rds-data", path, headers, body)
        except OSError:
            said = "The server behind the Data API does not answer."
            return emulator.json_error("ServiceUnavailableError", said, 503)

    return handle_request


def _elasticache_elsewhere(old: Handler) -> Handler:
    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Answer:
        if "elasticache" not in _servers:
            return await old(method, path, headers, body, query)
        try:
            return await asyncio.to_thread(_hand_on, "elasticache", path, headers, body)
        except OSError:
            return emulator.xml_error("ServiceUnavailable", "The server behind ElastiCache does not answer.", 503)

    return handle_request


def _users_of_elasticache(old: Callable[..., str]) -> Callable[..., str]:
    """For ministack a call about a user names no resource, so that a policy for one user would allow nothing."""

    def arn(service: str, *request: Any) -> str:
        *_, query, region, account = request
        user = emulator.iam_actions._query_param(query, "UserId") if service == "elasticache" else None
        return f"arn:aws:elasticache:{region}:{account}:user:{user}" if user else old(service, *request)

    return arn


def _hand_on(service: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
    connection = http.client.HTTPConnection(_servers[service], timeout=_SECONDS)
    try:
        connection.request("POST", path, body, {"Content-Type": headers.get("content-type", "")})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()
