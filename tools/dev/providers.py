"""Where Terraform gets its providers from, on a machine that may not reach the registry.

The registry is used if it answers. If not, a mirror folder is searched on this machine, first where Terraform itself
would look, then everywhere. If that mirror lacks hashicorp/archive, our stand-in takes its place.

Everything is written to the cache folder of this repository, and read only by processes that get ``environment()``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
HOST = "registry.terraform.io"
# The schema that the stand-in has is the one of this version.
STANDIN_VERSION = "2.7.1"

_DISCOVERY = f"https://{HOST}/.well-known/terraform.json"
_REGISTRY_TIMEOUT = 3.0  # seconds
_WALK_DEPTH = 6
_WALK_SECONDS = 20.0
# Pseudo file systems, other machines, and folders of other Terraform runs, which may vanish.
_NOT_WALKED = {"proc", "sys", "dev", "run", "tmp", "mnt", "media", "net", ".terraform", ".git", "node_modules"}


class ProvidersError(Exception):
    """No way to get the providers; the message says what was tried and what helps."""


def environment(cache: Path = CACHE, report: Callable[[str], object] = print) -> dict[str, str]:
    """The environment in which every Terraform command of ours runs; says where providers come from.

    A TF_CLI_CONFIG_FILE of the caller is always replaced: it may point nowhere, or to another set of providers. The
    caller's AWS settings are left out: no command of ours may reach a real account. Raises ``ProvidersError`` when
    there are no providers.
    """
    cache.mkdir(parents=True, exist_ok=True)
    config = cache / "terraform.rc"
    result = {**_caller_environment(), "TF_CLI_CONFIG_FILE": str(config), "CHECKPOINT_DISABLE": "1"}
    result |= {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "AWS_EC2_METADATA_DISABLED": "true"}
    result |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    if registry_answers():
        report(f"providers: from {HOST}")
        _write(config, "# Providers come from the registry.\n")
        plugins = cache / "plugins"
        plugins.mkdir(exist_ok=True)
        # Without it each working folder would download 150 MB again.
        return result | {"TF_PLUGIN_CACHE_DIR": str(plugins), "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE": "1"}
    _write(config, _from_mirror(cache, report))
    return result


def _caller_environment() -> dict[str, str]:
    # TF_CLI_ARGS, TF_WORKSPACE or AWS_PROFILE of the caller would change what our commands do, and to whom.
    return {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "AWS_"))}


def registry_answers(
    url: str = f"https://{HOST}/.well-known/terraform.json", timeout: float = _REGISTRY_TIMEOUT
) -> bool:
    """Whether the registry's discovery document can be read within ``timeout`` seconds."""
    answers: list[bool] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(url, timeout=timeout) as response:  # noqa: S310 - the scheme is fixed
                answers.append("providers.v1" in json.load(response))
        except (OSError, ValueError):
            answers.append(False)

    # In a thread: the time limit of urlopen does not cover the name look-up.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    return any(answers)


def _from_mirror(cache: Path, report: Callable[[str], object]) -> str:
    platform = terraform_platform(cache)
    mirror = find_mirror(platform)
    if mirror is None:
        raise ProvidersError(
            f"no Terraform providers: {HOST} does not answer, and no folder on this machine named {HOST} holds"
            f" hashicorp/aws for {platform}. On a machine with network: terraform providers mirror"
            " ~/.terraform.d/plugins, then copy that folder here."
        )
    report(f"providers: from the mirror {mirror}")
    if holds(mirror, "hashicorp/archive", platform):
        return _config({mirror: None})
    standin, remark = install_standin(cache, platform)
    report(f"providers: hashicorp/archive by our own stand-in ({remark})")
    return _config({mirror: "exclude", standin: "include"})


def _config(mirrors: dict[Path, str | None]) -> str:
    blocks = []
    for path, relation in mirrors.items():
        rule = f'    {relation} = ["{HOST}/hashicorp/archive"]\n' if relation else ""
        blocks.append(f"  filesystem_mirror {{\n    path = {json.dumps(str(path))}\n{rule}  }}\n")
    return "provider_installation {\n" + "".join(blocks) + "}\n"


