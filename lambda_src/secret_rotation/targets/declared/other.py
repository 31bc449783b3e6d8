"""A test by another target: the password that an AWS API has set is tried in Redis."""

import importlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from ... import catalogue
from ...target import Context, RotationError, SettingError, Target, explained
from . import filling
from .call import Reply
from .check import Described, placeholders
from .filling import Placeholder, Sources

UNFIT = {"calls", "http", "none", "python"}
"""Targets that test nothing by themselves, or that a request describes as well."""


@dataclass(frozen=True)
class Other:
    """The test of a target, with its own settings."""

    described: Described
    kind: str
    target: Target
    settings: Mapping[str, str]

    def placeholders(self) -> Collection[Placeholder]:
        """Those of the settings, and the tested value that any target logs in with."""
        return {Placeholder("login"), *(one for _, one in placeholders(self.described))}

    def check(self, sources: Sources) -> None:
        """Fill in the settings once."""
        self._filled(sources)

    def reach(self, context: Context) -> None:
        """Nothing: the test itself does."""

    def send(self, context: Context, sources: Sources, *, reads: bool, once: bool) -> Reply:
        """Test ``context.subject``."""
        del reads, once
        own = replace(context, settings=self._filled(sources), fallbacks=catalogue.fallbacks(self.kind), problems={})
        try:
            self.target.test_secret(own)
        except RotationError as error:
            return Reply("failed", None, error)
        return Reply("200")

    def _filled(self, sources: Sources) -> Mapping[str, str]:
        return {name: filling.fill(text, sources) for name, text in self.settings.items()}


def of(described: Described) -> Other:
    """The test. Raises ``SettingError`` for a target or a setting that is unknown."""
    kind, given = described.fields["target"], described.fields.get("settings", {})
    known = sorted(catalogue.targets().keys() - UNFIT)
    if kind not in known:
        raise SettingError(f"{described.place}.target is {kind!r}; allowed: {', '.join(known)}.")
    with explained(lambda error: SettingError(f"{described.place}.settings: {error}"), SettingError):
        settings = catalogue.target_settings(kind, {name: str(value) for name, value in given.items()})
    module = importlib.import_module(f"secret_rotation.targets.{kind}")
    return Other(described, kind, Target.of(kind, module), settings)
