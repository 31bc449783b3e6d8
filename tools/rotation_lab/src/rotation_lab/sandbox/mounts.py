"""Gives the process that calls ``isolate`` a ``/tmp`` of its own and ``/etc/pki/tls/cert.pem``, as in Lambda's image.

Both are mounts in a mount namespace of the process: nothing changes for the host, and they end with the process.
Linux allows this to root, and to others where user namespaces are allowed; elsewhere all stays as it is, and the
function's log says so. As a program it isolates itself and becomes another one: mounts.py REQUEST COMMAND...

It imports nothing of the sandbox: it runs in a function's interpreter.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CERTIFICATES = "/etc/pki/tls/cert.pem"
_TMP = "/tmp"
_NEWNS, _NEWUSER = 0x20000, 0x10000000
_READ_ONLY, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 1, 32, 4096, 16384, 1 << 18


def isolate(request: dict[str, Any]) -> None:
    """``tmp`` becomes /tmp; ``keep`` are folders that keep their path; ``etc`` is a folder to see in /etc, too."""
    try:
        _own_namespace()
        _certificates(request["etc"])  # first: the folder may be below the /tmp that is to be hidden
        _own_tmp(request["tmp"], {*request["keep"], sys.prefix, sys.base_prefix})
    except (OSError, AttributeError) as error:  # AttributeError: not Linux
        print(f"SANDBOX /tmp or {CERTIFICATES} is the host's, because no own one can be mounted: {error}", flush=True)


def _own_namespace() -> None:
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        _call("unshare", _NEWNS)
    else:
        _call("unshare", _NEWNS | _NEWUSER)
        for name, line in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            Path(f"/proc/self/{name}").write_text(line)
    _mount(None, "/", None, _RECURSIVE | _PRIVATE)


def _own_tmp(own: str, keep: Iterable[str]) -> None:
    inside = _opened(path for path in keep if path.startswith(f"{_TMP}/") and Path(path).is_dir())
    _mount(own, _TMP, None, _BIND)
    os.environ.update({name: _TMP for name, value in os.environ.items() if value == own})
    for path in inside:
        Path(path).mkdir(parents=True, exist_ok=True)
    _bind_again(inside)
    for path in inside:
        with contextlib.suppress(OSError):  # a function that empties /tmp must not lose its code
            _mount(None, path, None, _REMOUNT | _BIND | _READ_ONLY)


def _certificates(etc: str) -> None:
    if Path(CERTIFICATES).exists():
        return
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    hidden = _opened(point for point in points if point.startswith("/etc/"))  # a container's resolv.conf
    _mount("overlay", "/etc", "overlay", 0, f"lowerdir={etc}:/etc")
    _bind_again(hidden)


def _opened(paths: Iterable[str]) -> dict[str, int]:
    """Descriptors that lead to these after something is mounted over them; what is outside comes first."""
    return {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in sorted(set(paths))}


def _bind_again(opened: dict[str, int]) -> None:
    for path, descriptor in opened.items():
        _mount(f"/proc/self/fd/{descriptor}", path, None, _BIND | _RECURSIVE)
        os.close(descriptor)


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    source_, kind_, data_ = (text and text.encode() for text in (source, kind, data))
    _call("mount", source_, target.encode(), kind_, ctypes.c_ulong(flags), data_)


def _call(name: str, *arguments: Any) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


if __name__ == "__main__":
    isolate(json.loads(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
