"""One step of a rotation, over the described requests: logins, session, placeholders."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

from ...kit import administrator
from ...target import Context, Credential, RotationError
from . import filling
from .call import Call, Reply
from .filling import Placeholder, Source, Sources
from .register import Register

FIRST: Sources = {"next": filling.of_text(""), "page": filling.of_text("1"), "offset": filling.of_text("0")}
"""The first page of a list."""


@dataclass(frozen=True)
class Plan:
    """What the user described, checked."""

    calls: Mapping[str, tuple[Call, ...]]
    keys: tuple[str, ...]
    """Those that rotate; empty for plain text."""
    value_key: str | None
    """The key that a placeholder without one means."""
    fixed_keys: tuple[str, ...]
    """Other keys of the secret that requests use: they say whose credential it is."""

    def one(self, step: str) -> Call | None:
        """The request of a step that has one at most."""
        return next(iter(self.calls[step]), None)


def with_key(context: Context, key: str | None) -> Context:
    """The same step, in which all versions of the secret know the key that holds their value."""
    if key is None:
        return context

    def know(credential: Credential | None) -> Credential | None:
        return replace(credential, password_key=key) if credential and credential.keys else credential

    return replace(
        context,
        current=know(context.current),
        pending_or_none=know(context.pending_or_none),
        older=lambda: (known for known in map(know, context.older()) if known is not None),
    )


@dataclass
class Step:
    """One run of one step."""

    plan: Plan
    context: Context
    sessions: dict[str, Reply] = field(default_factory=dict)
    """Text of the version that logged in, or "" for the administrator => what the session request answered."""
    page: Sources = field(default_factory=lambda: FIRST)
    """What leads to the page of a list that is asked for."""

    @cached_property
    def register(self) -> Register:
        """The versions of the secret."""
        return Register(self.context, self.plan.keys)

    @property
    def mark(self) -> str:
        """What the names of all credentials begin with that are issued for this secret."""
        return f"r-{hashlib.sha256(self.context.secret_id.encode()).hexdigest()[:8]}-"

    @property
    def rotation(self) -> str:
        """The name of what this rotation issues."""
        return f"{self.mark}{self.context.version}"

    def sources(
        self, pending: Credential | None, login: Credential | None = None, retired: Source | None = None
    ) -> dict[str, Source]:
        """What placeholders are filled in from."""
        key = self.plan.value_key
        return {
            "pending": filling.of_credential("pending", pending, key),
            "current": filling.of_credential("current", self.context.current, key),
            "login": filling.of_credential("login", login, key),
            "retired": retired or filling.of_credential("retired", None, key),
            "admin": lambda placeholder: filling.of_credential("admin", self._admin, None)(placeholder),
            "session": lambda placeholder: self._from_session(placeholder, login),
            "rotation": filling.of_text(self.rotation),
            "mark": filling.of_text(self.mark),
            "expires": self._expires,
            **self.page,
        }

    def check(self, call: Call, pending: Credential | None) -> None:
        """Fill in everything that is known, so that what is missing is reported before anything is sent."""
        self._pin(call, pending)
        known = self.sources(pending, pending or self.context.current)
        call.check({**known, "session": lambda one: "1" if one.is_number else "session"})

    def send(self, call: Call, pending: Credential | None = None, retired: Source | None = None) -> Reply:
        """Send a request until its reply is right, logged in with the first stored value that is not refused.

        The last reply has what is wrong with it. Raises ``AuthenticationError`` when every value is refused.
        """
        self._pin(call, pending)
        if not self._logs_in(call):
            return call.ask(self.context, self.sources(pending, None, retired))

        def attempt(login: Credential) -> tuple[Credential, Reply]:
            reply = call.send(self.context, self.sources(pending, login, retired))
            call.check_login(reply)
            return login, reply

        login, reply = self.context.log_in(attempt, f"{call} was refused with every stored value.")
        return call.ask(self.context, self.sources(pending, login, retired), reply)

    def must(self, call: Call, pending: Credential | None = None, retired: Source | None = None) -> Reply:
        """The same. Raises what is wrong with the reply."""
        return _right(self.send(call, pending, retired))

    def test(self, credential: Credential, *, waits: bool) -> None:
        """Use a value. Raises what is wrong with it."""
        (call,) = self.plan.calls["test"]
        own = replace(self.context, pending_or_none=credential, problems={})
        _right(call.ask(own, self.sources(credential, credential), waits=waits))

    def log_in_as_administrator(self) -> None:
        """Open the administrator's session, where there is one."""
        call = self.plan.one("session")
        if call is not None and "login" not in call.roots:
            self._session(None)

    def passes(self, credential: Credential) -> bool:
        """Whether a value passes the test now; why it does not is logged."""
        try:
            self.test(credential, waits=False)
        except RotationError as error:
            self.context.log.info(f"The value does not pass the test. {error}", candidate=credential.version)
            return False
        return True

    def _pin(self, call: Call, pending: Credential | None) -> None:
        """Refuse to change, as the administrator or by the function's role, another's account that the secret names.

        Who may write the secret would else be given any account that these may change.
        """
        if "action" not in call.fields and not self._is_administrators(call):
            return
        named = sorted(call.keys(*filling.OF_SECRET) & set(self.plan.fixed_keys))
        values = {filling.peek(one, key) or "" for key in named for one in (pending, self.context.current) if one}
        for value in sorted(values - {""}):
            administrator.check_allowed(self.context, value)
            if administrator.is_given(self.context):
                administrator.refuse_itself(self._admin.get("username") or "", value)

    def _is_administrators(self, call: Call) -> bool:
        session = self.plan.one("session") if "session" in call.roots else None
        return "admin" in call.roots or (session is not None and "admin" in session.roots)

    def _logs_in(self, call: Call) -> bool:
        session = self.plan.one("session")
        by_session = "session" in call.roots and session is not None and "login" in session.roots
        return by_session or "login" in call.roots

    @cached_property
    def _admin(self) -> Credential:
        return administrator.read(self.context)

    def _from_session(self, placeholder: Placeholder, login: Credential | None) -> str:
        reply = self._session(login)
        found = filling.of_answer(reply.document, reply.headers)(placeholder)
        self.context.hide(found)
        return found

    def _session(self, login: Credential | None) -> Reply:
        call = self.plan.one("session")
        if call is None:
            raise AssertionError("no session")  # the check has refused this
        self._pin(call, None)
        who = login.text if login is not None and "login" in call.roots else ""
        if who not in self.sessions:
            self.sessions[who] = _right(call.ask(self.context, self.sources(None, login)))
        return self.sessions[who]

    def _expires(self, placeholder: Placeholder) -> str:
        when = datetime.now(UTC) + timedelta(days=int(self.context.setting("lifetime_days")))
        if placeholder.form == "epoch":
            return str(int(when.timestamp()))
        return when.strftime("%Y-%m-%d" if placeholder.form == "date" else "%Y-%m-%dT%H:%M:%SZ")


def _right(reply: Reply) -> Reply:
    if reply.problem is not None:
        raise reply.problem
    return reply
