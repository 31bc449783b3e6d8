"""Any REST API, told by settings: one request that sets the value, and one that uses it.

URLs, headers and bodies have placeholders: ``{{pending.KEY}}``, ``{{current.KEY}}`` and ``{{login.KEY}}`` for a key of
the JSON secret, ``{{pending}}`` and so on for the rotated value itself. ``login`` is the credential that the request
logs in with: in the test the value to be tested; in the set the administrator's, or else one stored value after the
other (pending, current, previous, versions without a label) until the API does not answer 401 or 403.

Every template is parsed before it is filled, so a value can change neither the structure of a body, nor the path, nor
add a header, nor name another host. A retry after a crash logs in with the pending value and sets it again. Should the
API then refuse a password that is not new, the pending value is in use already if the test passes.
"""

import base64
import http.client
import json
import os
import re
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from ..kit import address, administrator, tls
from ..placeholders import JSON, PLACEHOLDER, Values, fill, fill_body, for_header, for_url, names, parse_body
from ..target import (
    AuthenticationError,
    ConfigurationError,
    Context,
    Credential,
    IdentityMismatchError,
    NetworkError,
    RotationError,
    SecretError,
    explained,
)

AUTHENTICATIONS = ("none", "basic", "bearer", "sigv4")

PORTS = {"https": 443, "http": 80}

REFUSED = (401, 403)


def identity(credential: Credential) -> dict[str, str]:
    """Who the credential is for. The keys that stand in the URLs are compared too, by ``Call.check``."""
    return {name: credential.get(name) or "" for name in ("host", "port", "username")}


def set_secret(context: Context) -> None:
    """Send the set request, logged in with whichever stored value the API accepts."""
    call, test = Call.of(context, "set"), Call.of(context, "test")
    values = {"pending": context.pending, "current": context.current}
    test.check({**values, "login": context.pending})
    call.check({**values, "login": context.pending})
    for login in _logins(context, call):
        status = _try(context, call, {**values, "login": login})
        if status in call.expected or _is_set_already(context, test, login, status, values):
            return
        if status is not None and status not in REFUSED:
            raise call.problem(status)
        context.log.info("The set request was refused with this value.", candidate=login.version)
    raise AuthenticationError(_refused(context, call))


def test_secret(context: Context) -> None:
    """Send the test request with the value to be tested."""
    call = Call.of(context, "test")
    values = {"pending": context.subject, "current": context.current, "login": context.subject}
    call.check(values)
    status = call.send(context, values)
    if status not in call.expected:
        raise call.problem(status)


def _logins(context: Context, call: "Call") -> Iterator[Credential]:
    if administrator.SETTING in context.settings:
        yield administrator.read(context)
    elif call.logs_in():
        yield from context.candidates()
    else:
        yield context.pending  # the request is the same whoever it is


def _try(context: Context, call: "Call", values: Values) -> int | None:
    """The status, or None when an older value lacks a key that the login needs."""
    try:
        return call.send(context, values)
    except SecretError:
        if values["login"] is values["pending"]:
            raise
        return None


def _is_set_already(context: Context, test: "Call", login: Credential, status: int | None, values: Values) -> bool:
    # The API let the pending value in, and refused to set it: perhaps since it is not another one than it has.
    if login is not context.pending or status is None or status in REFUSED or status >= 500:
        return False
    return test.send(context, {**values, "login": login}) in test.expected


def _refused(context: Context, call: "Call") -> str:
    if administrator.SETTING in context.settings:
        return f"{call} was refused with the administrator's credential. Check the secret in 'admin_secret_arn'."
    if not call.logs_in():
        return f"{call} was refused (401 or 403). Check 'set_auth', and what the function's role may do."
    return (
        f"{call} was refused with every stored value: pending, current, previous and the versions without a label. "
        "Put a working one by hand, or give 'admin_secret_arn'."
    )


