"""What the target http tells, word for word: about its settings, about answers, and about who was refused."""

import json
from typing import Any

import pytest

from secret_rotation.errors import (
    AuthenticationError,
    ConfigurationError,
    IdentityMismatchError,
    NetworkError,
    RotationError,
    SecretError,
)
from secret_rotation.target import Context
from secret_rotation.targets import http
from tests.support.contexts import context, credential

URL = "https://localhost:1"
SETTINGS = {"set_url": f"{URL}/users/{{{{pending.username}}}}", "test_url": f"{URL}/me", "set_body": "{}"}
SET, TEST = f"PUT {URL}/users/{{{{pending.username}}}}", f"GET {URL}/me"


def step(**settings: str) -> Context:
    return context(credential("new"), credential("old"), **{**SETTINGS, **settings})


def refused(kind: type[RotationError], given: Context, run: Any = http.set_secret) -> str:
    with pytest.raises(kind) as raised:
        run(given)
    return str(raised.value)


NOT_A_URL = "The setting 'set_url' must be a URL such as https://api.example.com/me, encoded."
NOT_HEADERS = "The setting 'set_headers' must be a JSON object of headers: name => text."


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"set_url": "localhost"}, NOT_A_URL),
        ({"set_url": "https://localhost:0/"}, NOT_A_URL),
        ({"set_url": "https://localhost:x/"}, NOT_A_URL),
        ({"set_url": "https://localhost/\x7f"}, NOT_A_URL),
        ({"set_url": "https://localhost/ä"}, NOT_A_URL),
        ({"set_url": "https://a..b/"}, NOT_A_URL),
        (
            {"test_url": "https://{{pending.host}}/"},
            "The setting 'test_url' has a placeholder in its host: whoever can write a version of the secret could "
            "then choose where credentials are sent. Write the host out.",
        ),
        (
            {"test_url": "http://localhost/"},
            "The setting 'test_url' is not https. To send credentials unprotected: tls = 'disable'.",
        ),
        ({"set_method": "put"}, "The setting 'set_method' is 'put'; allowed are methods such as PUT, POST, GET."),
        ({"set_headers": "[]"}, NOT_HEADERS),
        ({"set_headers": "X: 1"}, NOT_HEADERS),
        ({"set_headers": '{"": "1"}'}, NOT_HEADERS),
        ({"set_auth": "digest"}, "The setting 'set_auth' is 'digest'; allowed: none, basic, bearer, sigv4."),
        ({"set_status": "2xx"}, "The setting 'set_status' is '2xx'; allowed are for example 200,204 or 200-299."),
        ({"set_status": "600"}, "The setting 'set_status' is '600'; allowed are for example 200,204 or 200-299."),
        ({"set_auth": "sigv4"}, "The target needs the setting 'sigv4_region'."),
    ],
)
def test_a_wrong_setting_is_told_with_what_is_allowed(
    settings: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    assert refused(ConfigurationError, step(**settings)) == told


def test_a_pending_value_for_another_path_is_told_with_what_to_do() -> None:
    pending, current = credential("new", tenant="theirs"), credential("old", tenant="mine")
    given = context(pending, current, **{**SETTINGS, "test_url": f"{URL}/{{{{pending.tenant}}}}"})
    assert refused(IdentityMismatchError, given) == (
        "The pending value differs from the current one in 'tenant', which stands in test_url. It is not used. Put a "
        "value by hand to abandon this rotation."
    )


def test_a_user_name_that_basic_authentication_cannot_send_is_told() -> None:
    given = context(credential("new", username="a:b"), **{**SETTINGS, "test_auth": "basic"})
    assert refused(SecretError, given, http.test_secret) == (
        "The user name has a colon, which basic authentication cannot send."
    )


def test_a_function_without_credentials_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("boto3.Session.get_credentials", lambda _: None)
    given = step(set_auth="sigv4", sigv4_region="eu-west-1")
    assert refused(ConfigurationError, given) == f"{SET}: the function has no AWS credentials to sign with."


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

    def connect(where: tuple[str, int], *_: object) -> None:
        asked.append(where)
        raise ConnectionRefusedError

    monkeypatch.setattr("socket.create_connection", connect)
    refused(NetworkError, step(test_url=url, tls="disable"), http.test_secret)
    assert asked == [address]


def test_a_server_that_is_not_reached_is_told_with_what_to_check() -> None:
    assert refused(NetworkError, step(), http.test_secret) == (
        f"{TEST}: no answer (ConnectionRefusedError). Check the URL, the function's network and security groups."
    )


TROUBLE = "the service is in trouble. The rotation is tried again."


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (300, ConfigurationError, "300. Redirects are not followed: give the final URL."),
        (399, ConfigurationError, "399. Redirects are not followed: give the final URL."),
        (400, ConfigurationError, "400, which is not in 'test_status'."),
        (401, AuthenticationError, "401: the value was refused."),
        (403, AuthenticationError, "403: the value was refused."),
        (428, ConfigurationError, "428, which is not in 'test_status'."),
        (429, NetworkError, f"429: {TROUBLE}"),
        (499, ConfigurationError, "499, which is not in 'test_status'."),
        (500, NetworkError, f"500: {TROUBLE}"),
    ],
)
def test_an_answer_is_told_by_what_it_means(
    status: int, kind: type[RotationError], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http.Call, "send", lambda *_: status)
    assert refused(kind, step(), http.test_secret) == f"{TEST} answered {told}"


EVERY_VALUE = (
    f"{SET} was refused with every stored value: pending, current, previous and the versions without a label. Put a "
    "working one by hand, or give 'admin_secret_arn'."
)
REFUSALS = {
    "stored values": ({"set_auth": "basic"}, EVERY_VALUE),
    "no login": (
        {},
        f"{SET} was refused (401 or 403). Check 'set_auth', and what the function's role may do.",
    ),
    "an administrator": (
        {"set_auth": "basic", "admin_secret_arn": "arn:admin"},
        f"{SET} was refused with the administrator's credential. Check the secret in 'admin_secret_arn'.",
    ),
}


@pytest.mark.parametrize("who", REFUSALS)
def test_who_was_refused_is_told_with_what_to_do(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, told = REFUSALS[who]
    monkeypatch.setattr(http.Call, "send", lambda *_: 401)
    monkeypatch.setattr("secret_rotation.kit.administrator.read", lambda _: credential("admins"))
    assert refused(AuthenticationError, step(**settings)) == told


def test_each_value_that_was_refused_is_logged_by_its_version(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http.Call, "send", lambda *_: 401)
    given = context(credential("new"), credential("old"), [credential("was")], **SETTINGS, set_auth="basic")
    refused(AuthenticationError, given)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["message"], line["candidate"]) for line in lines] == [
        ("The set request was refused with this value.", f"version-{password}") for password in ("new", "old", "was")
    ]
