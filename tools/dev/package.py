"""``make package``: the files of a release, the same bytes on every machine.

    python3 tools/dev/package.py [VERSION [PYTHON...]]     (default: the newest of CHANGELOG.md, or "unreleased")

In build/release: secret-rotation.zip (the function, for `package`), drivers.zip (the layer), drivers.cdx.json (the
layer's bill of materials, CycloneDX), SHA256SUMS. Beside it build/release-notes.md, that version's part of the
changelog. Any Python from 3.11 on with pip will do. With interpreters (python3.13 or a path) both zips also hold their
bytecode, as tools/dev/layer.py says.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools/rotation_lab/src")]  # nothing has to be installed

from rotation_lab.zipping import zip_bytes  # noqa: E402
from tools.dev import layer  # noqa: E402

RELEASE = ROOT / "build/release"
NOTES = ROOT / "build/release-notes.md"
_PIN = re.compile(r"^([\w.-]+)==(\S+) --hash=sha256:([0-9a-f]{64})$", re.MULTILINE)


class PackageError(Exception):
    """The release cannot be made; the message says why."""


def main(arguments: list[str]) -> int:
    """Write the files and print their checksums; returns the exit code."""
    try:
        changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
        version, interpreters = arguments[0] if arguments else newest(changes), arguments[1:]
        notes = release_notes(changes, version)
        with tempfile.TemporaryDirectory() as folder:
            drivers = layer.layer_bytes(layer.download(Path(folder)), interpreters)
        function = function_bytes(interpreters)
    except (PackageError, layer.LayerError) as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    materials = json.dumps(bill_of_materials(version), indent=2) + "\n"
    files = {
        "secret-rotation.zip": function,
        "drivers.zip": drivers,
        "drivers.cdx.json": materials.encode(),
    }
    sums = checksums(files)
    _write({**files, "SHA256SUMS": sums.encode()})
    NOTES.write_text(notes, "utf-8")
    print(f"package: {version} in {RELEASE.relative_to(ROOT)}\n{sums}", end="")
    return 0


def newest(changes: str) -> str:
    """The version of the topmost heading that is one; before the first release "unreleased"."""
    found = re.search(r"^## \[?(\d+\.\d+\.\d+)", changes, re.MULTILINE)
    return found[1] if found else "unreleased"


def release_notes(changes: str, version: str) -> str:
    """What the changelog says of a version. Raises ``PackageError`` when it has no such heading."""
    found = re.search(
        rf"^## \[?{re.escape(version)}(?![\w.])[^\n]*\n(.*?)(?=^## |\Z)", changes, re.MULTILINE | re.DOTALL | re.I
    )
    if not found:
        raise PackageError(f"CHANGELOG.md has no heading for {version}. Give the changes a heading: ## {version}")
    return found[1].strip() + "\n"


def function_bytes(interpreters: Iterable[str] = ()) -> bytes:
    """The zip of the function's code, and of the bytecode that ``interpreters`` make of it."""
    source = ROOT / "lambda_src"
    paths = (path for path in source.rglob("*") if path.is_file() and path.suffix != ".pyc")
    files = {path.relative_to(source).as_posix(): path.read_bytes() for path in paths}
    for python in interpreters:
        files |= layer.bytecode(files, python)
    return zip_bytes(files)


def bill_of_materials(version: str) -> Mapping[str, Any]:
    """What is in the layer, in CycloneDX: without a time or a random number, so that it can be made again."""
    pins = sorted(_PIN.findall(layer.REQUIREMENTS.read_text("utf-8")))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "file", "name": "drivers.zip", "version": version}},
        "components": [
            {
                "type": "library",
                "name": name,
                "version": pinned,
                "purl": f"pkg:pypi/{name.lower().replace('_', '-')}@{pinned}",
                "hashes": [{"alg": "SHA-256", "content": digest}],
            }
            for name, pinned, digest in pins
        ],
    }


def checksums(files: Mapping[str, bytes]) -> str:
    """As `sha256sum` prints them."""
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items()))


def _write(files: Mapping[str, bytes]) -> None:
    shutil.rmtree(RELEASE, ignore_errors=True)
    RELEASE.mkdir(parents=True)
    for name, data in files.items():
        (RELEASE / name).write_bytes(data)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