class Request(NamedTuple):
    """A request with all values in it."""

    target: str
    """Path and query."""
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Call:
    """A request as the settings describe it, before values are filled in."""

    name: str
    method: str
    url: SplitResult
    headers: Mapping[str, str]
    body: str
    auth: tuple[str, ...]
    """The kind of authentication, and its templates."""
    expected: frozenset[int]
    trust: ssl.SSLContext | None
    """None: no TLS."""

    @classmethod
    def of(cls, context: Context, name: str) -> "Call":
        """Read the settings that begin with ``name``. Raises ``ConfigurationError``, before anything is sent."""
        url = _url(context, f"{name}_url")
        call = cls(
            name=name,
            method=_method(context, name),
            url=url,
            headers=_headers(context, f"{name}_headers"),
            body=context.setting(f"{name}_body", ""),
            auth=_auth(context, f"{name}_auth"),
            expected=_statuses(context, f"{name}_status"),
            trust=tls.context({**context.settings, "tls": "verify"}) if url.scheme == "https" else None,
        )
        call.logs_in()  # looks at every placeholder
        return call

    def __str__(self) -> str:
        """What it is in a message: the templates, not what they are filled with."""
        return f"{self.method} {self.url.geturl()}"

    def logs_in(self) -> bool:
        """Whether it is another request for another login. Raises ``ConfigurationError`` for a wrong placeholder."""
        texts = (self.url.path, self.url.query, *self.headers.values(), self.body, *self.auth[1:])
        return "login" in [root for text in texts for root, _ in names(text)]

    def check(self, values: Values) -> None:
        """Fill in everything once, so that what is missing is told before anything is sent."""
        self._fill(values)
        pending, current = values["pending"], values["current"]
        if pending is None or current is None:
            return
        for _, key in names(self.url.path + self.url.query):
            if key and key not in pending.keys and pending.get(key) != current.get(key):
                raise IdentityMismatchError(
                    f"The pending value differs from the current one in {key!r}, which stands in {self.name}_url. It "
                    "is not used. Put a value by hand to abandon this rotation."
                )

    def send(self, context: Context, values: Values) -> int:
        """Send the request and return the status. A redirect is a status like any other: it is not followed.

        Raises ``NetworkError``, or ``ConfigurationError`` when the server's certificate is not trusted.
        """
        request = self._fill(values)
        headers = self._sign(request) if self.auth[0] == "sigv4" else request.headers
        timeout = context.deadline.timeout()
        connection = self._connect(timeout)
        with (
            closing(connection),
            explained(self._explain, OSError, http.client.HTTPException),
            _ended_after(timeout, connection),
        ):
            connection.request(self.method, request.target, request.body or None, headers)
            return connection.getresponse().status

    def problem(self, status: int) -> RotationError:
        """What an unexpected status means. The answer's body is not told: it may repeat what was sent."""
        if status in REFUSED:
            return AuthenticationError(f"{self} answered {status}: the value was refused.")
        if status == 429 or status >= 500:
            return NetworkError(f"{self} answered {status}: the service is in trouble. The rotation is tried again.")
        if 300 <= status < 400:
            return ConfigurationError(f"{self} answered {status}. Redirects are not followed: give the final URL.")
        return ConfigurationError(f"{self} answered {status}, which is not in '{self.name}_status'.")

    def _fill(self, values: Values) -> Request:
        target = fill(self.url.path, values, for_url) or "/"
        if self.url.query:
            target += "?" + fill(self.url.query, values, for_url)
        headers = {name: fill(text, values, for_header) for name, text in self.headers.items()}
        return Request(target, {**headers, **_authorization(self.auth, values)}, self._fill_body(values))

    def _fill_body(self, values: Values) -> bytes:
        if not self.body:
            return b""
        kind = self.headers["Content-Type"].partition(";")[0].strip().lower()
        return fill_body(kind, parse_body(kind, self.body), values)

    def _sign(self, request: Request) -> dict[str, str]:
        """The headers with a signature (SigV4) as the function's role, whose policy has to allow the call."""
        _, name, region = self.auth
        url = f"{self.url.scheme}://{self.url.netloc}{request.target}"
        signed = AWSRequest(method=self.method, url=url, data=request.body, headers=request.headers)
        credentials = boto3.Session().get_credentials()
        if credentials is None:
            raise ConfigurationError(f"{self}: the function has no AWS credentials to sign with.")
        SigV4Auth(credentials, name, region).add_auth(signed)
        return dict(signed.headers.items())

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        # Without a port the library would look for one in an IPv6 address.
        host, port = str(self.url.hostname), self.url.port or PORTS[self.url.scheme]
        if self.trust is None:
            return http.client.HTTPConnection(host, port, timeout=timeout)
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=self.trust)

    def _explain(self, error: Exception) -> RotationError:
        if isinstance(error, ssl.SSLError):
            return tls.problem(str(self), error)
        return NetworkError(
            f"{self}: no answer ({type(error).__name__}). Check the URL, the function's network and security groups."
        )


