"""OpenLDAP's server, with LDAPS and StartTLS, a password policy and its own authority, in a temporary folder."""

import contextlib
import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

from . import authority, process
from .base import ADMIN_PASSWORD, FIRST, USER, Address, Login, Misbehaviour

INSTALL = "apt-get install slapd ldap-utils"
SUFFIX = "dc=example,dc=com"
BASE = f"ou=services,{SUFFIX}"
"""The subtree of the users."""
OWNER, PASSWORD = f"cn=owner,{SUFFIX}", "owner-password"
POLICY = f"cn=policy,{SUFFIX}"
_INVALID_CREDENTIALS = 49

_CONFIGURATION = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
pidfile {folder}/pid
{tls}
database mdb
suffix "{suffix}"
rootdn "{owner}"
rootpw {password}
directory {folder}/data
maxsize 10485760
dbnosync
access to attrs=userPassword by dn.children="ou=administrators,{suffix}" write by self write by anonymous auth by * none
access to * by * read
overlay ppolicy
ppolicy_default "{policy}"
ppolicy_use_lockout
"""
_TLS = """\
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
"""
_FIRST_ENTRIES = f"""\
dn: {SUFFIX}
objectClass: organization
objectClass: dcObject
o: Example
dc: example

dn: {BASE}
objectClass: organizationalUnit

dn: ou=administrators,{SUFFIX}
objectClass: organizationalUnit

dn: {POLICY}
objectClass: device
objectClass: pwdPolicy
pwdAttribute: userPassword
"""


@dataclass(frozen=True)
class Slapd:
    """A running server, at ``localhost``: ``port`` speaks LDAPS, ``plain_port`` LDAP and StartTLS."""

    folder: Path
    port: int
    plain_port: int
    ca: str

    def credential(self, name: str = USER, admin: str | None = None) -> "User":
        """A user of its own, and an administrator of its own, who may change passwords."""
        return User(self, name, admin)

    def run(self, program: str, *arguments: str, text: str = "", dn: str = OWNER, password: str = PASSWORD) -> int:
        """A program of ldap-utils, with passwords in files; its exit code is the result of LDAP."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            secret = Path(folder) / "password"
            secret.write_text(password)
            command = [program, "-x", "-H", f"ldap://127.0.0.1:{self.plain_port}", "-D", dn, "-y", str(secret)]
            done = subprocess.run([*command, *arguments], input=text.encode(), capture_output=True, check=False)
            return done.returncode

    def change(self, text: str) -> None:
        """Changes in LDIF, as the owner. Raises ``RuntimeError``."""
        if self.run("ldapmodify", text=text):
            raise RuntimeError("ldapmodify failed")

    def set_password(self, dn: str, password: str) -> None:
        """As the owner, whom no policy binds."""
        with tempfile.NamedTemporaryFile("w", dir=self.folder) as file:
            file.write(password)
            file.flush()
            if self.run("ldappasswd", "-T", file.name, dn):
                raise RuntimeError("ldappasswd failed")

    def accepts(self, dn: str, password: str) -> bool:
        """Whether the user can log in with the password."""
        code = self.run("ldapwhoami", dn=dn, password=password)
        if code not in (0, _INVALID_CREDENTIALS):
            raise RuntimeError(f"ldapwhoami ended with {code}")
        return code == 0

    def log(self) -> str:
        """All that it has logged: each request."""
        return (self.folder / process.LOG).read_text(errors="replace")


