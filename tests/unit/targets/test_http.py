"""The target http without a server: settings that it rejects, and what it makes of answers."""

import json

import pytest

from secret_rotation.errors import (
    AuthenticationError,
    ConfigurationError,
    LockedError,
    NetworkError,
    RotationError,
    SecretError,
)
from secret_rotation.target import Context
from secret_rotation.targets import http
from tests.messages import refused
from tests.support import contexts
from tests.support.contexts import credential

context = contexts.of("http")

URL = "https://localhost:1"
SETTINGS = {"set_url": f"{URL}/users/{{{{pending.username}}}}", "test_url": f"{URL}/me", "set_body": "{}"}
SET, TEST = f"PUT {URL}/users/{{{{pending.username}}}}", f"GET {URL}/me"
NEW, OLD, WAS = (credential(f"s3cret-{name}") for name in ("new", "old", "was"))


def step(**settings: str) -> Context:
    return context(NEW, OLD, **{**SETTINGS, **settings})


@pytest.mark.parametrize(
    ("setting", "value", "named"),
    [
        ("set_url", "localhost", []),
        ("set_url", "https://localhost:0/", []),
        ("set_url", "https://localhost:x/", []),
        ("set_url", "https://localhost/\x7f", []),
        ("set_url", "https://localhost/ä", []),
        ("set_url", "https://a..b/", []),
        ("test_url", "https://{{pending.host}}/", ["placeholder", "host"]),
        ("test_url", "http://localhost/", ["tls", "'disable'"]),
        ("set_headers", "[]", ["JSON"]),
        ("set_headers", "X: 1", ["JSON"]),
        ("set_headers", '{"": "1"}', ["''"]),
        ("set_headers", '{"a b": "1"}', ["'a b'"]),
        ("set_headers", '{"Content-length": "1"}', ["'Content-length'"]),
        ("set_headers", '{"Transfer-Encoding": "chunked"}', ["'Transfer-Encoding'"]),
        ("set_headers", '{"X-Key": "a\\rb"}', ["'X-Key'", "Latin-1"]),
        ("test_headers", '{"X-Key": "a\\nb"}', ["'X-Key'", "Latin-1"]),
        ("test_headers", '{"X-Key": "a\\u20acb"}', ["'X-Key'", "Latin-1"]),
        ("test_headers", '{"X-Key": "a\\u0000b"}', ["'X-Key'", "Latin-1"]),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(setting: str, value: str, named: list[str]) -> None:
    with refused(ConfigurationError, f"'{setting}'", *named):
        http.set_secret(step(**{setting: value}))


def test_a_signature_needs_a_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    with refused(ConfigurationError, "'sigv4_region'"):
        http.set_secret(step(set_auth="sigv4"))


def test_basic_authentication_cannot_send_a_user_name_with_a_colon() -> None:
    given = context(credential("s3cret-new", username="a:b"), **{**SETTINGS, "test_auth": "basic"})
    with refused(SecretError, "user name", "colon", "basic"):
        http.test_secret(given)


def test_a_signature_needs_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.session.Session.get_credentials", lambda _: None)
    with refused(ConfigurationError, SET, "credentials"):
        http.set_secret(step(set_auth="sigv4", sigv4_region="eu-west-1"))


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://[::1]/", ("::1", 443)),
        ("https://[fe80::1]:8443/", ("fe80::1", 8443)),
        ("http://[::1]/", ("::1", 80)),
        ("https://localhost/", ("localhost", 443)),
    ],
)
def test_a_url_without_a_port_is_asked_at_the_usual_one_by_address_too(
    url: str, address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []

    def connect(host: str, port: int, *_: object) -> None:
        asked.append((host, port))
        raise ConnectionRefusedError

    monkeypatch.setattr("secret_rotation.kit.http_client.connect", connect)
    with refused(NetworkError):
        http.test_secret(step(test_url=url, tls="disable"))
    assert asked == [address]


def test_a_server_that_is_not_reached_is_named_with_what_to_check() -> None:
    with refused(NetworkError, TEST, "ConnectionRefusedError", "security groups"):
        http.test_secret(step())


@pytest.mark.parametrize(
    ("status", "kind", "named"),
    [
        (300, ConfigurationError, "Redirects"),
        (399, ConfigurationError, "Redirects"),
        (400, ConfigurationError, "'test_status'"),
        (401, AuthenticationError, ""),
        (403, AuthenticationError, ""),
        (404, ConfigurationError, "'refused_status'"),
        (408, NetworkError, ""),
        (423, LockedError, "locked"),
        (425, NetworkError, ""),
        (428, ConfigurationError, "'test_status'"),
        (429, NetworkError, ""),
        (499, ConfigurationError, "'test_status'"),
        (500, NetworkError, ""),
    ],
)
def test_an_answer_is_classed_by_its_status(
    status: int, kind: type[RotationError], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http.Call, "send", lambda *_: status)
    monkeypatch.setattr("secret_rotation.target.time.sleep", lambda _: None)  # a refused value is tested again, later
    with refused(kind, TEST, str(status), named):
        http.test_secret(step())


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"set_auth": "basic"}, ["pending, current, previous", "'admin_secret_arn'"]),
        ({}, ["401", "403", "'set_auth'", "role"]),
        ({"set_auth": "basic", "admin_secret_arn": "arn:admin"}, ["administrator", "'admin_secret_arn'"]),
    ],
    ids=["stored values", "no login", "an administrator"],
)
def test_a_refused_request_names_whose_credential_was_refused(
    settings: dict[str, str], named: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http.Call, "send", lambda *_: 401)
    monkeypatch.setattr("secret_rotation.kit.administrator.read", lambda _: credential("s3cret-admin", username="root"))
    with refused(AuthenticationError, SET, *named):
        http.set_secret(step(**settings))


def test_each_value_that_was_refused_is_logged_by_its_version(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http.Call, "send", lambda *_: 401)
    with refused(AuthenticationError):
        http.set_secret(context(NEW, OLD, [WAS], **SETTINGS, set_auth="basic"))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["candidate"] for line in lines] == [each.version for each in (NEW, OLD, WAS)]
    assert all(line["message"] for line in lines)
