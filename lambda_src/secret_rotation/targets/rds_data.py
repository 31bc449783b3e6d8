"""Aurora through the RDS Data API: a database user's password, changed by an administrator, without driver or VPC.

The Data API takes the ARN of a secret where others take a password, and reads that secret's AWSCURRENT value. So a
pending value cannot be used before it is current, and it must not become current before it has been used. What this
target does about it:

- setSecret logs in by the administrator's secret and changes the user's password.
- testSecret copies user name and password to the probe, a secret for this one purpose, and logs in by that. setSecret
  does so too, before the change and after one that failed: a server may refuse to set a password that it has.

The Data API keeps connections open, and how it chooses one for a secret is not documented: an answer may come over a
connection that was opened with an older value of the probe, and would prove nothing. So the server is asked when the
connection was opened, and one from before the probe was written does not count.

What a crash leaves: before the password is changed, nothing. After it, the pending value works, which is stored; the
retry sets it again. The probe is written again whenever it holds something else than what is tested.
"""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from ..kit import administrator
from ..target import (
    AccessDeniedError,
    AuthenticationError,
    ConfigurationError,
    Context,
    Credential,
    NetworkError,
    RotationError,
    SettingError,
    TargetError,
    ValueRefusedError,
    aws,
    explained,
)
from .databases import password_rules, scram
from .databases.mysql_accounts import changes_accounts
from .databases.postgres_privileges import PRIVILEGED

TEST_WRITES = True
"""The probe."""

RESUME_PAUSES = (3.0,) * 10
"""Seconds between tries while a paused cluster starts, which takes about 15 seconds."""
PROBE_PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds between logins by the probe: its new value is not seen everywhere at once."""
CALL = 8.0
"""Seconds that one more call may take."""
_FACTS = """
SELECT CAST(current_user AS text), CAST(EXISTS (
    SELECT FROM pg_roles r, pg_roles s WHERE r.rolname = CAST(NAME AS text) AND pg_has_role(r.oid, s.oid, 'MEMBER')
    AND (s.rolsuper OR CAST(s.rolname AS text) = ANY (string_to_array('ROLES', ',')))
) AS text), CAST(EXISTS (SELECT FROM pg_roles WHERE rolname = CAST(NAME AS text)) AS text)
"""


def identity(credential: Credential) -> dict[str, str]:
    """The server, as far as the secret names it, and the user."""
    return {name: credential.get(name) or "" for name in ("host", "port", "username")}


def set_secret(context: Context) -> None:
    """Change the user's password, as the administrator, unless the pending value is accepted already."""
    cluster, probe = Cluster.of(context), Probe.of(context)
    username = _username(context, context.pending)

    def change() -> None:
        administrator.check_allowed(context, username)
        statements = cluster.statements_as(cluster.admin)
        cluster.engine.check_user(statements, username, superusers=context.setting("superusers") == "allow")
        cluster.engine.change_password(statements, username, context.pending.value)

    # A server with a rule against reuse rejects the password that an earlier try has set.
    context.set_once(lambda pending: _log_in(cluster, probe, pending, pauses=()), change)


def test_secret(context: Context) -> None:
    """Log in with the value to be tested, by a copy of it in the probe."""
    _log_in(Cluster.of(context), Probe.of(context), context.subject, PROBE_PAUSES)


def check(context: Context) -> None:
    """Look at the user as the administrator, and at the probe. The value is tried only if the probe holds it."""
    cluster, probe, subject = Cluster.of(context), Probe.of(context), context.subject
    username = _username(context, subject)
    administrator.check_allowed(context, username)
    superusers = context.setting("superusers") == "allow"
    cluster.engine.check_user(cluster.statements_as(cluster.admin), username, superusers=superusers)
    since = probe.since(username, subject.value)
    if since is not None:
        statements = cluster.statements_as(Login(f"the user {username!r}", probe.arn))
        problem = _refusal(cluster.engine, statements, username, since)
        if isinstance(problem, AuthenticationError):
            raise problem


def _log_in(cluster: "Cluster", probe: "Probe", subject: Credential, pauses: Sequence[float]) -> None:
    username, password = _username(cluster.context, subject), subject.value
    statements, problem = cluster.statements_as(Login(f"the user {username!r}", probe.arn)), None
    for pause in (0.0, *pauses):
        if problem is not None:
            if cluster.context.deadline.remaining() < pause + 3 * CALL:
                break
            time.sleep(pause)
        # After a stale answer it is written again: a server that has restarted counts its connections anew.
        since = None if isinstance(problem, _StaleError) else probe.since(username, password)
        if since is None:
            since = cluster.engine.now(cluster.statements_as(cluster.admin))
            probe.write(username, password, since)
        problem = _refusal(cluster.engine, statements, username, since)
        if problem is None:
            return
    raise problem or TargetError("The value was not tested.")


