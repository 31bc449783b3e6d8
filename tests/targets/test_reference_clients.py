"""What the servers' own clients open, the targets open, and nothing else: the same server, values and settings.

TLS is verified and a password is demanded of both. Known differences: redis-cli does not compare the certificate's name
with the host; mariadb speaks ed25519, for which the driver needs a package that the layer does not have.
"""

import os
import random
import string
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rotation_lab.services import mariadb, redis_server
from rotation_lab.services.mariadb import MariaDB
from rotation_lab.services.redis_server import RedisServer
from secret_rotation.errors import RotationError
from secret_rotation.target import Context
from secret_rotation.targets import mysql, redis
from tests.support import contexts
from tests.support.contexts import credential

WHITE = ["line\n", "\nline", "tab\t", " space ", "\u00a0", "\u200b", "\r\n+OK"]
SIGNS = ["\\", "'", '"', "%s", "$HOME", "-p", "--", "#" + "0" * 64, "*" + "A" * 40, "\x01\x7f", "x" * 79, "x" * 200]
LETTERS = ["\U0001f600", "\u0378", "e\u0301", "\u00e9", "ünï €"]
DICE = random.Random(11)
MADE = ["".join(DICE.choices(string.printable.strip() + "äß€\U0001f600", k=DICE.randint(1, 64))) for _ in range(24)]
VALUES = [*WHITE, *SIGNS, *LETTERS, *MADE]


def near(value: str) -> Iterator[str]:
    """The value, and what a client that trims, cuts or changes it would send."""
    yield value
    others = {f"{value} ", f"{value}\n", value.strip(), value.swapcase(), value[:-1], value + value[-1]}
    yield DICE.choice(sorted(others - {value, ""}))


def opens(test: Callable[[Context], None], step: Context) -> bool:
    try:
        test(step)
    except RotationError:
        return False
    return True


@pytest.fixture(scope="module")
def database() -> Iterator[MariaDB]:
    with mariadb.start() as running:
        yield running


@pytest.fixture(scope="module")
def keys() -> Iterator[RedisServer]:
    with redis_server.start() as running:
        running.run("ACL", "SETUSER", "default", "off", "resetpass")
        yield running


def run(command: list[str], **environment: str) -> str:
    done = subprocess.run(
        command, env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **environment}, capture_output=True, check=False,
        timeout=30, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.stdout.decode(errors="replace") if done.returncode == 0 else ""


def by_mariadb(server: MariaDB, name: str, password: str, host: str, authority: Path) -> bool:
    options = ["--no-defaults", "--protocol=tcp", f"--host={host}", f"--port={server.port}", f"--user={name}"]
    trust = [f"--ssl-ca={authority}", "--ssl-verify-server-cert"]
    query = ["--skip-column-names", "--execute=SELECT 'it opens'"]
    return "it opens" in run(["mariadb", *options, *trust, *query], MYSQL_PWD=password)


def by_redis_cli(server: RedisServer, name: str, password: str) -> bool:
    assert server.made
    options = ["-h", "localhost", "-p", str(server.port), "--tls", "--cacert", str(server.made.ca), "--user", name]
    return run(["redis-cli", *options, "--no-auth-warning", "PING"], REDISCLI_AUTH=password).strip() == "PONG"


def mysql_step(server: MariaDB, name: str, password: str, host: str = "localhost", ca: str = "") -> Context:
    given = credential(password, username=name, host=host, port=server.port)
    return contexts.of("mysql")(given, tls_ca=ca or server.ca)


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_mariadb_and_the_target_open_the_same(database: MariaDB, value: str) -> None:
    account = database.credential("same" + os.urandom(4).hex())
    account.set_password(account.name, value)
    for sent in near(value):
        theirs = by_mariadb(database, account.name, sent, "localhost", database.folder / "ca.pem")
        assert opens(mysql.test_secret, mysql_step(database, account.name, sent)) == theirs == (sent == value)


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_redis_cli_and_the_target_open_the_same(keys: RedisServer, value: str) -> None:
    keys.run("ACL", "SETUSER", "app", "reset", "on", f">{value}", "+ping")
    for sent in near(value):
        given = credential(sent, username="app", host="localhost", port=keys.port)
        ours = opens(redis.test_secret, contexts.of("redis")(given, tls_ca=keys.ca))
        assert ours == by_redis_cli(keys, "app", sent) == (sent == value)


@pytest.mark.parametrize(
    ("statement", "is_open"),
    [
        ("REQUIRE SSL", True),
        ("REQUIRE X509", False),
        ("REQUIRE CIPHER 'none'", False),
        ("ACCOUNT LOCK", False),
        ("PASSWORD EXPIRE", False),
        ("IDENTIFIED VIA unix_socket", False),
        ("IDENTIFIED VIA unix_socket OR mysql_native_password USING PASSWORD('word')", True),
        ("IDENTIFIED VIA mysql_native_password USING PASSWORD('other') OR unix_socket", False),
        ("WITH MAX_USER_CONNECTIONS 1", True),
    ],
)
@pytest.mark.parametrize(("host", "is_verified"), [("localhost", True), ("127.0.0.1", False)])
def test_mariadb_and_the_target_open_the_same_accounts(
    database: MariaDB, statement: str, is_open: bool, host: str, is_verified: bool
) -> None:
    account = database.credential("same" + os.urandom(4).hex())
    account.set_password(account.name, "word")
    database.run(f"ALTER USER %s@'%%' {statement}", account.name)
    ours = opens(mysql.test_secret, mysql_step(database, account.name, "word", host))
    theirs = by_mariadb(database, account.name, "word", host, database.folder / "ca.pem")
    assert ours == theirs == (is_open and is_verified)


@pytest.mark.parametrize("world", sorted(mariadb.Account.misbehaviours))
def test_mariadb_and_the_target_open_the_same_in_each_odd_world(database: MariaDB, world: str) -> None:
    account = database.credential("same" + os.urandom(4).hex())
    account.reset()
    with account.misbehave(world):
        for sent in ("first-kX81vB6nRw3z", "wrong"):
            theirs = by_mariadb(database, account.name, sent, "localhost", database.folder / "ca.pem")
            assert opens(mysql.test_secret, mysql_step(database, account.name, sent)) == theirs
