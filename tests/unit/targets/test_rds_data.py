"""The target rds_data without a cluster: what it makes of the Data API's answers, and how long it waits."""

import json
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from rotation_lab.model.secrets_manager import SecretsManager, ServiceError
from secret_rotation.errors import (
    AccessDeniedError,
    AuthenticationError,
    AwsError,
    ConfigurationError,
    NetworkError,
    RotationError,
    SettingError,
    TargetError,
    ValueRefusedError,
)
from secret_rotation.target import Context, Credential
from secret_rotation.targets import rds_data
from secret_rotation.targets.databases import scram
from tests.messages import assert_explains, refused
from tests.support import contexts
from tests.support.contexts import credential, plain

context = contexts.of("rds_data")

ACTION = "rds-data:ExecuteStatement"
LOGIN = rds_data.Login("the user 'app'", "arn:secret")


def answer(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "ExecuteStatement")


def assert_error(error: Exception, kind: type[RotationError], *named: str) -> None:
    assert_explains(rds_data._explain(error, LOGIN), kind, ACTION, *named)


@pytest.mark.parametrize(
    "code",
    [
        "DatabaseUnavailableException",
        "ServiceUnavailableError",
        "InternalServerErrorException",
        "StatementTimeoutException",
    ],
)
def test_what_passes_is_an_error_of_the_network(code: str) -> None:
    assert_error(answer(code, "s3cret"), NetworkError)


def test_a_cluster_that_starts_is_an_error_of_the_network() -> None:
    assert_error(answer("DatabaseResumingException", "s3cret"), rds_data._ResumingError)
    assert issubclass(rds_data._ResumingError, NetworkError)


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("HttpEndpointNotEnabledException", ["enable_http_endpoint = true"]),
        ("DatabaseNotFoundException", ["'cluster_arn'"]),
        ("InvalidResourceStateException", ["cluster"]),
        ("InvalidSecretException", ["arn:secret", "InvalidSecretException", "username", "password"]),
        ("SecretsErrorException", ["arn:secret", "SecretsErrorException", "username", "password"]),
    ],
)
def test_an_error_of_the_configuration_names_what_to_change(code: str, named: list[str]) -> None:
    assert_error(answer(code, "s3cret"), ConfigurationError, *named)


@pytest.mark.parametrize(
    ("error", "kind", "named"),
    [
        (answer("ForbiddenException", "s3cret"), AccessDeniedError, ["ForbiddenException"]),
        (answer("AccessDeniedException", "Said by AWS."), AccessDeniedError, ["Said by AWS."]),
        (answer("ThrottlingException", "s3cret"), AwsError, ["ThrottlingException"]),
        (ClientError({"Error": {}}, "x"), AwsError, ["unknown"]),
        (ReadTimeoutError(endpoint_url="s3cret"), NetworkError, ["ReadTimeoutError", "VPC endpoint"]),
    ],
)
def test_an_error_of_any_aws_service_is_named(error: Exception, kind: type[RotationError], named: list[str]) -> None:
    assert_error(error, kind, *named)


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("ERROR: s3cret; SQLState: 42704", ["42704", "role"]),
        ("ERROR: s3cret; SQLState: 42501", ["42501", "CREATEROLE", "ADMIN OPTION"]),
        ("ERROR: s3cret; SQLState: 3D000", ["3D000", "'dbname'"]),
        ("s3cret; error code: 1396", ["1396", "'user_host'"]),
        ("s3cret; Error code: 1227", ["1227", "CREATE USER"]),
        ("s3cret; Error code: 1049; SQLState: 42000", ["1049", "'dbname'"]),
        ("s3cret; Error code: 1064", ["1064", "`exclude_characters`", "colon"]),
    ],
)
@pytest.mark.parametrize("code", ["DatabaseErrorException", "BadRequestException"])
def test_a_refused_statement_is_named_by_its_code_with_what_to_change(code: str, said: str, named: list[str]) -> None:
    assert_error(answer(code, said), ConfigurationError, *named)


