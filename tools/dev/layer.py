"""Builds ``build/drivers.zip``: the Lambda layer with the database drivers, the same bytes on every machine.

    python3 tools/dev/layer.py [ZIP [PYTHON...]]      # or: make layer; a ZIP somewhere else

With interpreters (python3.13 or a path) the layer also holds the bytecode that they make, for quicker cold starts on
the runtimes of their versions. It is then a larger zip, and its bytes depend on the interpreters.

Any Python from 3.11 on that has pip can run it, straight from a clone: it imports nothing that has to be installed.
The wheels are taken apart rather than installed: an installer writes its own name, the machine's paths and compiled
files beside the code.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/rotation_lab/src"))  # the lab may not be installed

from rotation_lab.zipping import zip_bytes  # noqa: E402

LAYER = ROOT / "build" / "drivers.zip"
REQUIREMENTS = ROOT / "tools/requirements/layer.txt"
# Only wheels that run on every Python 3, without compiled code.
_PURE = ["--only-binary", ":all:", "--platform", "any", "--implementation", "py", "--abi", "none"]


# botocore needs them too, and every runtime has bytecode of them: below python/ those of the layer would come first. So
# they are at the end of the path, for a runtime that does not bring them any more.
_RUNTIME_HAS = ("python_dateutil-", "six-")


class LayerError(Exception):
    """The layer cannot be built; the message says why."""


def main(zip_path: str | Path = LAYER, *interpreters: str) -> int:
    """Builds the layer and says where it is; returns the exit code."""
    zip_path = Path(zip_path)
    try:
        with tempfile.TemporaryDirectory() as folder:
            data = layer_bytes(download(Path(folder)), interpreters)
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


def layer_bytes(wheels: Iterable[Path], interpreters: Iterable[str] = ()) -> bytes:
    """The zip of all files of ``wheels``, and of the bytecode that ``interpreters`` make, sorted and without times.

    Raises ``LayerError`` for a compiled file, which would tie the layer to one runtime and architecture.
    """
    files = {
        ("" if wheel.name.startswith(_RUNTIME_HAS) else "python/") + name: data
        for wheel in wheels
        for name, data in _files(wheel).items()
    }
    for python in interpreters:
        files |= bytecode(files, python)
    return zip_bytes(files)


def bytecode(files: Mapping[str, bytes], python: str) -> Mapping[str, bytes]:
    """What an interpreter makes of the sources, for the place where it looks. Raises ``LayerError``.

    The bytecode is taken unchecked: a layer cannot change, and its files have no times that could be compared.
    """
    sources = {name: data for name, data in files.items() if name.endswith(".py")}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, data in sources.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        _compile(folder, python)
        made = folder.rglob("*.pyc")
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in made}


def _compile(folder: Path, python: str) -> None:
    options = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", "/opt"]
    try:
        answer = subprocess.run(
            [python, "-m", "compileall", *options, str(folder)],
            env={**os.environ, "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise LayerError(f"{python} cannot be run ({error.strerror}). Name a Python of a runtime's version.") from None
    if answer.returncode:
        raise LayerError(f"{python} could not compile the drivers:\n{(answer.stderr or answer.stdout).strip()}")


def _files(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith(("/", ".pyc", ".dist-info/RECORD"))]
        if compiled := [name for name in names if name.endswith((".so", ".pyd", ".dylib"))]:
            raise LayerError(f"{wheel.name} holds compiled code: {', '.join(compiled)}")
        return {name: archive.read(name) for name in names}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
