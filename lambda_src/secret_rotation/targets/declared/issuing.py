"""What the service issues: made once, found again when it was lost, and ended when it is no longer used.

A credential that was issued and not stored is known to nobody. What a crash leaves, and what becomes of it:

- The function knows that it could not store what it got: it ends that at once, by what the answer said.
- The function died, or the answer was lost. ``list`` shows an item that is this secret's and that no version holds.
  finishSecret ends it, since nobody can store it any more. createSecret ends it only when it is older than the
  function's time limit: a younger one may belong to a run that is about to store it.
- Without ``list``, the log names the rotation.

Before it issues, createSecret ends what AWSPREVIOUS and the versions without a label hold, so a service that allows two
is enough. It ends nothing unless AWSCURRENT passes the test, and nothing that AWSCURRENT or AWSPENDING holds, by value.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property

from ...target import (
    AuthenticationError,
    ConfigurationError,
    Context,
    Credential,
    NetworkError,
    RotationError,
    SecretError,
)
from . import filling, items, paging
from .call import Call, Reply
from .filling import Source
from .items import Item
from .pointers import as_text, find
from .register import named
from .step import Plan, Step

MOST_LOST = 3
"""So many lost credentials of one secret end the rotation: a retry must not fill an account."""
MOST_RETIRED = 10
"""Versions without a label, newest first, whose credentials a rotation ends; those before them have been."""
CLOCK_SKEW = 60.0
"""Seconds by which the clocks of the service and of this function may differ."""


class Issuing:
    """createSecret and finishSecret."""

    def __init__(self, plan: Plan, context: Context) -> None:
        self._plan, self._context, self._step = plan, context, Step(plan, context)
        self._strangers: list[Item] = []
        """What no version seems to hold, where it is not known what all of them hold."""
        self._unproved: list[str] = []
        """Versions whose credentials were not ended, since AWSCURRENT does not work."""

    def create(self) -> dict[str, str]:
        """End what is no longer used, and issue a new credential, if the service issues any."""
        call = self._plan.one("issue")
        lost = self._lost  # the service's list before the versions: what is stored in between is not lost
        self._retire(lost)
        if call is None:
            return {}
        self._refuse_to_fill(lost)
        return self._issue(call)

    def finish(self) -> None:
        """End what was lost. AWSCURRENT has moved already, so a failure is a warning."""
        try:
            lost = [item for item in self._lost if self._is_left_behind(item)]
            if lost and self._current_passes():
                self._end_all(lost)
        except RotationError as error:
            self._context.log.warning(f"What was issued and never stored is not looked for. {error}")

    def discard(self, issued: Mapping[str, str]) -> None:
        """End what was issued and could not be stored."""
        name = self._step.rotation
        self._context.log.warning("What was issued could not be stored, so it is revoked.", rotation=name)
        if not self._end(issued, filling.of_item(issued, self._plan.value_key), name):
            self._tell_left_behind()

    # Issue.

    def _issue(self, call: Call) -> dict[str, str]:
        # A credential whose maker has no time left to store it is lost.
        self._context.deadline.require((self._context.deadline.total or 0) / 3, "issue a credential and store it")
        pending = self._context.draft(tuple(call.fields["values"])) if "pending" in call.roots else None
        self._step.check(call, pending)
        self._context.log.info("The service is asked for a credential.", rotation=self._step.rotation)
        try:
            reply = self._step.must(call, pending)
        except NetworkError:
            self._tell_left_behind()
            raise
        except RotationError as error:
            raise self._refused(error) from None
        return self._captured(call, reply)

    def _captured(self, call: Call, reply: Reply) -> dict[str, str]:
        found = {key: as_text(find(reply.document, pointer)) for key, pointer in call.fields["values"].items()}
        values = {key: text for key, text in found.items() if text}
        self._context.hide(*values.values())
        missing = [key for key, text in found.items() if not text]
        if not missing:
            return values
        self.discard(values)
        raise ConfigurationError(
            f"{call}.values: the answer has no text at {call.fields['values'][missing[0]]!r}, for {missing[0]!r}. "
            "Correct the pointer."
        )

    def _refused(self, error: RotationError) -> RotationError:
        """With what may be why, where the service allows few: what was lost, and what was not revoked."""
        if isinstance(error, AuthenticationError):
            return error
        told = [str(error)]
        if self._lost or self._strangers:
            names = self._names([*self._lost, *self._strangers])
            told.append(f"No version of the secret holds {names}: delete at the service what is not used.")
        if self._unproved:
            told.append(
                f"Nothing was revoked, since AWSCURRENT does not pass the test; {named(self._unproved)} hold older "
                "credentials. Put a working credential into the secret, or delete at the service what is not used."
            )
        return type(error)(" ".join(told))

    def _tell_left_behind(self) -> None:
        found = "The next rotations look for it." if self._plan.one("list") else "Delete it at the service."
        text = f"A credential may be left behind that no version of the secret holds. {found}"
        self._context.log.warning(text, rotation=self._step.rotation)

    # Lost.

    @cached_property
    def _lost(self) -> list[Item]:
        """This secret's items at the service that no version holds."""
        call = self._plan.one("list")
        if call is None:
            return []
        self._step.check(call, None)
        shown = frozenset(call.fields["values"]) - {self._plan.value_key or ""}
        sources = self._step.sources(None, self._context.current)
        found = list(items.own(call, list(paging.read(self._step, call)), sources, self._step.mark, shown))
        lost = [item for item in found if not self._step.register.holds(self._telling(item.values))]
        if not lost or self._is_accounted_for(call, found):
            return lost
        self._strangers = lost
        self._context.log.warning(
            "A version of the secret cannot be read, or lacks the id that calls.list shows: what it holds may seem to "
            "be lost, so nothing of that is revoked. Put the id of the current credential into the secret."
        )
        return []

    def _is_accounted_for(self, call: Call, found: list[Item]) -> bool:
        """Whether what the secret uses is known. Where no name says whose an item is, it must be in the list."""
        if not self._step.register.is_known(call.fields["values"]):
            return False
        used = [self._context.current]
        if self._context.pending_or_none is not None:  # in finishSecret, consumers may still use the value before
            used.append(self._step.register.previous())
        return "name" in call.fields or all(
            any(all(filling.peek(one, key) == text for key, text in item.values.items()) for item in found)
            for one in used
            if one is not None
        )

    def _is_old(self, item: Item) -> bool:
        """Whether no run can be about to store it."""
        return item.age is not None and item.age > (self._context.deadline.total or 0) + CLOCK_SKEW

    def _is_left_behind(self, item: Item) -> bool:
        """Whether, once this rotation is finished, nobody can store it any more."""
        another = self._step.register.another_is_pending
        return item.name == self._step.rotation or self._is_old(item) or not another

    def _refuse_to_fill(self, lost: list[Item]) -> None:
        if len(lost) >= MOST_LOST:
            raise SecretError(
                f"The service holds {len(lost)} credentials that were issued for this secret and that no version "
                f"holds: {self._names(lost)}. So no further one is issued. Find out why they are not stored, delete "
                "them at the service and rotate again."
            )

    def _names(self, lost: list[Item]) -> str:
        return named([item.name for item in lost])

    # Revoke.

    def _retire(self, lost: list[Item]) -> None:
        if not self._plan.calls["revoke"] or self._context.current is None:
            return
        retired, old = list(self._retired()), [item for item in lost if self._is_old(item)]
        if not (retired or old):
            return
        if not self._current_passes():
            self._unproved = [f"version {credential.version}" for credential in retired]
            return
        for credential in retired:
            self._end(self._values(credential), self._source(credential), f"version {credential.version}")
        lost[:] = [item for item in lost if item not in old or not self._end_item(item)]

    def _retired(self) -> Iterator[Credential]:
        """Versions to end. Where the requests name none of them, one run of the requests ends what was before."""
        fixed, current = self._plan.fixed_keys, self._context.current
        most = MOST_RETIRED if self._ids else 1
        for credential in self._step.register.retired():
            if all(filling.peek(credential, key) == (current and filling.peek(current, key)) for key in fixed):
                most -= 1
                yield credential
            if not most:
                return

    @property
    def _ids(self) -> set[str]:
        """The keys by which ``revoke`` names what it ends, of those that rotate."""
        keys = {key for call in self._plan.calls["revoke"] for key in call.keys("retired")}
        return {key or self._plan.value_key or "" for key in keys} & set(self._plan.keys or ("",))

    def _telling(self, values: Mapping[str, str]) -> Mapping[str, str]:
        """Those of the values that say which credential it is: its id and the value itself, and not its URL or user."""
        telling = {key: text for key, text in values.items() if key in {*self._ids, self._plan.value_key}}
        return telling or values

    def _values(self, credential: Credential) -> dict[str, str]:
        keys = self._plan.keys or ("",)
        return {key: text for key in keys if (text := filling.peek(credential, key))}

    def _source(self, credential: Credential) -> Source:
        return filling.of_credential("retired", credential, self._plan.value_key)

    def _end_all(self, lost: list[Item]) -> None:
        for item in lost:
            self._end_item(item)

    def _end_item(self, item: Item) -> bool:
        self._context.log.warning("A credential that was issued and never stored is revoked.", name=item.name)
        return self._end(item.values, filling.of_item(item.values, self._plan.value_key), item.name)

    def _end(self, values: Mapping[str, str], retired: Source, what: str) -> bool:
        """Send the revoke requests; whether they succeeded. A failure is a warning: the next rotation tries again."""
        ids = {key: values.get(key) for key in self._ids}
        if not self._plan.calls["revoke"]:
            return False
        if not all(ids.values()):
            self._context.log.warning(f"Not revoked: {what} has no value for {named(ids)}.")
            return False
        try:
            if self._step.register.protects(self._telling(values)):
                return False
            for call in self._plan.calls["revoke"]:
                self._step.must(call, None, retired)
        except RotationError as error:
            self._context.log.warning(f"Not revoked: {what}. The next rotation tries again. {error}")
            return False
        return True

    def _current_passes(self) -> bool:
        """Nothing is ended while AWSCURRENT does not work: what works may be what would be ended."""
        current = self._context.current
        if current is not None and self._step.passes(current):
            return True
        self._context.log.warning("AWSCURRENT does not pass the test, so nothing is revoked.")
        return False
