"""Samba as an Active Directory domain controller, for LDAP alone, in a temporary folder. It needs root.

Its ports are fixed (389, 636), so each server has an address of its own among those of this machine (127.0.0.0/8).
"""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import authority, process

INSTALL = "apt-get install samba-ad-dc samba-ad-provision samba-dsdb-modules samba-vfs-modules winbind krb5-user"
REALM, BASE = "EXAMPLE.COM", "dc=example,dc=com"
ADMINISTRATOR, PASSWORD = f"cn=Administrator,cn=Users,{BASE}", "Owner-pass-7x"

_CONFIGURATION = """\
[global]
netbios name = DC1
realm = {realm}
workgroup = EXAMPLE
server role = active directory domain controller
server services = ldap, cldap
private dir = {folder}/private
state directory = {folder}/state
cache directory = {folder}/cache
lock directory = {folder}
ncalrpc dir = {folder}/ncalrpc
pid directory = {folder}
log file = {folder}/samba.log
interfaces = {address}/8
bind interfaces only = yes
tls enabled = yes
tls keyfile = {folder}/server.key
tls certfile = {folder}/server.pem
tls cafile = {folder}/ca.pem
"""


@dataclass(frozen=True)
class Samba:
    """A running domain controller. Its certificate is for ``localhost``, and it listens at ``address``."""

    folder: Path
    address: str
    ca: str

    def tool(self, *arguments: str) -> None:
        """``samba-tool``, on the files. Raises ``RuntimeError`` without its words, which may hold a password."""
        command = ["samba-tool", *arguments, f"--configfile={self.folder}/smb.conf"]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            raise RuntimeError(f"samba-tool {arguments[0]} {arguments[1]} failed")

    def user(self, name: str, password: str) -> str:
        """Make a user, and return its distinguished name."""
        self.tool("user", "create", name, password)
        return f"cn={name},cn=Users,{BASE}"


def version() -> str:
    """The version of the installed server. Raises ``RuntimeError`` when there is none."""
    return subprocess.run([_program(), "-V"], capture_output=True, text=True, check=True).stdout.split()[1]


@contextlib.contextmanager
def start() -> Iterator[Samba]:
    """Run a domain controller until the block ends. It takes about half a minute to be ready."""
    program, folder = _program(), Path(tempfile.mkdtemp(prefix="samba-"))
    address = f"127.{64 + secrets.randbelow(64)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"
    try:
        _provision(folder, address)
        made = authority.make(folder, with_rsa=True)
        made.key.chmod(0o600)
        (folder / "ncalrpc").mkdir(exist_ok=True)
        (folder / "smb.conf").write_text(_CONFIGURATION.format(folder=folder, address=address, realm=REALM))
        running = Samba(folder, address, made.pem)
        command = [program, "-i", "-M", "single", f"--configfile={folder}/smb.conf"]
        with process.running(command, folder, family=True) as started:
            process.wait("Samba", lambda: _listens(address), started, lambda: (folder / process.LOG).read_text())
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _provision(folder: Path, address: str) -> None:
    options = [f"--realm={REALM}", "--domain=EXAMPLE", "--server-role=dc", "--dns-backend=NONE", "--host-name=dc1"]
    options += [f"--adminpass={PASSWORD}", f"--targetdir={folder}", f"--host-ip={address}"]
    command = ["samba-tool", "domain", "provision", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"Samba was not set up:\n{done.stderr[-2000:]}")


def _listens(address: str) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, 636), 1):
        return True
    return False


def _program() -> str:
    found = shutil.which("samba", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None or os.geteuid():
        raise RuntimeError(f"Samba's domain controller is not installed, or this is not root. Install it: {INSTALL}")
    return found
