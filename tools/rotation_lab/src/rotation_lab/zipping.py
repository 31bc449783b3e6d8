"""How the lab and this repository write a zip: the same bytes for the same entries, on every machine."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

READABLE = 0o644
"""The mode of an entry that everybody may read."""


def zip_bytes(entries: Mapping[str, bytes | str], mode: int = READABLE) -> bytes:
    """The zip of ``entries`` (name -> content, text as UTF-8), sorted by name."""
    buffer = io.BytesIO()
    # Stored, not deflated: what zlib makes of the same input differs between machines.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(entries, key=str.encode):
            info = zipfile.ZipInfo(name)  # without a time: always 1980-01-01
            info.create_system = 3  # Unix on every system, so that the mode is read everywhere
            info.external_attr = mode << 16
            archive.writestr(info, entries[name])
    return buffer.getvalue()
