"""PgBouncer in front of a PostgreSQL server, with TLS, on a free port: it lends connections for a transaction."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pg8000 import native

from . import postgresql, process
from .base import USER
from .postgresql import PASSWORD, SUPERUSER, PostgreSQL, Role

INSTALL = "apt-get install pgbouncer"

_CONFIGURATION = """\
[databases]
* = host=127.0.0.1 port={server} auth_user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = users.txt
auth_query = SELECT usename, passwd FROM pg_shadow WHERE usename = $1
pool_mode = transaction
server_login_retry = 1
server_idle_timeout = 60
client_tls_sslmode = allow
client_tls_cert_file = server.pem
client_tls_key_file = server.key
"""


@dataclass(frozen=True)
class PgBouncer:
    """A pooler that is running, and the server behind it."""

    server: PostgreSQL
    folder: Path
    port: int

    def credential(self, name: str = USER, admin: str | None = None) -> Role:
        """A role that is reached through the pooler, and so is its administrator."""
        return self.server.credential(name, admin, self.port)

    def log(self) -> str:
        """All that the pooler has logged."""
        return (self.folder / process.LOG).read_text(errors="replace")


@contextlib.contextmanager
def start(server: PostgreSQL, known: str = "", **settings: str) -> Iterator[PgBouncer]:
    """Run the pooler until the block ends, with further settings, and further lines of its file of users."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not Path(program).exists():
        raise RuntimeError(f"PgBouncer is not installed. Install it: {INSTALL}")
    folder, port = Path(tempfile.mkdtemp(prefix="pgbouncer-")), process.free_port()
    try:
        for name in ("server.pem", "server.key"):
            shutil.copy(server.folder / "data" / name, folder)
        text = _CONFIGURATION.format(server=server.port, port=port, user=SUPERUSER)
        (folder / "pgbouncer.ini").write_text(text + "".join(f"{name} = {value}\n" for name, value in settings.items()))
        (folder / "users.txt").write_text(f'"{SUPERUSER}" "{PASSWORD}"\n{known}')
        postgresql.give_away(folder)
        pooler = PgBouncer(server, folder, port)
        with process.running([program, "pgbouncer.ini"], folder, user=postgresql.user()) as started:
            process.wait("PgBouncer", lambda: _ready(pooler), started, pooler.log)
            yield pooler
    finally:
        shutil.rmtree(folder)


def _ready(pooler: PgBouncer) -> bool:
    try:
        native.Connection(
            SUPERUSER, password=PASSWORD, port=pooler.port, database="postgres", ssl_context=False
        ).close()
    except (native.Error, OSError):
        return False
    return True
