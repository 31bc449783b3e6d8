"""What the target redis tells of a server's answers, word for word."""

import json
import ssl

import pytest
import redis as driver

from secret_rotation.errors import AuthenticationError, ConfigurationError, NetworkError, RotationError, TargetError
from secret_rotation.targets import redis
from tests.support.contexts import context, credential

WHERE = "redis.example.com:6379"


def told(error: Exception, *, tls: bool = False) -> tuple[type[RotationError], str]:
    trust = ssl.create_default_context() if tls else None
    explained = redis.Server("redis.example.com", 6379, "app", trust)._explain(error, "app")
    return type(explained), str(explained)


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (driver.AuthenticationError("s3cret"), AuthenticationError, " refused the password of 'app'."),
        (
            driver.exceptions.NoPermissionError("s3cret"),
            ConfigurationError,
            ": the user 'app' may not change passwords. Grant it +acl|getuser, +acl|setuser and what 'persist' needs, "
            "or give the setting 'admin_secret_arn'.",
        ),
        (driver.ResponseError("s3cret"), TargetError, " refused a command (ResponseError)."),
    ],
)
def test_an_answer_is_told_by_what_it_means(error: Exception, kind: type[RotationError], text: str) -> None:
    assert told(error) == (kind, WHERE + text)


@pytest.mark.parametrize("error", [driver.ConnectionError("s3cret"), driver.TimeoutError("s3cret"), OSError("s3cret")])
def test_a_server_that_is_not_reached_is_told_with_what_to_check(error: Exception) -> None:
    text = f"{WHERE}: no answer ({type(error).__name__}). Check host, port, the function's network and security groups"
    assert told(error) == (NetworkError, f"{text}.")
    assert told(error, tls=True) == (NetworkError, f"{text}, and that the server speaks TLS.")


def test_a_handshake_that_fails_is_told_with_the_server() -> None:
    error = driver.ConnectionError("s3cret")
    error.__context__ = ssl.SSLError("s3cret")
    kind, text = told(error)
    assert kind is ConfigurationError
    assert text.startswith(f"{WHERE}: no TLS connection (SSLError). ")


class Server:
    """Stands for a connection: it answers commands, the last words of which are recorded."""

    def __init__(self, **answers: object) -> None:
        self.answers = answers

    def execute_command(self, *command: str) -> object:
        answer = self.answers[command[0].replace(" ", "_")]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("command", "answers"),
    [
        ("ACL SAVE", {"ACL_SAVE": driver.ResponseError("s3cret")}),
        ("CONFIG REWRITE", {"CONFIG_GET": {}, "CONFIG_REWRITE": driver.ResponseError("s3cret")}),
        ("CONFIG REWRITE", {"CONFIG_GET": {"aclfile": "/users.acl"}, "CONFIG_REWRITE": "OK"}),
    ],
)
def test_a_server_that_does_not_save_its_users_is_told_with_what_to_set(
    command: str, answers: dict[str, object]
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        redis._save(Server(**answers), command)  # type: ignore[arg-type]
    assert str(raised.value) == (
        f"{command} does not save the server's users, so a restart would bring the old passwords back. Set 'persist' "
        "to acl-save when the server has an ACL file (aclfile), to config-rewrite when its users are in the "
        "configuration file, or to none when another program keeps them."
    )


def test_a_user_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigurationError) as raised:
        redis._replace_passwords(Server(ACL_GETUSER=None), "app", credential("new"), [])  # type: ignore[arg-type]
    assert str(raised.value) == "The server has no user 'app'. Create it with the permissions that it needs."


def test_a_way_to_save_that_is_not_known_is_told_with_those_that_are() -> None:
    with pytest.raises(ConfigurationError) as raised:
        redis.set_secret(context(credential("new", host="localhost"), persist="yes"))
    assert str(raised.value) == "The setting 'persist' is 'yes'; allowed: acl-save, config-rewrite, none."


def test_each_value_that_is_not_accepted_is_logged_by_its_version_and_then_all_are_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AuthenticationError

    monkeypatch.setattr(redis.Server, "connect", refuse)
    place = {"host": "redis.example.com", "tls": "disable"}
    with pytest.raises(AuthenticationError) as raised:
        redis.set_secret(context(credential("new"), credential("old"), [credential("was")], **place))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["message"], line["candidate"]) for line in lines] == [
        ("A stored password is not accepted; trying the next.", f"version-{each}") for each in ("new", "old", "was")
    ]
    assert str(raised.value).startswith(f"{WHERE} accepts no stored password of 'app': pending, current, previous")


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
