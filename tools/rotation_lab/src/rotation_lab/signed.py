"""Requests as botocore has signed them, and answers as it reads them: what takes the place of the network."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import EndpointConnectionError

from rotation_lab import amazon

Send = Callable[[Any, AWSPreparedRequest], AWSResponse]


def answering(apis: Mapping[str, amazon.Api]) -> Send:
    """What botocore's ``URLLib3Session.send`` is replaced by, so that these answer."""

    def send(session: Any, request: AWSPreparedRequest) -> AWSResponse:
        found = read(request)
        if found.service not in apis:
            raise EndpointConnectionError(endpoint_url=request.url)
        return response(request, *apis[found.service](found))

    return send


def read(request: AWSPreparedRequest) -> amazon.Request:
    """The request, whichever protocol its service has."""
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    _, _, scope = headers.get("authorization", "").partition("Credential=")
    key, *rest = scope.partition(",")[0].split("/")
    raw: Any = request.body or b""
    body = raw.encode() if isinstance(raw, str) else bytes(raw)
    service = rest[2] if len(rest) > 2 else "unsigned"
    return amazon.Request(service, _action(headers, request.url, body), urlsplit(request.url).path, body, key)


def response(request: AWSPreparedRequest, status: int, headers: dict[str, str], body: bytes) -> AWSResponse:
    """The answer to it."""
    return AWSResponse(request.url, status, headers, _Raw(body))  # type: ignore[arg-type]


def _action(headers: dict[str, str], url: str, body: bytes) -> str:
    if "x-amz-target" in headers:
        return headers["x-amz-target"].rpartition(".")[2]
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return parse_qs(body.decode()).get("Action", ["?"])[0]
    return urlsplit(url).path.strip("/")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class _Raw:
    """The body of an answer, as botocore reads it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self._body

    def read(self, *_: Any, **__: Any) -> bytes:
        return self._body
