"""The hash of this function's own code, made as the module's ``package.tf`` makes it of the files in the layer."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

_FOLDER = Path(__file__).parents[1]
"""Other layers and the caller's own target may be in the same one."""


def of(folder: Path = _FOLDER) -> str:
    """The hash of the files' names and hashes."""
    files = {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in _files(folder)
    }
    text = json.dumps(files, separators=(",", ":"), sort_keys=True)
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _files(folder: Path) -> Iterator[Path]:
    yield folder / "lambda_function.py"
    yield from (file for file in (folder / "secret_rotation").rglob("*") if file.is_file() and file.suffix != ".pyc")
