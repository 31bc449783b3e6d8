"""The API calls that reached the endpoint, and faults that a test orders for some of them."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rotation_lab.points import BEFORE, MOMENTS


@dataclass(frozen=True)
class Asked:
    """What is known of a call before it is answered. ``function`` is the name of the calling Lambda function."""

    service: str
    action: str
    principal: str | None
    function: str | None
    resource: str | None


class Calls:
    """Every call since the last ``reset``, in order."""

    def __init__(self) -> None:
        self._calls: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def add(self, asked: Asked, error: str | None) -> None:
        """Counts a call: equal calls in a row are one entry, whose ``n`` says how many."""
        call = {**asdict(asked), "error": error}
        with self._lock:
            if self._calls and self._calls[-1] == {**call, "n": self._calls[-1]["n"]}:
                self._calls[-1]["n"] += 1
            else:
                self._calls.append({**call, "n": 1})

    def all(self) -> list[dict[str, Any]]:
        """As JSON objects. ``error`` is the answer's error code, "lost" when a fault took the answer, or None."""
        with self._lock:
            return [dict(call) for call in self._calls]

    def reset(self) -> None:
        """Forgets them."""
        with self._lock:
            self._calls.clear()


class FaultError(ValueError):
    """A rule that cannot be understood; the text says why."""


@dataclass
class Fault:
    """Something that goes wrong at a point, as ``rotation_lab.points`` has them: at any step, for whoever calls.

    ``action`` is "secretsmanager:PutSecretValue", "secretsmanager:*" or "*"; ``turn`` counts the calls that match.
    ``moment`` is "before" (the call has no effect) or "after" (it has, and its answer is lost). ``effect`` is
    "error:<code>", "drop" (the connection is closed without an answer), "delay:<seconds>" or "kill" (the process of
    the calling function is killed). ``principal`` is a part of the caller's ARN.
    """

    action: str
    moment: str = BEFORE
    turn: int = 1
    effect: str = "drop"
    principal: str = ""
    seen: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        texts = (self.action, self.moment, self.effect, self.principal)
        if not all(isinstance(text, str) for text in texts) or type(self.turn) is not int:
            raise FaultError("turn is a whole number, everything else is a string")
        if self.moment not in MOMENTS or self.turn < 1:
            raise FaultError("moment is before or after, and turn is 1 or more")
        if not re.fullmatch(r"\*|[a-z0-9-]+:(\*|[A-Za-z0-9]+)", self.action):
            raise FaultError("action is <service>:<Action>, <service>:* or *")
        if not re.fullmatch(r"drop|kill|error:\w+|delay:\d+(\.\d+)?", self.effect):
            raise FaultError("effect is drop, kill, error:<code> or delay:<seconds>")

    def matches(self, asked: Asked) -> bool:
        """Whether it is about this call, whatever its turn."""
        wanted = (f"{asked.service}:{asked.action}", f"{asked.service}:*", "*")
        return self.action in wanted and self.principal in (asked.principal or "")


class Faults:
    """The rules in force. Each strikes once."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, rule: Mapping[str, Any]) -> None:
        """Adds a rule; raises ``FaultError``."""
        try:
            fault = Fault(**rule)
        except TypeError as error:
            raise FaultError(f"not a rule: {error}") from error
        with self._lock:
            self._rules.append(fault)

    def clear(self) -> None:
        """Removes all rules."""
        with self._lock:
            self._rules.clear()

    def all(self) -> list[dict[str, Any]]:
        """The rules that have not struck yet."""
        with self._lock:
            return [asdict(rule) for rule in self._rules]

    def due(self, asked: Asked) -> Fault | None:
        """The rule that strikes this call; every rule that matches has counted it."""
        with self._lock:
            struck = None
            for rule in [rule for rule in self._rules if rule.matches(asked)]:
                rule.seen += 1
                if struck is None and rule.seen >= rule.turn:
                    struck = rule
            if struck is not None:
                self._rules.remove(struck)
            return struck


def error_code(status: int, headers: Mapping[str, str], body: bytes | str) -> str | None:
    """The error code of an answer in any of AWS's protocols; None for a success."""
    if status < 400:
        return None
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    if found := re.search(r"<Code>([^<]+)</Code>", text):
        return found[1]
    named = {name.lower(): value for name, value in headers.items()}.get("x-amzn-errortype")
    return _short(named) if named else _json_code(text) or str(status)


def _json_code(text: str) -> str | None:
    try:
        content = json.loads(text)
        return _short(str(content["__type"]))
    except (ValueError, TypeError, KeyError):
        return None


def _short(code: str) -> str:
    return code.split(":")[0].rpartition("#")[2]
