"""Requests to Secrets Manager as no SDK sends them."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from rotation_lab.sandbox.client import Sandbox


def post(
    aws: Sandbox, action: str, content: Any, service: str = "secretsmanager", prefix: str = "secretsmanager"
) -> tuple[int, Any]:
    """Send a signed request; ``content`` is an object, or bytes that need not be JSON. Status and answer."""
    client = aws.client(service)
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = {"X-Amz-Target": f"{prefix}.{action}", "Content-Type": "application/x-amz-json-1.1"}
    request = AWSRequest("POST", client.meta.endpoint_url + "/", headers=headers, data=body)
    credentials: Any = client._request_signer._credentials
    SigV4Auth(credentials, service, client.meta.region_name).add_auth(request)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    sent = urllib.request.Request(str(request.url), data=body, headers=dict(request.headers), method="POST")
    try:
        with opener.open(sent, timeout=30) as response:
            return response.status, _read(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _read(error)


def _read(response: http.client.HTTPResponse | urllib.error.HTTPError) -> Any:
    return json.loads(response.read() or b"null")
