"""The target redis without a server: what it makes of errors and answers, and who and where the server is."""

import json
import ssl

import pytest

from secret_rotation.errors import AuthenticationError, ConfigurationError, NetworkError, RotationError, TargetError
from secret_rotation.kit import tls as kit_tls
from secret_rotation.kit.redis_client import MalformedError, RefusedError
from secret_rotation.targets import redis
from tests.messages import assert_explains, refused
from tests.support import contexts
from tests.support.contexts import credential

context = contexts.of("redis")

WHERE = "redis.example.com:6379"


def assert_error(error: Exception, kind: type[RotationError], *named: str, tls: bool = False) -> None:
    trust = kit_tls.context({}) if tls else None
    server = redis.Server("redis.example.com", 6379, "app", trust)
    assert_explains(server._explain(error, "app"), kind, WHERE, *named)


@pytest.mark.parametrize(
    ("answer", "kind", "named"),
    [
        ("WRONGPASS s3cret", AuthenticationError, ["'app'"]),
        ("NOAUTH s3cret", AuthenticationError, ["'app'"]),
        ("ERR invalid password", AuthenticationError, ["'app'"]),
        ("ERR Client sent AUTH, but no password is set", AuthenticationError, ["'app'"]),
        (
            "NOPERM s3cret",
            ConfigurationError,
            ["'app'", "+acl|getuser", "+acl|setuser", "'persist'", "'admin_secret_arn'"],
        ),
        ("ERR unknown command 'ACL', with args: s3cret", ConfigurationError, ["rename-command"]),
        ("LOADING s3cret", NetworkError, ["LOADING"]),
        ("READONLY s3cret", TargetError, ["READONLY"]),
        ("s3cret", TargetError, []),
    ],
)
def test_an_answer_is_classed_by_what_it_means(answer: str, kind: type[RotationError], named: list[str]) -> None:
    assert_error(RefusedError(answer), kind, *named)


@pytest.mark.parametrize("error", [ConnectionError("s3cret"), TimeoutError("s3cret"), OSError("s3cret")])
def test_a_server_that_is_not_reached_is_named_with_what_to_check(error: Exception) -> None:
    assert_error(error, NetworkError, type(error).__name__, "security groups")
    assert_error(error, NetworkError, type(error).__name__, "security groups", "TLS", tls=True)


def test_a_server_that_speaks_otherwise_is_named_with_what_to_check() -> None:
    assert_error(MalformedError("s3cret"), NetworkError, "security groups", "port")


def test_a_failed_handshake_names_the_server_and_the_setting() -> None:
    assert_error(ssl.SSLError("s3cret"), ConfigurationError, "SSLError", "'tls_ca'")


class Server:
    """Stands for a connection: it answers commands, the last words of which are recorded."""

    def __init__(self, **answers: object) -> None:
        self.answers = answers

    def run(self, *command: str) -> object:
        answer = self.answers[command[0].replace(" ", "_")]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("command", "answers"),
    [
        ("ACL SAVE", {"ACL_SAVE": RefusedError("ERR s3cret")}),
        ("CONFIG REWRITE", {"CONFIG_GET": [], "CONFIG_REWRITE": RefusedError("ERR s3cret")}),
        ("CONFIG REWRITE", {"CONFIG_GET": ["aclfile", "/users.acl"], "CONFIG_REWRITE": "OK"}),
    ],
)
def test_a_server_that_does_not_save_its_users_names_the_command_and_the_setting(
    command: str, answers: dict[str, object]
) -> None:
    with refused(ConfigurationError, command, "'persist'", "acl-save", "aclfile", "config-rewrite", "none"):
        redis._save(Server(**answers), command)  # type: ignore[arg-type]


def test_a_user_that_does_not_exist_is_named() -> None:
    with refused(ConfigurationError, "'app'"):
        redis._replace_passwords(Server(ACL_GETUSER=None), "app", credential("s3cret"), [])  # type: ignore[arg-type]


def test_each_value_that_is_not_accepted_is_logged_by_its_version(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AuthenticationError

    monkeypatch.setattr(redis.Server, "connect", refuse)
    tried = [credential(f"s3cret-{name}") for name in ("new", "old", "was")]
    with refused(AuthenticationError, WHERE, "'app'", *(each.version for each in tried), "'admin_secret_arn'"):
        redis.set_secret(context(tried[0], tried[1], tried[2:], host="redis.example.com", tls="disable"))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["candidate"] for line in lines] == [each.version for each in tried]
    assert all(line["message"] for line in lines)


@pytest.mark.parametrize("where", ["settings", "secret", "nowhere"])
def test_where_and_who_the_server_is_for(where: str) -> None:
    """The settings go before the secret; without either it is the usual port and user."""
    place = {"host": "h", "port": "6380", "username": "u"}
    other = {"host": "x", "port": 1, "username": "y"}
    secret = place if where == "secret" else other if where == "settings" else {"host": "h", "username": None}
    settings = place if where == "settings" else {}
    found = redis.Server.of(context(None, tls="disable", **settings), credential("p", **secret))
    assert (found.host, found.port, found.username) == (
        ("h", 6379, "default") if where == "nowhere" else ("h", 6380, "u")
    )
