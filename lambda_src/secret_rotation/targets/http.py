"""Any REST API that settings describe: one request to set the value, and one to verify it.

URLs, headers and bodies have placeholders: ``{{pending.KEY}}``, ``{{current.KEY}}`` and ``{{login.KEY}}`` for a key of
the JSON secret, ``{{pending}}`` and so on for the rotated value itself. ``login`` is the credential that the request
logs in with: in the test the value to be tested; in the set the administrator's, or else one stored value after the
other (pending, current, previous, versions without a label) until the API does not refuse the login.

Every template is parsed before it is filled, so a value can change neither the structure of a body, nor the path, nor
add a header, nor name another host.

Whether the pending value is in use is looked up before the set request, which an API may refuse to repeat, and after
one that failed: its answer may have been lost. A test that passes proves this only if it fails with a wrong value.
An API may apply a change only after its answer: the test waits for that, and does not have the change sent again.
"""

import json
import os
import secrets
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult

from ..kit import administrator, http_client, web
from ..kit.connection import Limit
from ..kit.http_client import Request
from ..placeholders import (
    JSON,
    Values,
    fill,
    fill_body,
    for_header,
    for_url,
    kind_of,
    names,
    parse_body,
)
from ..target import (
    AuthenticationError,
    Context,
    Credential,
    LockedError,
    RotationError,
    SettingError,
    TargetError,
    explained,
)


def identity(credential: Credential) -> dict[str, str]:
    """Who the credential is for. All keys of pending and current that do not rotate are compared before each step."""
    return {name: credential.get(name) or "" for name in ("host", "port", "username")}


def set_secret(context: Context) -> None:
    """Send the set request, logged in with whichever stored value the API accepts, unless it has the value already."""
    call, test = Call.of(context, "set"), Call.of(context, "test")
    values = {"pending": context.pending, "current": context.current, "login": context.pending}
    test.check(values)
    call.check(values)
    if test.uses_value():
        context.set_once(lambda _: _prove(context, test, values), lambda: _set(context, call, values))
    else:  # it says nothing of the value
        _set(context, call, values)


def test_secret(context: Context) -> None:
    """Send the test request with the value to be tested, until the API has had time to apply the change."""
    call = Call.of(context, "test")
    values = {"pending": context.subject, "current": context.current, "login": context.subject}
    call.check(values)

    def attempt(_: Credential) -> None:
        status = call.send(context, values)
        if status not in call.expected:
            raise call.problem(status)

    context.settle(attempt)


def check(context: Context) -> None:
    """Fill in both requests and reach the server of the set request. No request is sent."""
    call, test, subject = Call.of(context, "set"), Call.of(context, "test"), context.subject
    test.check({"pending": subject, "current": context.current, "login": subject})
    call.check({"pending": subject, "current": context.current, "login": _login(context, call, subject)})
    call.reach(context)


def _set(context: Context, call: "Call", values: Values) -> None:
    """Send the set request with one login after the other, until one is not refused."""

    def attempt(login: Credential) -> int:
        status = call.send(context, {**values, "login": login})
        if status in call.refused or status == web.LOCKED:
            raise call.problem(status)
        return status

    def explain(error: Exception) -> RotationError:
        return error if isinstance(error, LockedError) else AuthenticationError(_refused(context, call))

    version = context.pending.version
    if not isinstance(context.problems.get(version), AuthenticationError):
        context.problems.pop(version, None)  # the test did not refuse the value, so it may be the one that logs in
    if call.logs_in() and not administrator.is_given(context):
        status = context.log_in(attempt, _refused(context, call))
    else:
        with explained(explain, AuthenticationError):  # without a login the request is the same whoever it is
            status = attempt(_login(context, call, context.pending))
    if status not in call.expected:
        raise call.problem(status)


def _login(context: Context, call: "Call", subject: Credential) -> Credential:
    return _administrator(context, call, subject) if administrator.is_given(context) else subject


def _administrator(context: Context, call: "Call", subject: Credential) -> Credential:
    """The administrator's credential, if it may change what the secret names in the request."""
    found = administrator.read(context)
    for name in sorted(call.named() - set(subject.keys)):
        value = subject.require(name)
        administrator.check_allowed(context, value)
        administrator.refuse_itself(found.get("username") or "", value)
    return found


def _prove(context: Context, test: "Call", values: Values) -> None:
    """Raise unless the API accepts the pending value, and refuses a wrong one: some URLs answer 200 whoever asks."""
    status = test.send(context, values)
    if status not in test.expected:
        # Some APIs answer a wrong value with 500; whether they are in trouble, the set request will show.
        raise TargetError(f"{test} answered {status}.") if status >= 500 else test.problem(status)
    wrong = context.pending.with_value(secrets.token_urlsafe(24))
    if test.send(context, {**values, "pending": wrong, "login": wrong}) in test.expected:
        context.log.warning(
            "The test request succeeds with a wrong value too. Ask in 'test_url' for what needs the value."
        )
        raise TargetError(f"{test} proves nothing.")


