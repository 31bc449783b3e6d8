"""Where Terraform gets its providers from, on a machine that may not reach the registry.

In this order: what the caller's own Terraform CLI configuration says; the folder in TF_PLUGIN_MIRROR; the registry, if
it answers; a mirror folder where Terraform itself would look, or in the usual places for one. If the mirror lacks
hashicorp/archive, our stand-in takes its place.

Everything is written to the cache folder of this repository, and read only by processes that get ``environment()``.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
HOST = "registry.terraform.io"
VARIABLE = "TF_PLUGIN_MIRROR"
# The schema that the stand-in has is the one of this version.
STANDIN_VERSION = "2.7.1"

_REGISTRY_TIMEOUT = 3.0  # seconds
# Folders in which an administrator puts a mirror, under a name of its own.
_SHARED = ("/opt", "/srv", "/usr/lib", "/usr/local/lib", "/usr/local/share", "/usr/share", "/var/lib")
_MIRROR_BLOCK = re.compile(r'^\s*filesystem_mirror\s*\{[^}]*?\bpath\s*=\s*"([^"]+)"', re.MULTILINE)
# Terraform and its providers live for seconds: without most of Go's garbage collection each command takes a quarter
# less time, and up to 1 GB of memory.
_GARBAGE_COLLECTION = {"GOGC": "800"}


class ProvidersError(Exception):
    """No way to get the providers; the message says what was tried and what helps."""


def environment(cache: Path = CACHE, report: Callable[[str], object] = print) -> dict[str, str]:
    """The environment in which every Terraform command of ours runs; says where providers come from.

    The caller's AWS settings are left out: no command of ours may reach a real account. Raises ``ProvidersError`` when
    there are no providers.
    """
    cache.mkdir(parents=True, exist_ok=True)
    result = {**_GARBAGE_COLLECTION, **_caller_environment(), "CHECKPOINT_DISABLE": "1"}
    result |= {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "AWS_EC2_METADATA_DISABLED": "true"}
    result |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return result | (_by_configuration(cache, report) or _by_variable(cache, report) or _by_search(cache, report))


def _by_configuration(cache: Path, report: Callable[[str], object]) -> dict[str, str] | None:
    """The caller's CLI configuration, where it says how providers are installed; the stand-in is added where needed."""
    path = Path(os.environ.get("TF_CLI_CONFIG_FILE") or Path.home() / ".terraformrc")
    text = _readable(path)
    if not re.search(r"^\s*provider_installation\s*\{", text, re.MULTILINE):
        return None  # it is missing, or leaves the question to Terraform
    platform = terraform_platform(cache)
    mirrors = [Path(found).expanduser() for found in _MIRROR_BLOCK.findall(text)]
    mirror = find_mirror(platform, mirrors)
    if mirrors and mirror is None:
        report(f"providers: {path} names no folder with hashicorp/aws for {platform}; looking elsewhere")
        return None
    if mirror and not any(holds(one, "hashicorp/archive", platform) for one in mirrors):
        return _from_mirror(mirror, cache, report)
    report(f"providers: as {path} says")
    return {"TF_CLI_CONFIG_FILE": str(path)}


def _readable(path: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text()
    return ""


def _by_variable(cache: Path, report: Callable[[str], object]) -> dict[str, str] | None:
    given = os.environ.get(VARIABLE)
    if not given:
        return None
    platform = terraform_platform(cache)
    mirror = Path(given).expanduser()
    if not holds(mirror, "hashicorp/aws", platform):
        raise ProvidersError(f"{VARIABLE} is {given}, which has no {HOST}/hashicorp/aws for {platform}. {_HELP}")
    return _from_mirror(mirror, cache, report)


def _by_search(cache: Path, report: Callable[[str], object]) -> dict[str, str]:
    if registry_answers():
        return _from_registry(cache, report)
    platform = terraform_platform(cache)
    mirror = find_mirror(platform, known_places())
    if mirror is None:
        raise ProvidersError(
            f"no Terraform providers: {HOST} does not answer, and none of the usual folders holds hashicorp/aws for"
            f" {platform}. {_HELP}"
        )
    return _from_mirror(mirror, cache, report)


_HELP = (
    "On a machine with network, run terraform providers mirror <folder>; copy that folder here, and set"
    f" {VARIABLE} to it or name it in your Terraform CLI configuration: docs/without-registry.md."
)


def _caller_environment() -> dict[str, str]:
    # TF_CLI_ARGS, TF_WORKSPACE or AWS_PROFILE of the caller would change what our commands do, and to whom.
    return {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "AWS_"))}