@contextmanager
def _ended_after(seconds: float, connection: http.client.HTTPConnection) -> Iterator[None]:
    """Break the connection off: a socket's timeout is for one read, and an answer may come byte by byte."""

    def end() -> None:
        ended.set()
        with suppress(OSError, AttributeError):  # closed, or not connected yet
            connection.sock.shutdown(socket.SHUT_RDWR)

    ended, timer = threading.Event(), threading.Timer(seconds, end)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if ended.is_set():
        raise TimeoutError  # what was read until then looks like a whole answer


def _method(context: Context, name: str) -> str:
    method = context.setting(f"{name}_method", "PUT" if name == "set" else "GET")
    if re.fullmatch(r"[A-Z]+", method):
        return method
    raise ConfigurationError(f"The setting '{name}_method' is {method!r}; allowed are methods such as PUT, POST, GET.")


def _url(context: Context, name: str) -> SplitResult:
    url = _split(context.setting(name))
    if url is None:
        raise ConfigurationError(f"The setting {name!r} must be a URL such as https://api.example.com/me, encoded.")
    if "{" in url.netloc:
        raise ConfigurationError(
            f"The setting {name!r} has a placeholder in its host: whoever can write a version of the secret could then "
            "choose where credentials are sent. Write the host out."
        )
    if url.scheme == "http" and context.setting("tls", "verify") != "disable":
        raise ConfigurationError(
            f"The setting {name!r} is not https. To send credentials unprotected: tls = 'disable'."
        )
    return url


def _split(text: str) -> SplitResult | None:
    try:
        url = urlsplit(text)
        usable = url.scheme in PORTS and address.is_host(url.hostname or "") and url.port != 0
    except ValueError:
        return None
    printable = re.fullmatch(r"[\x21-\x7e]*", PLACEHOLDER.sub("", text))
    return url if usable and printable and "@" not in url.netloc and not url.fragment else None


def _headers(context: Context, name: str) -> dict[str, str]:
    try:
        headers: Any = json.loads(context.setting(name, "{}"))
    except ValueError:
        headers = None
    if not isinstance(headers, dict) or not all(map(_is_header, headers.items())):
        raise ConfigurationError(f"The setting {name!r} must be a JSON object of headers: name => text.")
    by_name = {key.title(): text for key, text in headers.items()}
    defaults = {"User-Agent": "secret-rotation"}  # some APIs refuse a request without
    if context.settings.get(f"{name.removesuffix('_headers')}_body"):
        defaults["Content-Type"] = JSON
    return {**defaults, **by_name}


def _is_header(item: tuple[str, object]) -> bool:
    name, text = item
    return bool(re.fullmatch(r"[A-Za-z0-9-]+", name)) and isinstance(text, str) and "\n" not in text


def _auth(context: Context, name: str) -> tuple[str, ...]:
    kind = context.setting(name, "none")
    if kind == "basic":
        username = context.setting("auth_username", "{{login.username}}")
        return kind, username, context.setting("auth_password", "{{login}}")
    if kind == "bearer":
        return kind, context.setting("auth_token", "{{login}}")
    if kind == "sigv4":
        region = context.setting("sigv4_region", os.environ.get("AWS_REGION"))
        return kind, context.setting("sigv4_service", "execute-api"), region
    if kind != "none":
        raise ConfigurationError(f"The setting {name!r} is {kind!r}; allowed: {', '.join(AUTHENTICATIONS)}.")
    return (kind,)


def _statuses(context: Context, name: str) -> frozenset[int]:
    text = context.setting(name, "200-299")
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*([1-5]\d\d)(?:-([1-5]\d\d))?\s*", part)
        if match is None:
            raise ConfigurationError(f"The setting {name!r} is {text!r}; allowed are for example 200,204 or 200-299.")
        found.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return frozenset(found)


def _authorization(auth: tuple[str, ...], values: Values) -> dict[str, str]:
    if auth[0] == "basic":
        username, password = (fill(text, values) for text in auth[1:])
        if ":" in username:
            raise SecretError("The user name has a colon, which basic authentication cannot send.")
        return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}
    if auth[0] == "bearer":
        return {"Authorization": "Bearer " + fill(auth[1], values, for_header)}
    return {}
