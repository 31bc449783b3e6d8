"""What a rotation function must pass before it meets a real secret."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from botocore.exceptions import ClientError

from .installed import ON_PURPOSE, Installed
from .options import Options
from .shown import Shown

SHORTEST = 6
"""Shorter values stand in every log."""


class CheckError(Exception):
    """A check did not pass; the message says why."""


class Trial:
    """The checks of one function, in their order: each rotates the secret for real."""

    def __init__(self, installed: Installed, options: Options, shown: Shown) -> None:
        self._installed, self._options, self._shown = installed, options, shown
        self._failures = self._lines = 0

    def run(self) -> int:
        """Run all checks; 0 when each has passed, else 1."""
        checks = self._checks()
        for label, check in checks:
            with self._check(label):
                check()
        return self._verdict(len(checks))

    def _checks(self) -> Sequence[tuple[str, Callable[[], None]]]:
        refusal = [("the test refuses a value that was never set", self.refuses_what_was_not_set)]
        return [
            *(refusal if self._options.service else []),
            ("a rotation", self.rotates),
            ("another rotation", self.rotates),
            ("each step twice", self.steps_twice),
            ("a crash after setSecret, tried again", self.goes_on_after_a_crash),
            ("a crash after setSecret, AWSPENDING cleared, a new rotation", self.recovers_what_was_stranded),
            ("the log holds no value", self.log_holds_no_value),
        ]

    # The checks.

    def rotates(self) -> None:
        """A rotation with the handler as it is."""
        self._installed.configure()
        self._rotate()

    def steps_twice(self) -> None:
        """Steps may run again: Lambda delivers at least once, and Secrets Manager tries again."""
        self._installed.configure(TRY_TIMES="2")
        self._rotate()

    def goes_on_after_a_crash(self) -> None:
        """The same token again, after the service accepts the pending value."""
        self._die("setSecret")
        self.rotates()

    def recovers_what_was_stranded(self) -> None:
        """What an operator does to "unblock" a rotation leaves the working value without a label."""
        self._die("setSecret")
        self._installed.clear_pending()
        self.rotates()

    def refuses_what_was_not_set(self) -> None:
        """A test that passes for any value proves nothing, and a wrong value would become current."""
        token = self._die("createSecret")
        self._installed.configure()
        answer = self._installed.invoke("testSecret", token)
        self._installed.clear_pending()
        if "errorType" not in answer:
            raise CheckError("testSecret passed for a value that the service does not know. It must log in with it.")

    def log_holds_no_value(self) -> None:
        """Each value that the secret ever had is looked for in all that the function has logged."""
        log = "\n".join(self._installed.log())
        for key, value in self._values():
            if len(value) >= SHORTEST and value in log:
                raise CheckError(f"The log holds a value{f' of {key!r}' if key else ''}. Do not print it.")

    # What they are made of.

    def _rotate(self) -> None:
        before = self._installed.holder("AWSCURRENT")
        result = self._installed.start()["result"]
        if result != "ok":
            raise CheckError(f"The rotation failed in {result}")
        if self._installed.holder("AWSCURRENT") == before:
            raise CheckError("The rotation ended, but AWSCURRENT has not moved.")

    def _die(self, step: str) -> str:
        """Start a rotation that dies after ``step``; its token."""
        self._installed.configure(TRY_DIE=step)
        result = str(self._installed.start()["result"])
        if ON_PURPOSE not in result:
            raise CheckError(f"It was to die after {step}, but failed before: {result}")
        token = self._installed.holder("AWSPENDING")
        if token is None:
            raise CheckError("There is no AWSPENDING version.")
        return token

    def _values(self) -> Iterator[tuple[str, str]]:
        manager, secret = self._installed.manager, self._installed.secret
        for version in manager.list_secret_version_ids(SecretId=secret, IncludeDeprecated=True)["Versions"]:
            try:
                text = manager.get_secret_value(SecretId=secret, VersionId=version["VersionId"])["SecretString"]
            except manager.exceptions.ResourceNotFoundException:
                continue  # a version without a value
            yield from self._members(text)

    def _members(self, text: str) -> Iterator[tuple[str, str]]:
        if not self._options.keys:
            yield "", text
        else:
            document = json.loads(text)
            yield from ((key, document[key]) for key in self._options.keys)

    # What is shown.

    @contextmanager
    def _check(self, label: str) -> Iterator[None]:
        """Print the log lines that come of the block, and whether it passed."""
        self._shown.line(f"\n{self._shown.style(label, 'bold')}")
        problem = ""
        try:
            yield
        except (CheckError, TimeoutError, ClientError) as error:
            problem = str(error)
        lines = self._installed.log()
        self._shown.log(lines[self._lines :])
        self._lines = len(lines)
        self._failures += bool(problem)
        verdict = self._shown.style(f"FAILED: {problem}", "red") if problem else self._shown.style("ok", "green")
        self._shown.line(f"  {verdict}")

    def _verdict(self, checks: int) -> int:
        if self._failures:
            self._shown.line(f"\n{self._shown.style('try: failed', 'red')}, {self._failures} of {checks} checks")
            self._shown.line("Fix the first failure first: the others may follow from it.")
            return 1
        self._shown.line(f"\n{self._shown.style('try: passed', 'green')}, {checks} checks")
        return 0
