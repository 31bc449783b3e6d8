"""Requests over HTTP."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

from ...kit import http_client, web
from ...kit.connection import Limit
from ...kit.http_client import Request
from ...placeholders import FORM, JSON, TEXT, for_header, for_url
from ...target import Context, SettingError
from . import filling
from .answers import parsed
from .call import Reply, statuses
from .check import Described, placeholders, sends_new_value
from .filling import Placeholder, Sources

LONGEST = 4 << 20
"""Bytes of an answer that is read."""
_METHODS = {"set": "PUT", "list": "GET", "test": "GET"}
_KINDS = {"body": JSON, "form": FORM, "text": TEXT}


@dataclass(frozen=True)
class Web:
    """One request."""

    described: Described
    url: SplitResult
    headers: Mapping[str, str]
    auth: tuple[str, ...]
    """The kind of authentication, and its templates."""
    refused: Callable[[str], bool]

    def __str__(self) -> str:
        """What it is in a message: the templates, not what they are filled with."""
        return f"{self.described.place} ({self.method} {self.described.fields['url']})"

    @property
    def method(self) -> str:
        """The method, or what is usual in its step."""
        return str(self.described.fields.get("method", _METHODS.get(self.described.step, "POST")))

    def placeholders(self) -> Collection[Placeholder]:
        """Those of its fields, and of what the authentication has by default."""
        found = {one for field, one in placeholders(self.described) if field not in ("username", "password", "token")}
        return found | {one for text in self.auth[1:] for one in filling.names(text)}

    def check(self, sources: Sources) -> None:
        """Fill in everything once."""
        self._fill(sources)

    def reach(self, context: Context) -> None:
        """Connect, and begin TLS."""
        http_client.reach(str(self), self.url, Limit(context.deadline.share()), web.trust(context, self.url))

    def send(self, context: Context, sources: Sources, *, reads: bool, once: bool) -> Reply:
        """Send it. The client never repeats a request, and does not follow redirects."""
        del once
        request = self._fill(sources)
        if self.auth[0] == "sigv4":
            request = web.sign(self, request, *self.auth[1:])
        trust = web.trust(context, self.url)
        limit = Limit(context.deadline.share())
        answer = http_client.send(str(self), request, limit, trust, LONGEST if reads else 0)
        status = str(answer.status)
        refused = self.refused(status)
        listed = f"'status' of {self.described.place}. If it means a refused login: 'refused_status'."
        sets, whose = sends_new_value(self.described), self._whose() if refused else ""
        problem = web.problem(self, answer.status, refused=whose, settings=listed, sets=sets)
        document = parsed(answer.body, answer.headers.get("Content-Type", "")) if reads else None
        return Reply(status, document, problem, refused, answer.headers)

    def followed(self, link: str) -> "Web":
        """The same request for the path and query of a link in its answer: the host stays the one of the URL."""
        to = urlsplit(urljoin(self.url.geturl(), link.replace("{", "%7B")))
        return replace(self, url=self.url._replace(path=to.path, query=to.query))

    def _whose(self) -> str:
        by_admin = any(one.root == "admin" for one in self.placeholders())
        return "the administrator's credential ('admin_secret_arn')" if by_admin else "the value"

    def _fill(self, sources: Sources) -> Request:
        def fill(text: str) -> str:
            return filling.fill(text, sources)

        target = filling.fill(self.url.path, sources, for_url) or "/"
        query = "&".join(part for part in self.url.query.split("&") if filling.has_page(part, sources))
        if query:
            target += "?" + filling.fill(query, sources, for_url)
        headers = {name: filling.fill(text, sources, for_header) for name, text in self.headers.items()}
        headers = web.merged(headers, web.authorization(self.auth, fill))
        return Request(self.method, self.url, target, headers, self._body(sources))

    def _body(self, sources: Sources) -> bytes:
        fields = self.described.fields
        if "body" in fields:
            return json.dumps(filling.fill_any(fields["body"], sources)).encode()
        if "form" in fields:
            return urlencode({name: filling.fill(_text(of), sources) for name, of in fields["form"].items()}).encode()
        return filling.fill(fields.get("text", ""), sources).encode()


def of(described: Described, settings: Mapping[str, str], region: str | None) -> Web:
    """The request. Raises ``SettingError`` for what cannot be sent."""
    fields = described.fields
    headers = {name: _text(value) for name, value in fields.get("headers", {}).items()}
    web.check_headers(f"{described.place}.headers", headers)
    kinds = [("Content-Type", kind) for name, kind in _KINDS.items() if name in fields]
    return Web(
        described=described,
        url=web.url(f"{described.place}.url", fields["url"], allows_http=settings["tls"] == "disable"),
        headers=web.merged(web.merged(web.USUAL_HEADERS, dict(kinds)), headers),
        auth=_auth(described, settings, region),
        refused=statuses(settings["refused_status"]),
    )


def _auth(described: Described, settings: Mapping[str, str], region: str | None) -> tuple[str, ...]:
    fields, kind = described.fields, described.fields.get("auth", "none")
    who = "admin" if settings.get("admin_secret_arn") and described.step != "test" else "login"
    if kind == "basic":
        return kind, fields.get("username", f"{{{{{who}.username}}}}"), fields.get("password", f"{{{{{who}}}}}")
    if kind == "bearer":
        return kind, fields.get("token", f"{{{{{who}}}}}")
    if kind == "sigv4":
        found = settings.get("sigv4_region") or region
        if not found:
            raise SettingError(f"{described.place}.auth is sigv4: set 'sigv4_region'.")
        return kind, settings["sigv4_service"], found
    return (kind,)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