@pytest.mark.parametrize(
    ("said", "named"),
    [("s3cret", "no code"), ("SQLState: 22P02", "22P02"), ("SQLState: 22P02; Error code: 1105", "22P02, 1105")],
)
def test_any_other_refusal_is_named_by_its_codes(said: str, named: str) -> None:
    assert_error(answer("BadRequestException", said), TargetError, named)


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("s3cret; SQLState: 22023", "22023"),
        ("s3cret; SQLState: P0001", "P0001"),
        ("s3cret; Error code: 1819; SQLState: HY000", "1819"),
        ("s3cret; error code: 3638", "3638"),
    ],
)
def test_a_value_that_the_rules_refuse_is_an_error_of_its_own(said: str, named: str) -> None:
    assert_error(answer("DatabaseErrorException", said), ValueRefusedError, named, "password")


@pytest.mark.parametrize(
    "said",
    [
        "FATAL: s3cret; SQLState: 28P01",
        "SQLState: 28000",
        'FATAL: password authentication failed for user "app"',
        "Access denied for user 'app'@'10.0.0.1' (using password: YES)",
    ],
)
def test_a_refused_login_names_the_user(said: str) -> None:
    assert_error(answer("BadRequestException", said), AuthenticationError, "'app'")


def test_a_text_of_a_user_does_not_make_a_refusal_one_of_the_login() -> None:
    assert_error(answer("BadRequestException", "No: Access denied for user"), TargetError)


# Before anything is sent.


SETTINGS = {
    "cluster_arn": "arn:cluster",
    "engine": "postgresql",
    "admin_secret_arn": "arn:admin",
    "probe_secret_arn": "arn:probe",
}


def step(**changes: str) -> Context:
    return context(credential("s3cret-new"), credential("s3cret-old"), **{**SETTINGS, **changes})


@pytest.mark.parametrize("arn", ["arn:admin", step().secret_id])
def test_a_secret_with_another_use_is_not_taken_as_the_probe(arn: str) -> None:
    with refused(SettingError, "'probe_secret_arn'"):
        rds_data.test_secret(step(probe_secret_arn=arn))


def test_who_a_credential_is_for() -> None:
    found = rds_data.identity(credential("x", host="h", port=1))
    assert found == {"host": "h", "port": "1", "username": "app"}
    assert rds_data.identity(plain("x")) == {"host": "", "port": "", "username": ""}


# The administrator itself.


class Session:
    """Answers each statement with the next rows; ``sent`` has the statements."""

    def __init__(self, *rows: list[list[str]]) -> None:
        self.rows, self.sent = list(rows), list[str]()

    def run(self, sql: str) -> list[list[str]]:
        self.sent.append(sql)
        return self.rows.pop(0) if self.rows else []


@pytest.mark.parametrize(
    ("engine", "row"),
    [(rds_data.Postgresql("%"), ["r@t", "true", "true"]), (rds_data.Mysql("%"), ["r@t@10.0.0.1"])],
    ids=["postgresql", "mysql"],
)
@pytest.mark.parametrize("username", ["r@t", "R@T"])
def test_the_administrator_is_not_rotated_by_itself(engine: Any, row: list[str], username: str) -> None:
    session = Session([row])
    with refused(ConfigurationError, repr(username), "administrator", "manage_master_user_password"):
        engine.check_user(session, username, superusers=True)
    assert len(session.sent) == 1


@pytest.mark.parametrize(
    ("engine", "rows"),
    [
        (rds_data.Postgresql("%"), [[["root", "true", "true"]]]),
        (rds_data.Mysql("%"), [[["root@%"]], [[""]], [["GRANT CREATE USER ON *.* TO `app`@`%`"]]]),
    ],
    ids=["postgresql", "mysql"],
)
def test_a_superuser_is_changed_only_where_a_setting_allows_it(engine: Any, rows: list[list[list[str]]]) -> None:
    with refused(ConfigurationError, "'app'", "superusers"):
        engine.check_user(Session(*rows), "app", superusers=False)
    engine.check_user(Session(*rows), "app", superusers=True)