class User(Login):
    """One entry, which changes its own password, and an administrator."""

    engine = "ldap"
    misbehaviours: ClassVar[Mapping[str, Misbehaviour]] = {
        "takes no password twice": Misbehaviour(("add: pwdInHistory\npwdInHistory: 10",), ("delete: pwdInHistory",)),
        "not again so soon": Misbehaviour(("add: pwdMinAge\npwdMinAge: 3600",), ("delete: pwdMinAge",)),
        "locked after ten wrong passwords": Misbehaviour(
            ("add: pwdLockout\npwdLockout: TRUE\n-\nadd: pwdMaxFailure\npwdMaxFailure: 10",),
            ("delete: pwdLockout\n-\ndelete: pwdMaxFailure",),
        ),
        "the old password has to be named": Misbehaviour(
            ("add: pwdSafeModify\npwdSafeModify: TRUE",), ("delete: pwdSafeModify",)
        ),
    }

    def __init__(self, server: Slapd, name: str, admin: str | None) -> None:
        super().__init__(f"cn={name},{BASE}", f"cn={admin or name},ou=administrators,{SUFFIX}")
        self.server, self._before = server, len(server.log())
        for dn in (self.name, self.admin):
            server.run("ldapadd", text=f"dn: {dn}\nobjectClass: person\nsn: {name}\n")
        self.set_password(self.name, FIRST)
        self.set_password(self.admin, ADMIN_PASSWORD)

    @property
    def upstream(self) -> Address:
        return "127.0.0.1", self.server.port if self.server.ca else self.server.plain_port

    @property
    def ca(self) -> str:
        return self.server.ca

    def set_password(self, name: str, password: str) -> None:
        """And let it be an old one: the policy may have a minimum age."""
        self.server.set_password(name, password)
        self.later(name=name)

    def later(self, time: timedelta = timedelta(days=1), name: str = "") -> None:
        """The password was set long ago."""
        then = (datetime.now(UTC) - time).strftime("%Y%m%d%H%M%SZ")
        change = f"dn: {name or self.name}\nchangetype: modify\nreplace: pwdChangedTime\npwdChangedTime: {then}\n"
        self.server.run("ldapmodify", "-e", "relax", text=change)

    def accepts(self, username: str, password: str) -> bool:
        return self.server.accepts(username, password)

    def logs(self) -> str:
        return self.server.log()[self._before :]

    @contextlib.contextmanager
    def without_tls(self) -> Iterator[Address]:
        """The port that begins without TLS: the same user, who is let in without TLS too."""
        yield "localhost", self.server.plain_port

    def do(self, statements: tuple[str, ...]) -> None:
        for statement in statements:
            self.server.change(f"dn: {POLICY}\nchangetype: modify\n{statement}\n")


def version() -> str:
    """The version of the installed server. Raises ``RuntimeError`` when there is none."""
    text = subprocess.run([_program(), "-VV"], capture_output=True, text=True, check=False).stderr
    return text.split("slapd ", 1)[1].split()[0]


@contextlib.contextmanager
def start(*, tls: bool = True) -> Iterator[Slapd]:
    """Run a server until the block ends. Without ``tls``, its first port speaks none. It takes half a second."""
    program, folder = _program(), Path(tempfile.mkdtemp(prefix="slapd-"))
    port, plain = process.free_ports(2)
    try:
        made = authority.make(folder)
        (folder / "data").mkdir()
        names = {"folder": folder, "suffix": SUFFIX, "owner": OWNER, "password": PASSWORD, "policy": POLICY}
        (folder / "slapd.conf").write_text(_CONFIGURATION.format(**names, tls=_TLS.format(folder=folder)))
        (folder / process.LOG).touch()
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, _user() or getpass.getuser())
        urls = f"ldap://127.0.0.1:{plain} ldaps://127.0.0.1:{port}"
        command = [program, "-f", f"{folder}/slapd.conf", "-h", urls, "-d", "stats"]
        running = Slapd(folder, port, plain, made.pem if tls else "")
        with process.running(command, folder, user=_user()) as started:
            process.wait("slapd", lambda: running.run("ldapwhoami") == 0, started, running.log)
            if running.run("ldapadd", text=_FIRST_ENTRIES):
                raise RuntimeError("slapd did not take its first entries")
            yield running
    finally:
        shutil.rmtree(folder)


def _program() -> str:
    found = shutil.which("slapd", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None or shutil.which("ldapmodify") is None:
        raise RuntimeError(f"OpenLDAP is not installed. Install it: {INSTALL}")
    return found


def _user() -> str | None:
    return "openldap" if os.geteuid() == 0 else None
