"""All pages of a list: by a link or a token in the answer, or by counting."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from ...target import ConfigurationError
from . import filling, items
from .answers import next_link
from .call import Call, Reply
from .filling import PAGES, Placeholder, Sources
from .pointers import as_text, find
from .step import Step
from .web import Web

MOST = 50
"""Pages that are read."""


class _At(NamedTuple):
    """Where a list is read."""

    call: Call
    token: str = ""
    page: int = 1
    offset: int = 0

    @property
    def sources(self) -> Sources:
        def page(placeholder: Placeholder) -> str:
            return str(self.page - (placeholder.form == "zero"))

        return {"next": filling.of_text(self.token), "page": page, "offset": filling.of_text(str(self.offset))}


def read(step: Step, call: Call) -> Iterator[Any]:
    """The items of the list, whosever they are."""
    at: _At | None = _At(call)
    before: list[Any] | None = None
    for _ in range(MOST):
        if at is None:
            return
        step.page = at.sources
        reply = step.must(at.call)
        found = items.all_of(call, reply.document)
        if found == before:  # also a service that takes no notice of the page
            return
        yield from found
        before, at = found, _after(at, reply, len(found))
    if at is not None:
        raise ConfigurationError(f"{call} has more than {MOST} pages. Ask for larger ones, or for fewer items.")


def _after(at: _At, reply: Reply, count: int) -> _At | None:
    """The next page; None after the last. A page without an item is the last one only where pages are counted."""
    further = at._replace(page=at.page + 1, offset=at.offset + count)
    if "next" not in at.call.fields:
        if at.call.roots.intersection(PAGES):
            return further if count else None
        return _at_link(further, next_link(reply.headers))
    found = as_text(find(reply.document, at.call.fields["next"]))
    if "next" in at.call.roots:
        return further._replace(token=found) if found else None
    return _at_link(further, found)


def _at_link(at: _At, link: str | None) -> _At | None:
    transport = at.call.transport
    if not link or not isinstance(transport, Web):
        return None
    return at._replace(call=replace(at.call, transport=transport.followed(link)))