class _StaleError(TargetError):
    """The answer proves nothing about the value."""


class _ResumingError(NetworkError):
    """A paused cluster is starting."""


def _refusal(engine: "Engine", statements: "Statements", username: str, since: float) -> RotationError | None:
    """Why the user's login by the probe does not prove the value; None when it does."""
    try:
        user, opened = engine.whoami(statements)
    except AuthenticationError as error:
        return AuthenticationError(str(error))
    if user != username:
        return _StaleError(
            "The Data API logged in as another user than the one in the probe. Another secret's rotation may be using "
            "it at the same time; the rotation is tried again."
        )
    if opened <= since:
        return _StaleError(
            "The Data API answered over a connection that is older than the value, which proves nothing. "
            "The rotation is tried again, when that connection is closed."
        )
    return None


class Login(NamedTuple):
    """Who logs in, for messages, and by which secret."""

    who: str
    secret_arn: str


@dataclass(frozen=True)
class Cluster:
    """An Aurora cluster, over the Data API."""

    context: Context
    engine: "Engine"
    admin: Login

    @classmethod
    def of(cls, context: Context) -> "Cluster":
        """Read the settings."""
        admin = Login("the administrator", context.setting("admin_secret_arn"))
        return cls(context, ENGINES[context.setting("engine")](context.setting("user_host")), admin)

    def statements_as(self, login: Login) -> "Statements":
        """Statements as ``login``, each committed, and on any connection."""
        return Statements(self, login)

    def execute(self, login: Login, sql: str) -> Any:
        """ExecuteStatement, repeated while a paused cluster starts. Errors become those of this package."""
        # No database means one that is named like the user, for PostgreSQL.
        name = self.context.settings.get("dbname") or self.engine.database
        request = {
            "resourceArn": self.context.setting("cluster_arn"),
            "secretArn": login.secret_arn,
            "sql": sql,
            **({"database": name} if name else {}),
        }
        client = self.context.client("rds-data")
        pauses = iter(RESUME_PAUSES)
        while True:
            try:
                with explained(lambda error: _explain(error, login), ClientError, BotoCoreError, RotationError):
                    return client.execute_statement(**request)
            except _ResumingError:
                pause = next(pauses, None)
                if pause is None or self.context.deadline.remaining() < pause + CALL:
                    raise
            time.sleep(pause)


@dataclass(frozen=True)
class Statements:
    """Statements as one user."""

    cluster: Cluster
    login: Login

    def run(self, sql: str) -> Sequence[Sequence[str]]:
        """One statement. Returns the rows, all of whose columns must be texts."""
        answer = self.cluster.execute(self.login, sql)
        return [[column["stringValue"] for column in row] for row in answer.get("records", ())]


class Engine(Protocol):
    """What differs between the databases."""

    database: str | None
    """Where to connect without the setting."""

    def __init__(self, host: str) -> None:
        """``host``: from where the user logs in, for MySQL."""

    def check_user(self, statements: Statements, username: str, *, superusers: bool) -> None:
        """Refuse the administrator itself and, unless ``superusers`` are allowed, who can change other users."""

    def change_password(self, statements: Statements, username: str, password: str) -> None:
        """Change the user's password, in one statement, so that a crash leaves it done or not done."""

    def now(self, statements: Statements) -> float:
        """A moment in the server's own count, which connections opened later are after."""

    def whoami(self, statements: Statements) -> tuple[str, float]:
        """The user who is logged in, and when its connection was opened, in the count of ``now``."""