def _refused(context: Context, call: "Call") -> str:
    statuses = f"refused ({call.listed_refused()})"
    if administrator.SETTING in context.settings:
        return f"{call} was {statuses} with the administrator's credential. Check the secret in 'admin_secret_arn'."
    if not call.logs_in():
        return f"{call} was {statuses}. Check 'set_auth', and what the function's role may do."
    return (
        f"{call} was {statuses} with every stored value: pending, current, previous and the versions without a label. "
        "Put a working value into the secret, or set 'admin_secret_arn'."
    )


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
    refused: frozenset[int]
    """Statuses that mean a refused login."""
    trust: ssl.SSLContext | None
    """None: no TLS."""

    @classmethod
    def of(cls, context: Context, name: str) -> "Call":
        """Read the settings that begin with ``name``. Raises ``ConfigurationError``, before anything is sent."""
        url = _url(context, f"{name}_url")
        call = cls(
            name=name,
            method=context.setting(f"{name}_method"),
            url=url,
            headers=_headers(context, f"{name}_headers"),
            body=context.setting(f"{name}_body", ""),
            auth=_auth(context, f"{name}_auth"),
            expected=_statuses(context, f"{name}_status"),
            refused=_statuses(context, "refused_status"),
            trust=web.trust(context, url),
        )
        call.logs_in()  # looks at every placeholder
        return call

    def __str__(self) -> str:
        """What it is in a message: the templates, not what they are filled with."""
        return f"{self.method} {self.url.geturl()}"

    def logs_in(self) -> bool:
        """Whether it is another request for another login. Raises ``ConfigurationError`` for a wrong placeholder."""
        return "login" in self._roots()

    def uses_value(self) -> bool:
        """Whether it is another request for another pending value that logs in."""
        return bool({"login", "pending"} & self._roots())

    def listed_refused(self) -> str:
        """The statuses that mean a refused login, for a message."""
        return " or ".join(map(str, sorted(self.refused)))

    def named(self) -> set[str]:
        """The keys of the rotated secret that placeholders name."""
        return {key for root, key in self._placeholders() if key and root != "login"}

    def _roots(self) -> set[str]:
        return {root for root, _ in self._placeholders()}

    def _placeholders(self) -> Iterator[tuple[str, str | None]]:
        for text in (self.url.path, self.url.query, *self.headers.values(), self.body, *self.auth[1:]):
            yield from names(text)

    def check(self, values: Values) -> None:
        """Fill in everything once, so that what is missing is reported before anything is sent."""
        self._fill(values)

    def send(self, context: Context, values: Values) -> int:
        """Send the request and return the status. A redirect is a status like any other: it is not followed.

        Raises ``NetworkError``, or ``ConfigurationError`` when the server's certificate is not trusted.
        """
        request = self._fill(values)
        if self.auth[0] == "sigv4":
            request = web.sign(self, request, *self.auth[1:])
        return http_client.send(str(self), request, Limit(context.deadline.share()), self.trust).status

    def reach(self, context: Context) -> None:
        """Connect to the server. Raises as ``send`` does."""
        http_client.reach(str(self), self.url, Limit(context.deadline.share()), self.trust)

    def problem(self, status: int) -> RotationError:
        """What an unexpected status means. The message leaves out the answer's body, which may repeat what was sent."""
        listed = f"'{self.name}_status'. If it means a refused login: 'refused_status'."
        refused = "the value" if status in self.refused else ""
        sets = self.name == "set" and "pending" in self._roots()
        return web.problem(self, status, refused=refused, settings=listed, sets=sets)

    def _fill(self, values: Values) -> Request:
        target = fill(self.url.path, values, for_url) or "/"
        if self.url.query:
            target += "?" + fill(self.url.query, values, for_url)
        headers = {name: fill(text, values, for_header) for name, text in self.headers.items()}
        headers = web.merged(headers, web.authorization(self.auth, lambda text: fill(text, values)))
        return Request(self.method, self.url, target, headers, self._fill_body(values))

    def _fill_body(self, values: Values) -> bytes:
        if not self.body:
            return b""
        kind = kind_of(next(text for name, text in self.headers.items() if name.lower() == "content-type"))
        return fill_body(kind, parse_body(kind, self.body), values)


def _url(context: Context, name: str) -> SplitResult:
    what = f"The setting {name!r}"
    return web.url(what, context.setting(name), allows_http=context.setting("tls") == "disable")


def _headers(context: Context, name: str) -> dict[str, str]:
    defaults = dict(web.USUAL_HEADERS)
    if context.settings.get(f"{name.removesuffix('_headers')}_body"):
        defaults["Content-Type"] = JSON
    return web.merged(defaults, _parse_headers(name, context.setting(name)))


def _parse_headers(name: str, text: str) -> dict[str, str]:
    try:
        headers: Any = json.loads(text)
    except ValueError:
        headers = None
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise SettingError(f"The setting {name!r} must be a JSON object of headers: name => text.")
    web.check_headers(f"The setting {name!r}", headers)
    return headers


def _auth(context: Context, name: str) -> tuple[str, ...]:
    kind = context.setting(name)
    if kind == "basic":
        return kind, context.setting("auth_username"), context.setting("auth_password")
    if kind == "bearer":
        return kind, context.setting("auth_token")
    if kind == "sigv4":
        region = context.setting("sigv4_region", os.environ.get("AWS_REGION"))
        return kind, context.setting("sigv4_service"), region
    return (kind,)


def _statuses(context: Context, name: str) -> frozenset[int]:
    bounds = (part.partition("-") for part in context.setting(name).split(","))
    return frozenset(status for first, _, last in bounds for status in range(int(first), int(last or first) + 1))
