"""What an answer holds, whatever its form: JSON, a form, XML, or a bare text."""

import json
import re
from collections.abc import Iterator
from email.message import Message
from typing import Any
from urllib.parse import parse_qs
from xml.etree import ElementTree

from ...placeholders import FORM
from .pointers import as_text, find

_XML = re.compile(r"(application|text)/xml|.+\+xml")
_LINK = re.compile(r"<([^>]*)>([^<]*)")
_NEXT = re.compile(r""";\s*rel\s*=\s*["']?[^"';,]*\bnext\b""", re.IGNORECASE)


class Element(dict[str, Any]):
    """An element of XML: child => its text, its element, or a list where there are several; attributes as @name."""


def parsed(body: bytes, content_type: str) -> Any:
    """The answer as JSON would have it; the text itself where it is none of these, and None where it is not even text.

    A number with a fraction or an exponent is taken as text: a bare key such as 12e45 looks so.
    """
    kind, text = content_type.partition(";")[0].strip().lower(), _decoded(body)
    if text is None:
        return None
    if _XML.fullmatch(kind):
        return _xml(text)
    if kind == FORM:
        return {name: found[0] if len(found) == 1 else found for name, found in parse_qs(text).items()}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text or None
    return text if isinstance(found, float) else found


def _decoded(body: bytes) -> str | None:
    try:
        return body.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return None


def _xml(text: str) -> Any:
    """The root element under its name. An answer that declares entities is not read: they can grow without bound."""
    if "<!DOCTYPE" in text:
        return None
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - without a DOCTYPE there are no entities
        return Element({_local(root.tag): _node(root)})
    except (ElementTree.ParseError, RecursionError):
        return None


def _node(element: ElementTree.Element) -> Any:
    found = Element({f"@{_local(name)}": text for name, text in element.attrib.items()})
    children: dict[str, list[Any]] = {}
    for child in element:
        children.setdefault(_local(child.tag), []).append(_node(child))
    found.update({name: nodes[0] if len(nodes) == 1 else nodes for name, nodes in children.items()})
    text = (element.text or "").strip()
    if not found:
        return text
    return Element({**found, "#text": text}) if text else found


def _local(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition("}")[2]


def cookies(headers: Message) -> dict[str, str]:
    """Name => value of the cookies that an answer sets."""
    pairs = (text.partition(";")[0].partition("=") for text in headers.get_all("Set-Cookie", ()))
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


def of_session(document: Any, headers: Message | None, what: str) -> str | None:
    """What stands in an answer: at "/pointer", in "header.NAME", in "cookie.NAME"; all of its "cookies"."""
    if not what or what.startswith("/"):
        return as_text(find(document, what))
    place, _, name = what.partition(".")
    headers = headers or Message()
    if place == "header":
        return headers.get(name)
    found = cookies(headers)
    return found.get(name) if name else "; ".join(f"{each}={value}" for each, value in found.items())


def next_link(headers: Message | None) -> str | None:
    """The URL of the next page in the header Link (RFC 8288)."""
    links = ", ".join(headers.get_all("Link", ())) if headers else ""
    return next((url for url, about in _LINK.findall(links) if _NEXT.search(about)), None)


def listed(document: Any, pointer: str) -> Iterator[Any] | None:
    """The items of the list at a pointer; None where there is something else.

    ``*`` in the pointer stands for every member of a list or an object. An object counts as the list of its entries,
    ``{"key": ..., "value": ...}``.
    """
    head, star, tail = pointer.partition("/*")
    if star and tail[:1] in ("", "/"):
        return _in_all(find(document, head), tail)
    found = find(document, pointer)
    if found is None:  # some services write an empty list so
        return iter(())
    if isinstance(document, Element) and not isinstance(found, list):
        return iter([found] if found else [])  # XML does not say that a single one is a list
    if isinstance(found, dict):
        return iter([{"key": key, "value": value} for key, value in found.items()])
    return iter(found) if isinstance(found, list) else None


def _in_all(found: Any, tail: str) -> Iterator[Any] | None:
    within = found.values() if isinstance(found, dict) else found
    if not isinstance(within, list) and not isinstance(found, dict):
        return iter(()) if found is None else None
    parts = [listed(each, tail) for each in within]
    if any(part is None for part in parts):
        return None
    return (item for part in parts if part is not None for item in part)
