"""What ministack lacks: lists of IAM that are empty here, keys of log groups, an RDS Data API over your own database.

ministack's own Data API needs Docker. Here a call that IAM has allowed is handed on to an HTTP server that speaks the
same protocol; which one, ``POST /_sandbox/data-api`` says.
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

_data_api: list[str] = []
"""host:port of the server, if one has been named."""


def apply() -> None:
    """Changes ministack; see ``rotation_lab.sandbox.patches``."""
    for action, name in _EMPTY_LISTS.items():
        emulator.iam._IAM_HANDLERS.setdefault(action, _empty_list(action, name))
    emulator.replace(emulator.rds_data, "handle_request", _data_api_elsewhere)
    emulator.replace(emulator.cloudwatch_logs, "handle_request", _keys_of_log_groups)


def use_data_api(data: dict[str, Any]) -> None:
    """The route: ``{"address": "host:port"}`` names the server, ``{"address": null}`` none."""
    address = data.get("address", "")
    if address is not None and not (isinstance(address, str) and _is_address(address)):
        raise ValueError('address is "host:port", or null')
    _data_api[:] = [address] if address else []


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
        if not _data_api:
            return await old(method, path, headers, body, query)
        # AWS reads the secret in the caller's name.
        secret, key = json.loads(body)["secretArn"], emulator.router.extract_access_key_id(headers, query)
        action = "secretsmanager:GetSecretValue"
        if emulator.iam_evaluator.enforce(key, action, "secretsmanager", emulator.region(), resource_arn=secret):
            return emulator.json_error("AccessDeniedException", f"The caller is not authorized to perform: {action}")
        return await asyncio.to_thread(_hand_on, path, body)

    return handle_request


def _hand_on(path: str, body: bytes) -> Answer:
    connection = http.client.HTTPConnection(_data_api[0], timeout=_SECONDS)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    except OSError:
        return emulator.json_error("ServiceUnavailableError", "The server behind the Data API does not answer.", 503)
    finally:
        connection.close()
