"""Builds ``build/drivers.zip``: the Lambda layer with the database drivers, the same bytes on every machine.

    python3 tools/dev/layer.py [ZIP]      # or: make layer; a ZIP somewhere else

Any Python from 3.11 on that has pip can run it, straight from a clone: it imports nothing that has to be installed.
The wheels are taken apart rather than installed: an installer writes its own name, the machine's paths and compiled
files beside the code.
"""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/rotation_lab/src"))  # the lab may not be installed

from rotation_lab.zipping import zip_bytes  # noqa: E402

LAYER = ROOT / "build" / "drivers.zip"
REQUIREMENTS = ROOT / "tools/requirements/layer.txt"
# Only wheels that run on every Python 3, without compiled code.
_PURE = ["--only-binary", ":all:", "--platform", "any", "--implementation", "py", "--abi", "none"]


class LayerError(Exception):
    """The layer cannot be built; the message says why."""


def main(zip_path: Path = LAYER) -> int:
    """Builds the layer and says where it is; returns the exit code."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            data = layer_bytes(download(Path(folder)))
    except LayerError as error:
        print(f"layer: {error}", file=sys.stderr)
        return 1
    zip_path.parent.mkdir(parents=True, exist_ok=True)
    zip_path.write_bytes(data)
    print(f"layer: {zip_path}, {len(data) / 1e6:.1f} MB, sha256 {hashlib.sha256(data).hexdigest()[:16]}")
    return 0


def download(folder: Path) -> list[Path]:
    """The wheels of ``tools/requirements/layer.txt``, with their hashes checked."""
    if importlib.util.find_spec("pip") is None:
        raise LayerError(f"{sys.executable} has no pip. Install it (Debian: apt-get install python3-pip).")
    options = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--require-hashes", *_PURE]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), "-r", str(REQUIREMENTS)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise LayerError(f"pip could not get the drivers:\n{answer.stderr.strip()}")
    return sorted(folder.glob("*.whl"))


def layer_bytes(wheels: Iterable[Path]) -> bytes:
    """The zip of all files of ``wheels`` under ``python/``, sorted and without times.

    Raises ``LayerError`` for a compiled file, which would tie the layer to one runtime and architecture.
    """
    return zip_bytes({f"python/{name}": data for wheel in wheels for name, data in _files(wheel).items()})


def _files(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith(("/", ".pyc", ".dist-info/RECORD"))]
        if compiled := [name for name in names if name.endswith((".so", ".pyd", ".dylib"))]:
            raise LayerError(f"{wheel.name} holds compiled code: {', '.join(compiled)}")
        return {name: archive.read(name) for name in names}


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))