@pytest.mark.parametrize(
    ("mode", "password", "works"),
    [
        ("ANSI_QUOTES,NO_BACKSLASH_ESCAPES", "back\\slash", False),
        ("ANSI_QUOTES,NO_BACKSLASH_ESCAPES", "none", True),
        ("NO_BACKSLASH_ESCAPES_AT_ALL", "back\\slash", True),
        ("", "back\\slash", True),
    ],
)
def test_a_backslash_is_refused_only_where_it_would_not_be_escaped(mode: str, password: str, works: bool) -> None:
    session = Session([[mode]])
    if works:
        rds_data.Mysql("10.%").change_password(session, "a'b", password)  # type: ignore[arg-type]
        quoted = password.replace("\\", "\\\\")
        assert session.sent[1] == f"ALTER USER 'a''b'@'10.%' IDENTIFIED BY '{quoted}'"
    else:
        with refused(ConfigurationError, "NO_BACKSLASH_ESCAPES", "`exclude_characters`"):
            rds_data.Mysql("10.%").change_password(session, "a'b", password)  # type: ignore[arg-type]
        assert len(session.sent) == 1


def test_names_and_verifiers_stand_in_a_statement_as_numbers() -> None:
    session = Session()
    rds_data.Postgresql("%").change_password(session, 'A1"\u20ac', "new")  # type: ignore[arg-type]
    head, _, verifier = session.sent[0].partition(" PASSWORD E'")
    assert head == 'ALTER ROLE U&"A1\\+000022\\+0020ac"'
    assert verifier.startswith("SCRAM\\x2dSHA\\x2d256\\x244096\\x3a")
    assert verifier.endswith("'")


