"""What goes into a zip, from the arguments of ``archive_file``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rotation_lab.zipping import READABLE, zip_bytes

_WILDCARDS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def archive(config: Mapping[str, Any]) -> bytes:
    """The zip of the given arguments."""
    mode = int(config.get("output_file_mode") or f"{READABLE:o}", 8)
    if folder := config.get("source_dir"):
        return zip_bytes(dict(files(Path(folder), config.get("excludes") or ())), mode)
    if file := config.get("source_file"):
        return zip_bytes({Path(file).name: Path(file).read_bytes()}, mode)
    return zip_bytes({source["filename"]: source["content"] for source in config["source"]}, mode)


def files(folder: Path, excludes: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Every file below ``folder`` by its relative name, but those that a pattern names, alone or by a folder."""
    patterns = [pattern(text) for text in excludes]
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        names = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
        if path.is_file() and not any(one.fullmatch(name) for one in patterns for name in names):
            yield names[-1], path.read_bytes()


def pattern(text: str) -> re.Pattern[str]:
    """A pattern of ``excludes``: ``*`` and ``?`` end at a slash, ``**`` does not."""
    tokens = re.split(r"(\*\*/|\*\*|\*|\?)", text)
    return re.compile("".join(_WILDCARDS.get(token, re.escape(token)) for token in tokens))
