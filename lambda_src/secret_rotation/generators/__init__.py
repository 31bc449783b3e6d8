"""How new values are made: one file for each type of ``catalogue.json``, with one function, ``make``."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol


class Source(Protocol):
    """What AWS makes, for generators that do not make their values here."""

    def random_password(self) -> str:
        """GetRandomPassword of Secrets Manager, with the function's password settings."""

    def key_pair(self, key_id: str, spec: str) -> tuple[bytes, bytes]:
        """GenerateDataKeyPair of KMS: the private key (PKCS #8) and the public key (SPKI), both DER."""


@dataclass(frozen=True)
class Generator:
    """Makes new values for one key of a secret."""

    function: Callable[[str, Mapping[str, str], Source], dict[str, str]]
    settings: Mapping[str, str]
    """Checked by the catalogue, with the defaults filled in."""

    def make(self, key: str, source: Source) -> dict[str, str]:
        """The new value of ``key``, and of other keys that its settings name."""
        return self.function(key, self.settings, source)


def load(kind: str, settings: Mapping[str, str]) -> Generator:
    """The generator of a type that is in the catalogue."""
    return Generator(importlib.import_module(f"{__name__}.{kind}").make, settings)