def terraform_platform(cache: Path = CACHE) -> str:
    """Terraform's own name of this platform, as ``linux_amd64``; raises ``ProvidersError`` without Terraform."""
    empty = cache / "empty.rc"
    _write(empty, "")
    environment = {**_caller_environment(), "TF_CLI_CONFIG_FILE": str(empty), "CHECKPOINT_DISABLE": "1"}
    try:
        command = ["terraform", "version", "-json"]
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    except FileNotFoundError:
        raise ProvidersError("terraform is not on PATH: install Terraform 1.9 or newer") from None
    return str(json.loads(answer.stdout)["platform"])


def find_mirror(platform: str, roots: Iterable[Path] | None = None) -> Path | None:
    """The first mirror folder (the parent of a folder named as the registry) that holds hashicorp/aws."""
    candidates = _candidates() if roots is None else (found for root in roots for found in walk(root))
    return next((mirror for mirror in candidates if holds(mirror, "hashicorp/aws", platform)), None)


def holds(mirror: Path, provider: str, platform: str) -> bool:
    """Whether ``mirror`` has a version of ``provider`` for ``platform``, in one of Terraform's two layouts."""
    folder = mirror / HOST / provider
    unpacked = folder.glob(f"*/{platform}/terraform-provider-*")
    packed = folder.glob(f"terraform-provider-*_{platform}.zip")
    return any(unpacked) or any(packed)


def _candidates() -> Iterator[Path]:
    home = Path.home()
    data = [os.environ.get("XDG_DATA_HOME") or home / ".local/share"]
    data += (os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
    yield home / ".terraform.d/plugins"
    yield from (Path(folder) / "terraform/plugins" for folder in data)
    if shared := os.environ.get("TF_PLUGIN_CACHE_DIR"):
        yield Path(shared)
    yield from walk(Path("/"))


def walk(root: Path, depth: int = _WALK_DEPTH, seconds: float = _WALK_SECONDS) -> Iterator[Path]:
    """Mirror folders below ``root``, the least deep first; gives up after ``depth`` levels or ``seconds``."""
    end = time.monotonic() + seconds
    level = [root]
    for _ in range(depth):
        deeper: list[Path] = []
        for folder in level:
            if time.monotonic() > end:
                return
            children = _folders(folder)
            if any(child.name == HOST for child in children):
                yield folder
            deeper += [child for child in children if child.name not in _NOT_WALKED and child != CACHE]
        level = deeper


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry) for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def install_standin(cache: Path, platform: str) -> tuple[Path, str]:
    """Puts the stand-in into a mirror below ``cache``; returns the mirror and how it zips, for the report."""
    program = build_zip_program(cache)
    mirror = cache / "mirror"
    folder = mirror / HOST / "hashicorp/archive" / STANDIN_VERSION / platform
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / f"terraform-provider-archive_v{STANDIN_VERSION}", _launcher(cache, program), mode=0o755)
    return mirror, "zips with Go, as the real one" if program else "zips with Python, so other bytes: no Go here"


def _launcher(cache: Path, program: Path | None) -> str:
    # HOME: the provider framework keeps a certificate there. -P: the caller's folder is not on the import path.
    settings = {"HOME": str(cache), "PYTHONPATH": str(ROOT), "ARCHIVE_ZIP_PROGRAM": str(program or "")}
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in settings.items())
    return f"#!/bin/sh\n{exports}\nexec {shlex.quote(sys.executable)} -P -m tools.dev.archive_standin\n"


def build_zip_program(cache: Path) -> Path | None:
    """The built ``zip.go``, or None where there is no Go that can build it. Needs no network."""
    go = shutil.which("go")
    if go is None:
        return None
    source = Path(__file__).with_name("archive_standin") / "zip.go"
    program = cache / f"zip-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}"
    if program.exists():
        return program
    settings = {"GO111MODULE": "off", "GOTOOLCHAIN": "local", "GOPROXY": "off", "GOFLAGS": "", "CGO_ENABLED": "0"}
    new = program.with_suffix(f".{os.getpid()}")
    build = [go, "build", "-o", str(new), str(source)]
    environment = {**os.environ, **settings, "GOCACHE": str(cache / "go")}
    if subprocess.run(build, env=environment, capture_output=True, timeout=300, check=False).returncode:
        return None
    return new.replace(program)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    """Replaces the file in one step, and only when it differs: other runs may be reading it."""
    if path.exists() and path.read_text() == text:
        return
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_text(text)
    new.chmod(mode)
    new.replace(path)
