"""The bytes of a zip: by the Go program where there is one, else by Python."""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from collections.abc import Mapping


def zip_bytes(entries: Mapping[str, str], go_program: str | None = None) -> bytes:
    """The zip of ``entries`` (name -> text), always the same bytes for the same entries.

    ``go_program`` is the built ``zip.go``; without it the entries are the same, and the bytes are not those of the
    real provider. Raises ``subprocess.CalledProcessError`` when the program fails.
    """
    if go_program:
        return subprocess.run([go_program], input=json.dumps(entries).encode(), capture_output=True, check=True).stdout
    return _python_zip(entries)


def _python_zip(entries: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    # Stored, not deflated: what zlib makes of the same input differs between machines.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(entries, key=str.encode):
            info = zipfile.ZipInfo(name)  # without a time: always 1980-01-01
            info.create_system = 3  # Unix on every system, so that the mode below is read everywhere
            info.external_attr = 0o644 << 16
            archive.writestr(info, entries[name].encode())
    return buffer.getvalue()