def _from_registry(cache: Path, report: Callable[[str], object]) -> dict[str, str]:
    report(f"providers: from {HOST}")
    plugins = cache / "plugins"
    plugins.mkdir(exist_ok=True)
    # Without it each working folder would download 150 MB again.
    shared = {"TF_PLUGIN_CACHE_DIR": str(plugins), "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE": "1"}
    return shared | _configuration(cache, "# Providers come from the registry.\n")


def _from_mirror(mirror: Path, cache: Path, report: Callable[[str], object]) -> dict[str, str]:
    platform = terraform_platform(cache)
    report(f"providers: from the mirror {mirror}")
    if holds(mirror, "hashicorp/archive", platform):
        return _configuration(cache, installation({mirror: None}))
    report("providers: hashicorp/archive by our own stand-in")
    return _configuration(cache, installation({mirror: "exclude", install_standin(cache, platform): "include"}))


def _configuration(cache: Path, text: str) -> dict[str, str]:
    path = cache / "terraform.rc"
    _write(path, text)
    return {"TF_CLI_CONFIG_FILE": str(path)}


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


def installation(mirrors: dict[Path, str | None]) -> str:
    """A CLI configuration with these mirrors; "include" and "exclude" say which of two has hashicorp/archive."""
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


def find_mirror(platform: str, places: Iterable[Path]) -> Path | None:
    """The first of ``places`` that holds hashicorp/aws."""
    return next((mirror for mirror in places if holds(mirror, "hashicorp/aws", platform)), None)


def holds(mirror: Path, provider: str, platform: str) -> bool:
    """Whether ``mirror`` has a version of ``provider`` for ``platform``, in one of Terraform's two layouts."""
    folder = mirror / HOST / provider
    unpacked = folder.glob(f"*/{platform}/terraform-provider-*")
    packed = folder.glob(f"terraform-provider-*_{platform}.zip")
    return any(unpacked) or any(packed)


def known_places() -> Iterator[Path]:
    """Where Terraform looks by itself, then each shared folder that is laid out as a mirror."""
    home = Path.home()
    data = [os.environ.get("XDG_DATA_HOME") or home / ".local/share"]
    data += (os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
    yield home / ".terraform.d/plugins"
    yield from (Path(folder) / "terraform/plugins" for folder in data)
    if cached := os.environ.get("TF_PLUGIN_CACHE_DIR"):
        yield Path(cached)
    for folder in _SHARED:
        for pattern in (HOST, f"*/{HOST}", f"*/*/{HOST}"):
            yield from sorted(found.parent for found in Path(folder).glob(pattern))


def install_standin(cache: Path, platform: str) -> Path:
    """Puts the stand-in into a mirror below ``cache``; returns the mirror."""
    mirror = cache / "mirror"
    folder = mirror / HOST / "hashicorp/archive" / STANDIN_VERSION / platform
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / f"terraform-provider-archive_v{STANDIN_VERSION}", _launcher(cache), mode=0o755)
    return mirror


def _launcher(cache: Path) -> str:
    # HOME: the provider framework keeps a certificate there. -P: the caller's folder is not on the import path.
    settings = {"HOME": str(cache), "PYTHONPATH": str(ROOT)}
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in settings.items())
    return f"#!/bin/sh\n{exports}\nexec {shlex.quote(sys.executable)} -P -m tools.dev.archive_standin\n"


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    """Replaces the file in one step, and only when it differs: other runs may be reading it."""
    if path.exists() and path.read_text() == text:
        return
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_text(text)
    new.chmod(mode)
    new.replace(path)
