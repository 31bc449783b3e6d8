"""What generators make in a test: from settings as they stand in GENERATORS, and from AWS's answers made by hand."""

from dataclasses import dataclass, field

from secret_rotation import catalogue, generators


@dataclass
class Source:
    """A ``generators.Source`` that gives fixed values and keeps what it was asked."""

    pairs: list[tuple[str, str]] = field(default_factory=list)

    def random_password(self) -> str:
        return "made"

    def key_pair(self, key_id: str, spec: str) -> tuple[bytes, bytes]:
        self.pairs.append((key_id, spec))
        return b"\x30" * 100, b"\x31" * 10


def make(source: Source | None = None, **entry: object) -> dict[str, str]:
    """What a generator makes for the key ``k``."""
    return generators.load(*catalogue.generator_settings("k", entry)).make("k", source or Source())