@pytest.mark.parametrize("password", ["plain", "a\u200b", "\u0378a\u00a0", "\x7fé\u00a0", "\u00ad"])
def test_the_verifier_is_the_one_that_clients_of_postgresql_log_in_with(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where SASLprep prohibits a character, they take the password as it is."""
    monkeypatch.setattr("secrets.token_bytes", lambda count: b"x" * count)
    session = Session([["root"]])
    rds_data.Postgresql("%").change_password(session, "app", password)  # type: ignore[arg-type]
    escaped = re.sub(r"[^A-Za-z0-9]", lambda found: f"\\x{ord(found[0]):02x}", scram.verifier(password))
    assert session.sent[0].endswith(f" PASSWORD E'{escaped}'")


# The probe, and what an answer proves.


class Database:
    """A Data API whose users' connections are as a test says; ``now`` counts on."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.clock = list(answers), 100.0
        self.manager = SecretsManager()
        self.arns = {name: self.manager.create(None, name) for name in ("admin", "probe")}

    def client(self, service: str, **_: str) -> Any:
        return self.manager.client() if service == "secretsmanager" else self

    def execute_statement(self, **request: str) -> dict[str, Any]:
        if request["secretArn"] == self.arns["admin"]:
            self.clock += 1
            return _records("root", "false", "true") if "pg_roles" in request["sql"] else _records(str(self.clock))
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(found, Exception):
            raise found
        user, age = found
        return _records(user, str(self.clock + age))

    def context(self, seconds: float = 60.0, **settings: str) -> Context:
        arns = {f"{name}_secret_arn": arn for name, arn in self.arns.items()}
        known = {**SETTINGS, **arns, **settings}
        return context(credential("s3cret-new"), credential("s3cret-old"), seconds=seconds, client=self.client, **known)

    def probe(self) -> Any:
        return json.loads(self.manager.secrets[self.arns["probe"]].text() or "null")


def _records(*texts: str) -> dict[str, Any]:
    return {"records": [[{"stringValue": text} for text in texts]]}


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr("time.sleep", found.append)
    return found


WRONG = answer("BadRequestException", "SQLState: 28P01")


def test_a_connection_that_is_newer_than_the_probe_proves_the_value(slept: list[float]) -> None:
    database = Database(("app", 0.5))
    rds_data.test_secret(database.context())
    assert database.probe() == {"username": "app", "password": "s3cret-new", "since": 101.0}
    assert slept == []


@pytest.mark.parametrize(
    ("answers", "kind", "named"),
    [
        ([WRONG], AuthenticationError, "'app'"),
        ([("other", 1)], TargetError, "another user"),
        ([("app", 0)], TargetError, "connection"),
        ([("app", -1)], TargetError, "connection"),
    ],
)
def test_what_proves_nothing_is_tried_with_growing_pauses_and_then_refused(
    slept: list[float], answers: list[Any], kind: type[RotationError], named: str
) -> None:
    with refused(kind, named):
        rds_data.test_secret(Database(*answers).context())
    assert slept == [0.5, 1.0, 2.0, 4.0]


def test_a_value_that_is_seen_late_is_not_written_again_and_after_a_stale_answer_it_is(slept: list[float]) -> None:
    late = Database(WRONG, ("app", 1))
    rds_data.test_secret(late.context())
    assert late.probe()["since"] == 101.0
    stale = Database(("app", -1), ("app", 1))
    rds_data.test_secret(stale.context())
    assert stale.probe()["since"] == 102.0


@pytest.mark.parametrize(("left", "tries"), [(25.2, 3), (24.8, 2)])
def test_it_is_tried_again_while_there_is_time_for_the_pause_and_three_calls(
    slept: list[float], left: float, tries: int
) -> None:
    """0.5 s are kept back; the second pause is 1 s, and a call takes up to 8 s."""
    database = Database(("app", -1))
    with refused(TargetError):
        rds_data.test_secret(database.context(seconds=left + 0.5))
    assert len(slept) + 1 == tries


def test_a_probe_that_holds_the_value_already_is_not_written(slept: list[float]) -> None:
    database = Database(("app", 1))
    rds_data.test_secret(database.context())
    database.manager.calls.clear()
    rds_data.test_secret(database.context())
    assert database.manager.calls == ["GetSecretValue"]


def test_a_probe_for_another_user_or_password_is_written_again(slept: list[float]) -> None:
    for changes in ({"username": "other"}, {"password": "other"}):
        database = Database(("app", 1))
        held = {"username": "app", "password": "s3cret-new", "since": 1.0, **changes}
        database.manager.put(database.arns["probe"], json.dumps(held))
        rds_data.test_secret(database.context())
        assert database.probe() == {"username": "app", "password": "s3cret-new", "since": 101.0}


@pytest.mark.parametrize("content", ['{"username": "u", "password": "p"}', "text", '{"since": 1}'])
def test_a_probe_with_something_else_is_named_and_not_overwritten(slept: list[float], content: str) -> None:
    database = Database(("app", 1))
    database.manager.put(database.arns["probe"], content)
    with refused(ConfigurationError, database.arns["probe"], "'probe_secret_arn'"):
        rds_data.test_secret(database.context())
    assert database.manager.secrets[database.arns["probe"]].text() == content


def test_what_the_probe_holds_is_shown_in_no_log(slept: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    database = Database(("app", 1))
    held = {"username": "app", "password": "probe-of-before", "since": 1.0}
    database.manager.put(database.arns["probe"], json.dumps(held))
    given = database.context()
    rds_data.test_secret(given)
    given.log.info(json.dumps(held), new=json.dumps(database.probe()))
    assert "[hidden]" in capsys.readouterr().out


@pytest.mark.parametrize("action", ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"])
def test_the_missing_permission_for_the_probe_is_named(slept: list[float], action: str) -> None:
    database = Database(("app", 1))

    def deny(moment: str, called: str) -> None:
        if (moment, f"secretsmanager:{called}") == ("before", action):
            raise ServiceError("AccessDeniedException", "Said by AWS.")

    database.manager.hooks.append(deny)
    with refused(AccessDeniedError, action, "Said by AWS."):
        rds_data.test_secret(database.context())


# A cluster that starts.


@pytest.mark.parametrize(("left", "tries"), [(11.2, 11), (10.8, 1)])
def test_a_paused_cluster_is_waited_for_while_there_is_time_for_one_more_call(
    slept: list[float], left: float, tries: int
) -> None:
    database = Database(answer("DatabaseResumingException"))
    cluster = rds_data.Cluster.of(database.context(seconds=left + 0.5))
    login = rds_data.Login("the user 'app'", database.arns["probe"])
    with refused(NetworkError, ACTION, "paused"):
        cluster.statements_as(login).run("SELECT 1")
    assert [pause for pause in slept if pause] == [3.0] * (tries - 1)


def test_any_other_failure_is_not_tried_again(slept: list[float]) -> None:
    database = Database(answer("DatabaseUnavailableException"))
    cluster = rds_data.Cluster.of(database.context())
    login = rds_data.Login("the user 'app'", database.arns["probe"])
    with refused(NetworkError, ACTION):
        cluster.statements_as(login).run("SELECT 1")
    assert slept == []


@pytest.mark.parametrize(
    ("engine", "database", "sent"),
    [("postgresql", "", "postgres"), ("postgresql", "app", "app"), ("mysql", "", None), ("mysql", "app", "app")],
)
def test_a_statement_is_sent_to_the_cluster_by_the_secret_of_who_logs_in(
    engine: str, database: str, sent: str | None
) -> None:
    requests: list[dict[str, str]] = []

    class Client:
        def execute_statement(self, **request: str) -> dict[str, Any]:
            requests.append(request)
            return {}

    settings = {**SETTINGS, "engine": engine, **({"dbname": database} if database else {})}
    given = context(credential("new"), client=lambda service: Client() if service == "rds-data" else None, **settings)
    cluster = rds_data.Cluster.of(given)
    assert cluster.statements_as(cluster.admin).run("SELECT 1") == []
    expected = {"resourceArn": "arn:cluster", "secretArn": "arn:admin", "sql": "SELECT 1"}
    assert requests == [expected | ({"database": sent} if sent else {})]
    assert cluster.admin.who == "the administrator"


def test_the_user_is_that_of_the_settings_or_else_of_the_secret() -> None:
    secret: Credential = credential("new")
    assert rds_data._username(step(), secret) == "app"
    assert rds_data._username(step(username="other"), secret) == "other"


# Before and after a change.


class ReuseRule:
    """A MySQL that refuses a password which the user has had, behind the Data API."""

    def __init__(self, password: str) -> None:
        self.manager = SecretsManager()
        self.probe = self.manager.create(name="probe")
        self.history, self.connections, self.loses_answers = [password], 100, False

    def context(self, pending: Credential) -> Context:
        settings = {"cluster_arn": "arn:cluster", "engine": "mysql", "admin_secret_arn": "arn:admin"}
        return context(pending, credential("s3cret-old"), client=self.client, probe_secret_arn=self.probe, **settings)

    def client(self, service: str) -> Any:
        return self.manager.client() if service == "secretsmanager" else self

    def execute_statement(self, *, secretArn: str, sql: str, **_: str) -> dict[str, Any]:  # noqa: N803
        self.connections += 1
        if secretArn == self.probe:
            document = json.loads(str(self.manager.secrets[self.probe].text()))
            if document["password"] != self.history[-1]:
                raise answer("BadRequestException", "Access denied for user 'app'")
            return rows("app@%", str(self.connections))
        answers = {
            "SHOW GLOBAL STATUS": ("Connections", str(self.connections)),
            "SHOW GRANTS": ("GRANT USAGE ON *.* TO `app`@`%`",),
            "SELECT CURRENT_USER": ("admin@%",),
            "SELECT @@sql_mode": ("",),
        }
        for statement, texts in answers.items():
            if sql.startswith(statement):
                return rows(*texts)
        return self.alter(sql.rpartition("BY ")[2].strip("'"))

    def alter(self, password: str) -> dict[str, Any]:
        if password in self.history:
            raise answer("BadRequestException", "Cannot use these credentials; Error code: 3638")
        self.history.append(password)
        if self.loses_answers:
            raise ReadTimeoutError(endpoint_url="data")
        return {}


def rows(*texts: str) -> dict[str, Any]:
    return {"records": [[{"stringValue": text} for text in texts]]}


def test_a_password_is_not_set_a_second_time() -> None:
    server = ReuseRule("s3cret-old")
    for _ in range(2):
        rds_data.set_secret(server.context(credential("s3cret-new")))
    assert server.history == ["s3cret-old", "s3cret-new"]


def test_a_change_whose_answer_was_lost_is_a_success() -> None:
    server = ReuseRule("s3cret-old")
    server.loses_answers = True
    rds_data.set_secret(server.context(credential("s3cret-new")))
    assert server.history[-1] == "s3cret-new"


def test_a_password_that_the_rule_refuses_is_an_error() -> None:
    server = ReuseRule("s3cret-new")
    server.history.append("s3cret-old")
    with pytest.raises(RotationError, match="3638"):
        rds_data.set_secret(server.context(credential("s3cret-new")))
