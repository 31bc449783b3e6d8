"""What the HTTP requests that users describe have in common: checks of their parts, and how they authenticate."""

import base64
import re
import ssl
from collections.abc import Callable, Mapping
from urllib.parse import SplitResult, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from .. import aws
from ..errors import (
    AuthenticationError,
    ConfigurationError,
    LockedError,
    NetworkError,
    RotationError,
    SecretError,
    SettingError,
    ValueRefusedError,
)
from ..placeholders import PLACEHOLDER, for_header
from ..target import Context
from . import address, certificate, tls
from .http_client import Request

LOCKED, TOO_MANY = 423, 429
TRANSIENT = {408, LOCKED, 425, TOO_MANY}
"""Statuses below 500 of a request that may succeed later."""
JUDGED = {400, 422}
"""Statuses by which an API rejects what a request says."""
_JUDGED = " The API's rules may refuse the new value (`password`), or the request is not what it expects."
USUAL_HEADERS = {"User-Agent": "secret-rotation", "Accept": "*/*"}
"""Some APIs refuse a request without."""

_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
"""What RFC 9110 allows as a header's name."""
_LINE = r"[\t\x20-\x7e\xa0-\xff]*"
"""What can be sent as a header's value: Latin-1 without control characters."""
_FRAMING = {"content-length", "transfer-encoding"}
_SCHEMES = ("https", "http")


def url(what: str, text: str, *, allows_http: bool) -> SplitResult:
    """The URL that ``what``, such as "The setting 'set_url'", has. Raises ``SettingError``."""
    found = _split(text)
    if found is None:
        raise SettingError(f"{what} must be a URL such as https://api.example.com/me, encoded.")
    if "{" in found.netloc:
        raise SettingError(
            f"{what} has a placeholder in its host: whoever can write a version of the secret could then choose where "
            "credentials are sent. Write the host out."
        )
    if found.scheme == "http" and not allows_http:
        raise SettingError(f"{what} is not https. To send credentials unprotected: tls = 'disable'.")
    return found


def _split(text: str) -> SplitResult | None:
    try:
        found = urlsplit(text)
        usable = found.scheme in _SCHEMES and address.is_host(found.hostname or "") and found.port != 0
    except ValueError:
        return None
    printable = re.fullmatch(r"[\x21-\x7e]*", PLACEHOLDER.sub("", text))
    return found if usable and printable and "@" not in found.netloc and not found.fragment else None


def check_headers(what: str, headers: Mapping[str, str]) -> None:
    """Raise ``SettingError`` for a header that cannot be sent."""
    for header, value in headers.items():
        if not re.fullmatch(_NAME, header) or header.lower() in _FRAMING:
            raise SettingError(f"{what} has the header {header!r}, which cannot be set.")
        if not re.fullmatch(_LINE, PLACEHOLDER.sub("", value)):
            raise SettingError(
                f"{what}: the header {header!r} has a line break, another control character, or one outside Latin-1, "
                "and cannot be sent."
            )


def merged(headers: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """Both, where ``more`` replaces headers of the same name: upper and lower case are the same."""
    replaced = {name.lower() for name in more}
    return {**{name: text for name, text in headers.items() if name.lower() not in replaced}, **more}


def trust(context: Context, url: SplitResult) -> ssl.SSLContext | None:
    """How the server is verified, and who the function is there; None where the URL has no TLS."""
    if url.scheme == "http":
        return None
    return tls.context({**context.settings, "tls": "verify"}, certificate.of(context), protocol="http/1.1")


def authorization(auth: tuple[str, ...], fill: Callable[[str], str]) -> dict[str, str]:
    """The header for a kind of authentication and its templates, which ``fill`` fills in; none where it has none."""
    if auth[0] == "basic":
        return _basic(*map(fill, auth[1:]))
    if auth[0] == "bearer":
        return {"Authorization": "Bearer " + for_header(fill(auth[1]))}
    return {}


def _basic(username: str, password: str) -> dict[str, str]:
    if ":" in username:
        raise SecretError("The user name has a colon, which basic authentication cannot send.")
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}


def sign(what: object, request: Request, service: str, region: str) -> Request:
    """The request with a signature (SigV4) as the function's role, whose policy has to allow the call."""
    full = f"{request.url.scheme}://{request.url.netloc}{request.target}"
    signed = AWSRequest(method=request.method, url=full, data=request.body, headers=request.headers)
    credentials = aws.session().get_credentials()
    if credentials is None:
        raise ConfigurationError(f"{what}: the function has no AWS credentials to sign with.")
    SigV4Auth(credentials, service, region).add_auth(signed)
    return request._replace(headers=dict(signed.headers.items()))


def problem(what: object, status: int, *, refused: str, settings: str, sets: bool = False) -> RotationError:
    """What an unexpected status means. The answer's body is left out: it may repeat what was sent.

    ``refused``: whose credential the status says is refused; empty where it says something else. ``settings`` says
    which ones list the statuses. ``sets``: whether the request sends the new value.
    """
    if refused:
        return AuthenticationError(f"{what} answered {status}: {refused} was refused.")
    if status == LOCKED:
        return LockedError(f"{what} answered 423: locked. Unlock it there; the rotation is tried again.")
    if status in TRANSIENT or status >= 500:
        return NetworkError(f"{what} answered {status}: the service is in trouble. The rotation is tried again.")
    if 300 <= status < 400 and status != 304:
        return ConfigurationError(f"{what} answered {status}. Redirects are not followed: give the final URL.")
    kind, why = (ValueRefusedError, _JUDGED) if sets and status in JUDGED else (ConfigurationError, "")
    return kind(f"{what} answered {status}, which is not in {settings}{why}")