class Postgresql:
    """Aurora PostgreSQL.

    ALTER ROLE takes no parameters, and a transaction in which they could be handed over (as settings, to a DO block)
    would lock the role for minutes when the function dies in it. So name and value stand in the statement, with every
    character but letters and digits written as its number. The value is the verifier that the server would make of the
    password, and keep: what a server logs of its statements is no password.
    """

    database: str | None = "postgres"

    def __init__(self, host: str) -> None:
        pass

    def check_user(self, statements: Statements, username: str, *, superusers: bool) -> None:
        """Look at all roles that it is a member of."""
        name = "E'" + _escaped(username, lambda c: f"\\U{ord(c):08x}") + "'"
        facts = _FACTS.replace("ROLES", ",".join(PRIVILEGED)).replace("NAME", name)
        ((admin, found, exists),) = statements.run(facts)
        _refuse_administrator(admin, username)
        if exists != "true":
            raise ConfigurationError(f"There is no role {username!r}. Create it first, or correct 'username'.")
        if found == "true" and not superusers:
            raise _superuser(username, "a superuser, or a member of one or of rds_superuser")

    def change_password(self, statements: Statements, username: str, password: str) -> None:
        """ALTER ROLE."""
        name = _escaped(username, lambda c: f"\\+{ord(c):06x}")
        verifier = _escaped(scram.verifier(password), lambda c: f"\\x{ord(c):02x}")
        statements.run(f"ALTER ROLE U&\"{name}\" PASSWORD E'{verifier}'")

    def now(self, statements: Statements) -> float:
        """The server's time."""
        ((moment,),) = statements.run("SELECT CAST(extract(epoch FROM clock_timestamp()) AS text)")
        return float(moment)

    def whoami(self, statements: Statements) -> tuple[str, float]:
        """From the server's list of connections."""
        ((user, opened),) = statements.run(
            "SELECT CAST(current_user AS text), CAST(extract(epoch FROM backend_start) AS text)"
            " FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        )
        return user, float(opened)


class Mysql:
    """Aurora MySQL.

    ALTER USER takes no parameters, and in a prepared statement, which is what the Data API makes of all, nothing else
    does that could build it. So name and password stand in the statement, quoted.
    """

    database: str | None = None

    def __init__(self, host: str) -> None:
        self._host = host

    def check_user(self, statements: Statements, username: str, *, superusers: bool) -> None:
        """Look at its grants, and at those of its roles."""
        ((admin,),) = statements.run("SELECT CURRENT_USER()")
        _refuse_administrator(_user_of(admin), username)

        def grants(name: str, host: str) -> list[str]:
            account = _quoted_all(statements, *((name, host) if host else (name,)))  # MariaDB's roles have no host
            return [line for (line,) in statements.run(f"SHOW GRANTS FOR {'@'.join(account)}")]

        if not superusers and changes_accounts(grants(username, self._host), grants):
            raise _superuser(username, "able to change accounts (SUPER, CREATE USER, rights on mysql.*)")

    def change_password(self, statements: Statements, username: str, password: str) -> None:
        """ALTER USER."""
        user, host, secret = _quoted_all(statements, username, self._host, password)
        statements.run(f"ALTER USER {user}@{host} IDENTIFIED BY {secret}")

    def now(self, statements: Statements) -> float:
        """The number of connections so far: each has one for its id."""
        ((_, count),) = statements.run("SHOW GLOBAL STATUS LIKE 'Connections'")
        return float(count)

    def whoami(self, statements: Statements) -> tuple[str, float]:
        """The id of the connection stands for the time."""
        ((account, number),) = statements.run("SELECT CURRENT_USER(), CAST(CONNECTION_ID() AS CHAR)")
        return _user_of(account), float(number)


ENGINES: Mapping[str, Callable[[str], Engine]] = {"postgresql": Postgresql, "mysql": Mysql}


@dataclass(frozen=True)
class Probe:
    """The secret by which a value is tested. Only this function reads and writes it."""

    context: Context
    arn: str

    @classmethod
    def of(cls, context: Context) -> "Probe":
        """Read the setting. Raises ``SettingError`` when it names a secret that has another use."""
        arn = context.setting("probe_secret_arn")
        if arn in (context.secret_id, context.setting("admin_secret_arn")):
            raise SettingError(
                "The setting 'probe_secret_arn' must name a secret of its own: its value is overwritten."
            )
        return cls(context, arn)

    def since(self, username: str, password: str) -> float | None:
        """Since when the probe has held this value; None when it does not. Raises when it has another use."""
        stored = self.context.secrets.read_current(self.arn)
        if stored is None:
            return None
        found = stored.fields
        if found.keys() != {"username", "password", "since"} and stored.text.strip() != "{}":
            raise ConfigurationError(
                f"The secret {self.arn} holds something that this function has not put there, and would be "
                "overwritten. Give 'probe_secret_arn' a secret of its own, without a value."
            )
        return (
            float(found["since"]) if found and (found["username"], found["password"]) == (username, password) else None
        )

    def write(self, username: str, password: str, since: float) -> None:
        """Make it hold this value."""
        text = json.dumps({"username": username, "password": password, "since": since})
        self.context.secrets.write(self.arn, text)


def _username(context: Context, credential: Credential) -> str:
    return context.settings.get("username") or credential.require("username")


def _refuse_administrator(admin: str, username: str) -> None:
    if admin.casefold() == username.casefold():
        raise ConfigurationError(
            f"{username!r} is the administrator itself, whose secret would be wrong from then on. Let RDS manage its "
            "password (manage_master_user_password), or give another administrator."
        )


def _superuser(username: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"{username!r} is {what}. An administrator does not change its password, since whoever can write the secret "
        'would get that user. To allow it: superusers = "allow".'
    )


def _user_of(account: str) -> str:
    return account.rpartition("@")[0]


def _escaped(text: str, escape: Callable[[str], str]) -> str:
    """``text`` with everything but ASCII letters and digits escaped."""
    return "".join(c if c.isascii() and c.isalnum() else escape(c) for c in text)


def _quoted_all(statements: Statements, *texts: str) -> list[str]:
    ((mode,),) = statements.run("SELECT @@sql_mode")
    if "NO_BACKSLASH_ESCAPES" in mode.split(",") and any("\\" in text for text in texts):
        raise ConfigurationError("With the sql_mode NO_BACKSLASH_ESCAPES add the backslash to `exclude_characters`.")
    return [_quoted(text) for text in texts]


def _quoted(text: str) -> str:
    """A string of MySQL that ends where it should, whether or not the backslash escapes in the session's mode."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


# What the Data API's answers mean.

_ACTION = "rds-data:ExecuteStatement"
_STATE = re.compile(r"SQLState: (\w{5})|(?:error code|Error code): (\d{4})", re.ASCII)
_HINTS = {
    "42704": "There is no such role. Create it first.",
    "1396": "There is no such user for that host. Create it first, and see the setting 'user_host'.",
    "1141": "There is no such user for that host. Create it first, and see the setting 'user_host'.",
    "42501": "The administrator is not allowed to: it needs CREATEROLE, or ADMIN OPTION on the role.",
    "1227": "The administrator is not allowed to: it needs the privilege CREATE USER.",
    "3D000": "There is no such database: see the setting 'dbname'.",
    "1049": "There is no such database: see the setting 'dbname'.",
    "1064": "If passwords may have a colon, add it to `exclude_characters`: it may be taken for a parameter.",
}
_AWAY = {
    "DatabaseResumingException": "The cluster was paused and is starting.",
    "DatabaseUnavailableException": "The cluster's writer is not available.",
    "ServiceUnavailableError": "The Data API is not available.",
    "InternalServerErrorException": "The Data API failed.",
    "StatementTimeoutException": "The statement took too long.",
}
_SET_UP = {
    "HttpEndpointNotEnabledException": "The cluster has no Data API: set enable_http_endpoint = true.",
    "DatabaseNotFoundException": "The cluster has no instance, or there is no such cluster: see 'cluster_arn'.",
    "InvalidResourceStateException": "The cluster is not in a state to answer.",
}


def _explain(error: Exception, login: Login) -> RotationError:
    if not isinstance(error, ClientError):
        return aws.explain(error, _ACTION)
    code, said = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    if code in _AWAY:
        kind = _ResumingError if code == "DatabaseResumingException" else NetworkError
        return kind(f"{_ACTION}: {_AWAY[code]} The rotation is tried again.")
    if code in _SET_UP:
        return ConfigurationError(f"{_ACTION}: {_SET_UP[code]}")
    if code in ("InvalidSecretException", "SecretsErrorException"):
        return ConfigurationError(
            f"{_ACTION}: the Data API cannot use the secret {login.secret_arn} ({code}). It must be JSON with "
            "username and password, and the function must be allowed to read it and to use its key."
        )
    if code in ("DatabaseErrorException", "BadRequestException"):
        return _explain_database(login, said)
    if code == "ForbiddenException":
        return AccessDeniedError(f"{_ACTION}: not allowed ({code}).")
    return aws.explain(error, _ACTION)


def _explain_database(login: Login, said: str) -> RotationError:
    """The server's own text may hold the statement, so only its codes are shown."""
    states = [state or number for state, number in _STATE.findall(said)]
    if any(state.startswith("28") for state in states) or re.search(
        r"password authentication failed|^Access denied for user", said
    ):
        return AuthenticationError(f"{_ACTION}: the database refused the password of {login.who}.")
    for state in states:
        refused = _refused_value(state)
        if refused:
            return ValueRefusedError(f"{_ACTION}: the database {refused}")
        if state in _HINTS:
            return ConfigurationError(f"{_ACTION}: the database refused ({state}). {_HINTS[state]}")
    return TargetError(f"{_ACTION}: the database refused ({', '.join(states) or 'it gave no code'}).")


def _refused_value(state: str) -> str | None:
    """What to say where the database's rules refuse a new password."""
    if state in password_rules.POSTGRESQL:
        return password_rules.postgresql(state)
    if state.isdecimal() and int(state) in password_rules.MYSQL:
        return f"{password_rules.MYSQL[int(state)]} (error {state})."
    return None
