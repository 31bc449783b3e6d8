"""The http target: any REST API that settings describe. Requests go to a small API, logins to a RabbitMQ server."""

import base64
import contextlib
import hashlib
import hmac
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

import pytest

from rotation_lab.model.secrets_manager import PENDING, SecretsManager
from rotation_lab.services import api, authority, door, rabbitmq
from rotation_lab.services.api import Api, Request
from secret_rotation.errors import (
    AuthenticationError,
    ConfigurationError,
    LockedError,
    NetworkError,
    PendingMismatchError,
    RotationError,
    SecretError,
    ValueRefusedError,
)
from secret_rotation.target import Context
from secret_rotation.targets import http
from tests.operating import NONE, PREFLIGHT, Operating
from tests.support import contexts
from tests.support.contexts import credential, plain
from tests.support.function import RotationFunction
from tests.target_contract import Installation, InWorlds, Setup, TargetContract

context = contexts.of("http")


@pytest.fixture(autouse=True)
def _no_other_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    # Reading those of the system takes most of the time of a step, and the tests make hundreds.
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    monkeypatch.setenv("SSL_CERT_DIR", "/dev/null")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secret_rotation.target.PAUSES", (0.001,))


HOSTILE = [
    'quote"and\\backslash',
    "line\nbreak\r\nX-Injected: 1",
    "slash/../..?query=1&x=2#fragment",
    "%2e%2e per%cent",
    "ünïcode €",
    '","admin":true,"x":"',
    "{{current.username}}",
]
"""Values that would change a request if they were pasted."""


@pytest.fixture
def service() -> Iterator[Api]:
    with api.start() as running:
        yield running


def settings(service: Api, **others: str) -> dict[str, str]:
    """The least that the target needs, without TLS and without a login."""
    return {
        "set_url": f"{service.url}/users/{{{{pending.username}}}}",
        "set_body": '{"password": "{{pending.password}}"}',
        "test_url": f"{service.url}/me",
        "tls": "disable",
        **others,
    }


def basic(request: Request) -> str:
    """The user name and password of a request, as ``name:password``."""
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    return base64.b64decode(text).decode() if kind == "Basic" else ""


class Account:
    """An API with one account, whose password its owner changes. ``refused`` answers a wrong password."""

    def __init__(self, password: str, refused: int = 401, unchanged: int = 204) -> None:
        self.password, self.refused, self.unchanged, self.attempts = password, refused, unchanged, list[str]()

    def __call__(self, request: Request) -> int:
        given = basic(request).partition(":")[2]
        self.attempts.append(given)
        if given != self.password:
            return self.refused
        if request.method == "GET":
            return 200
        new = json.loads(request.body)["password"]
        status = self.unchanged if new == self.password else 204
        self.password = new
        return status


BASIC = {"set_auth": "basic", "test_auth": "basic"}


# What is sent.


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_in_a_json_body_is_one_string_whatever_it_holds(service: Api, value: str) -> None:
    body = '{"user": {"names": ["{{pending.username}}"]}, "password": "a {{ pending.password }} b", "n": 1.5}'
    http.set_secret(context(credential(value), **settings(service, set_body=body)))
    assert json.loads(service.last.body) == {"user": {"names": ["app"]}, "password": f"a {value} b", "n": 1.5}
    assert service.last.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_in_a_form_is_one_field_whatever_it_holds(service: Api, value: str) -> None:
    headers = '{"content-type": "application/x-www-form-urlencoded; charset=utf-8"}'
    body = "user={{pending.username}}&password={{pending.password}}&empty="
    http.set_secret(context(credential(value), **settings(service, set_body=body, set_headers=headers)))
    fields = parse_qs(service.last.body.decode(), keep_blank_values=True)
    assert fields == {"user": ["app"], "password": [value], "empty": [""]}


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_in_a_url_is_one_segment_or_one_field_whatever_it_holds(service: Api, value: str) -> None:
    url = f"{service.url}/users/{{{{pending.password}}}}/x?p={{{{pending.password}}}}&q=1"
    http.set_secret(context(credential(value), **settings(service, set_url=url)))
    sent = urlsplit(service.last.path)
    assert [unquote(part) for part in sent.path.split("/")] == ["", "users", value, "x"]
    assert parse_qs(sent.query) == {"p": [value], "q": ["1"]}


@pytest.mark.parametrize("value", HOSTILE)
def test_a_plain_text_body_is_the_value_itself(service: Api, value: str) -> None:
    given = settings(service, set_body="{{pending}}", set_headers='{"Content-Type": "text/plain"}')
    http.set_secret(context(plain(value), **{**given, "set_url": f"{service.url}/password"}))
    assert service.last.body.decode() == value


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_in_a_header_arrives_as_it_is_or_is_refused(service: Api, value: str) -> None:
    given = context(credential(value), **settings(service, set_headers='{"X-Key": "k={{pending.password}}"}'))
    if value.isprintable() and value.isascii():
        http.set_secret(given)
        assert service.last.headers["X-Key"] == f"k={value}"
    else:
        with pytest.raises(SecretError, match="header"):
            http.set_secret(given)
        assert service.requests == []


@pytest.mark.parametrize("value", [".", ".."])
def test_a_value_that_would_climb_the_path_is_refused(service: Api, value: str) -> None:
    with pytest.raises(SecretError, match="path"):
        http.set_secret(context(credential("new", username=value), **settings(service)))
    assert service.requests == []


@pytest.mark.parametrize("value", HOSTILE)
def test_basic_authentication_sends_any_password(service: Api, value: str) -> None:
    http.test_secret(context(credential(value), **settings(service, test_auth="basic")))
    assert basic(service.last) == f"app:{value}"


def test_basic_authentication_refuses_a_user_name_with_a_colon(service: Api) -> None:
    with pytest.raises(SecretError, match="colon"):
        http.test_secret(context(credential("new", username="a:b"), **settings(service, test_auth="basic")))


def test_a_plain_text_secret_is_sent_as_a_bearer_token(service: Api) -> None:
    given = {**settings(service, test_auth="bearer"), "set_url": f"{service.url}/token"}
    http.test_secret(context(plain("t0ken-value"), **given))
    assert service.last.headers["Authorization"] == "Bearer t0ken-value"


def test_a_plain_text_secret_has_its_user_name_in_the_settings(service: Api) -> None:
    given = {**settings(service, test_auth="basic", auth_username="robot"), "set_url": f"{service.url}/password"}
    http.test_secret(context(plain("t0ken-value"), **given))
    assert basic(service.last) == "robot:t0ken-value"


def test_the_login_may_be_made_of_other_keys_than_the_usual_ones(service: Api) -> None:
    names = {"auth_username": "{{login.client_id}}", "auth_password": "k-{{login.password}}"}
    value = credential("new", client_id="c1")
    http.test_secret(context(value, **settings(service, test_auth="basic", **names)))
    assert basic(service.last) == "c1:k-new"
    http.test_secret(context(value, **settings(service, test_auth="bearer", auth_token="{{login.client_id}}.1")))
    assert service.last.headers["Authorization"] == "Bearer c1.1"


def test_a_token_that_would_add_a_header_is_refused(service: Api) -> None:
    with pytest.raises(SecretError, match="header"):
        http.test_secret(context(credential("a\r\nX-Injected: 1"), **settings(service, test_auth="bearer")))
    assert service.requests == []


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_there_is_one_authorization_whatever_the_headers_say(service: Api, auth: str) -> None:
    given = settings(service, test_auth=auth, test_headers='{"authorization": "of the settings"}')
    http.test_secret(context(credential("new"), **given))
    sent = service.last.headers.get_all("Authorization")
    assert sent is not None
    assert [header.partition(" ")[0].lower() for header in sent] == [auth]


def test_a_url_without_a_path_is_asked_for_its_root_and_no_body_is_sent_unless_there_is_one(service: Api) -> None:
    http.test_secret(context(credential("new"), **settings(service, test_url=service.url, test_method="POST")))
    assert (service.last.path, service.last.body) == ("/", b"")
    assert service.last.headers["Content-Type"] is None


def test_the_old_value_can_be_sent_with_the_new_one(service: Api) -> None:
    body = '{"old": "{{login.password}}", "new": "{{pending.password}}", "was": "{{current.password}}"}'
    account = credential("old")
    service.answer = lambda request: 204 if json.loads(request.body)["old"] == "old" else 401
    given = settings(service, set_method="POST", set_body=body)
    http.set_secret(context(credential("new"), account, **given))
    assert (service.last.method, json.loads(service.last.body)) == ("POST", {"old": "old", "new": "new", "was": "old"})


def test_sigv4_signs_with_the_credentials_of_the_function(service: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session-token")
    given = settings(service, set_auth="sigv4", sigv4_service="execute-api", sigv4_region="eu-west-1")
    given["set_url"] = f"{service.url}/users/{{{{pending.username}}}}?b=2&a=1"
    http.set_secret(context(credential("new", username="a b"), **given))
    assert signature(service.last, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY") in service.last.headers["Authorization"]
    assert service.last.headers["X-Amz-Security-Token"] == "session-token"


@pytest.mark.parametrize(
    ("more", "scope"),
    [
        ({}, "eu-north-1/execute-api"),
        ({"sigv4_service": "es", "sigv4_region": "us-west-2"}, "us-west-2/es"),
    ],
)
def test_sigv4_signs_by_default_for_the_api_gateway_of_the_functions_region(
    service: Api, monkeypatch: pytest.MonkeyPatch, more: dict[str, str], scope: str
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    http.set_secret(
        context(credential("new"), **settings(service, set_auth="sigv4", set_headers='{"X-A": "1"}', **more))
    )
    assert f"/{scope}/aws4_request, SignedHeaders=" in service.last.headers["Authorization"]
    assert (service.last.headers["X-A"], service.last.headers["Content-Type"]) == ("1", "application/json")


def signature(request: Request, key: str) -> str:
    """The signature that AWS would compute for what was received: Signature Version 4, written once more."""
    _, _, rest = request.headers["Authorization"].partition("Credential=")
    scope = rest.split(",")[0].split("/", 1)[1]
    names = rest.partition("SignedHeaders=")[2].split(",")[0].split(";")
    path, _, query = request.path.partition("?")
    canonical = "\n".join(
        [
            request.method,
            path.replace("%", "%25"),
            "&".join(sorted(query.split("&"))),
            *(f"{name}:{request.headers[name]}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(request.body).hexdigest(),
        ]
    )
    text = "\n".join(
        ["AWS4-HMAC-SHA256", request.headers["X-Amz-Date"], scope, hashlib.sha256(canonical.encode()).hexdigest()]
    )
    secret = f"AWS4{key}".encode()
    for part in (*scope.split("/"), text):
        secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
    return secret.hex()


# Which credential opens the API.


@pytest.mark.parametrize("refused", [401, 403])
def test_stored_values_are_tried_until_one_is_accepted(service: Api, refused: int) -> None:
    service.answer = account = Account("older", refused)
    older = [credential("previous"), credential("older"), credential("oldest")]
    http.set_secret(context(credential("new"), credential("old"), older, **settings(service, **BASIC)))
    assert account.password == "new"
    assert account.attempts == ["new", "old", "previous", "older"]


def test_an_older_value_of_another_shape_is_passed_over(service: Api) -> None:
    service.answer = account = Account("oldest")
    older = [plain("not JSON"), credential("oldest")]
    http.set_secret(context(credential("new"), credential("old"), older, **settings(service, **BASIC)))
    assert account.password == "new"


def test_no_stored_value_is_accepted_and_the_error_says_which_were_tried(service: Api) -> None:
    service.answer = Account("somebody else's")
    with pytest.raises(AuthenticationError, match="pending, current, previous"):
        http.set_secret(context(credential("new"), credential("old"), **settings(service, **BASIC)))


def test_an_api_that_refuses_an_unchanged_password_has_it_already_when_the_test_passes(service: Api) -> None:
    service.answer = account = Account("new", unchanged=422)
    http.set_secret(context(credential("new"), credential("old"), **settings(service, **BASIC)))
    assert account.password == "new"


def test_an_api_that_refuses_a_password_fails_the_step_although_the_old_one_works(service: Api) -> None:
    service.answer = lambda request: 200 if basic(request) == "app:old" and request.method == "GET" else 422
    with pytest.raises(ConfigurationError, match="422"):
        http.set_secret(context(credential("new"), credential("old"), **settings(service, **BASIC)))


def test_an_api_that_refuses_a_password_for_what_it_is_has_not_taken_it_because_the_old_one_works(service: Api) -> None:
    """The old password logs in and is told that the new one is too weak, say; the test passes with the old one."""

    def answer(request: Request) -> int:
        if basic(request) != "app:old":
            return 401
        return 200 if request.method == "GET" else 422

    service.answer = answer
    with pytest.raises(ConfigurationError, match="422"):
        http.set_secret(context(credential("new"), credential("old"), **settings(service, **BASIC)))


def test_an_api_in_trouble_is_not_taken_to_have_the_password_already(service: Api) -> None:
    service.answer = lambda request: 200 if request.method == "GET" else 500
    with pytest.raises(NetworkError, match="500"):
        http.set_secret(context(credential("new"), credential("old"), **settings(service, **BASIC)))


def test_stored_tokens_are_tried_until_one_is_accepted(service: Api) -> None:
    service.answer = lambda request: 204 if request.headers["Authorization"] == "Bearer old" else 401
    http.set_secret(context(credential("new"), credential("old"), **settings(service, set_auth="bearer")))
    assert service.last.headers["Authorization"] == "Bearer old"


def test_a_request_that_does_not_log_in_is_sent_once(service: Api) -> None:
    service.answer = lambda request: 403
    with pytest.raises(AuthenticationError, match="set_auth"):
        http.set_secret(context(credential("new"), credential("old"), **settings(service)))
    assert len(service.requests) == 1


class AdministratorsSecret:
    """Answers GetSecretValue of the administrator's secret."""

    def __init__(self, text: str) -> None:
        self.text, self.asked = text, list[str]()

    def get_secret_value(self, SecretId: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        self.asked.append(SecretId)
        return {"VersionId": "v1", "SecretString": self.text}


@pytest.mark.parametrize("text", ['{"username": "root", "password": "r00t-password"}', "r00t-password"])
def test_an_administrator_sends_the_set_request_and_the_user_the_test(
    service: Api, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    manager = AdministratorsSecret(text)
    given = settings(service, admin_secret_arn="arn:admin", **BASIC)
    user = "app"
    if text[0] != "{":
        user = given["auth_username"] = "root"
    step = context(credential("new"), credential("old"), client=lambda name: manager, **given)
    http.set_secret(step)
    assert (basic(service.last), manager.asked) == ("root:r00t-password", ["arn:admin"])
    http.test_secret(step)
    assert basic(service.last) == f"{user}:new"
    step.log.info(f"would show {text} and r00t-password")
    assert "r00t" not in capsys.readouterr().out.replace('"username": "root"', "")


def test_a_refused_administrator_is_reported_as_such(service: Api) -> None:
    service.answer = lambda request: 401
    given = settings(service, admin_secret_arn="arn:admin", **BASIC)
    manager = AdministratorsSecret('{"username": "root", "password": "r00t-password"}')
    with pytest.raises(AuthenticationError, match="administrator"):
        http.set_secret(context(credential("new"), credential("old"), client=lambda name: manager, **given))
    assert [request.method for request in service.requests].count("PUT") == 1


# A set request that is not to be repeated.


ANSWERS = [400, 403, 409, 422, 303]
"""Of APIs that refuse a password that is not new."""


def administered(service: Api, **others: str) -> Context:
    """A step in which an administrator sets the password."""
    manager = AdministratorsSecret('{"username": "root", "password": "r00t-password"}')
    given = settings(service, admin_secret_arn="arn:admin", **BASIC, **others)
    return context(credential("new"), credential("old"), client=lambda name: manager, **given)


@pytest.mark.parametrize(
    ("changed", "error", "named"),
    [
        ({"set_url": "http://localhost:1/me"}, NetworkError, "localhost:1"),
        ({"set_body": '{"p": "{{current.missing}}"}'}, SecretError, "missing"),
        ({"allowed_usernames": "other"}, ConfigurationError, "'allowed_usernames'"),
    ],
)
def test_preflight_sees_what_the_set_request_would_meet_and_sends_none(
    service: Api, changed: dict[str, str], error: type[RotationError], named: str
) -> None:
    with pytest.raises(error, match=named):
        http.check(administered(service, **changed))
    http.check(administered(service))
    assert service.requests == []


class Once:
    """An API that takes each password once. Of the first ``lost`` answers to a set request none arrives."""

    def __init__(self, unchanged: int, lost: int = 0, refused: int = 401) -> None:
        self.password, self.unchanged, self.lost, self.refused = "old", unchanged, lost, refused
        self.set = list[int]()

    def __call__(self, request: Request) -> int:
        login = basic(request)
        if login not in ("root:r00t-password", f"app:{self.password}"):
            return self.refused
        if request.method == "GET":
            return 200
        new = json.loads(request.body)["password"]
        self.set.append(self.unchanged if new == self.password else 204)
        self.password = new
        if self.lost >= len(self.set):
            raise ConnectionError
        return self.set[-1]


@pytest.mark.parametrize("status", ANSWERS)
@pytest.mark.parametrize("by", ["itself", "an administrator"])
def test_a_set_request_whose_answer_was_lost_has_succeeded_when_the_value_works(
    service: Api, status: int, by: str
) -> None:
    service.answer = account = Once(status, lost=1)
    for _ in range(3):  # setSecret comes again
        itself = context(credential("new"), credential("old"), **settings(service, **BASIC))
        http.set_secret(administered(service) if by == "an administrator" else itself)
    assert (account.password, account.set) == ("new", [204])


@pytest.mark.parametrize("status", ANSWERS)
def test_an_api_that_refuses_what_another_run_has_set_has_the_value(service: Api, status: int) -> None:
    """The step runs twice at once: the other one sets the value after this one has looked."""
    account = Once(status)

    def answer(request: Request) -> int:
        if request.method == "PUT":
            account.password = "new"
        return account(request)

    service.answer = answer
    http.set_secret(administered(service))
    assert account.set == [status]


@pytest.mark.parametrize(
    ("username", "patterns", "message"),
    [
        ("app", "other, ap*", None),
        ("app", None, None),
        ("victim", "app*", "allowed_usernames"),
        ("APP", "app*", "allowed_usernames"),
        ("root", None, "administrator itself"),
        ("ROOT", "*", "administrator itself"),
    ],
)
def test_an_administrator_changes_only_users_that_a_setting_allows(
    service: Api, username: str, patterns: str | None, message: str | None
) -> None:
    """Whatever names the user in the request."""
    given = settings(service, admin_secret_arn="arn:admin", **BASIC)
    given["set_url"] += "/{{pending.username}}"
    given |= {"allowed_usernames": patterns} if patterns else {}
    manager = AdministratorsSecret('{"username": "root", "password": "r00t-password"}')
    versions = (credential(word, username=username) for word in ("new", "old"))
    step = context(*versions, client=lambda name: manager, **given)
    service.answer = lambda request: 200 if request.method == "PUT" else 401
    if message is None:
        http.set_secret(step)
    else:
        with pytest.raises(ConfigurationError, match=message):
            http.set_secret(step)
    assert [request.method for request in service.requests].count("PUT") == (message is None)


def test_a_refused_value_is_reported_by_the_set_request_and_not_by_the_test(service: Api) -> None:
    service.answer = lambda request: 422 if request.method == "PUT" else 401
    with pytest.raises(ValueRefusedError, match=r"PUT .*422.*'set_status'.*`password`"):
        http.set_secret(administered(service))
    assert [request.method for request in service.requests] == ["GET", "PUT", "GET"]


def test_a_set_request_without_an_answer_is_reported_as_such_when_the_value_does_not_work(service: Api) -> None:
    def answer(request: Request) -> int:
        if request.method == "PUT":
            raise ConnectionError
        return 401

    service.answer = answer
    with pytest.raises(NetworkError, match=r"PUT .*\d s"):
        http.set_secret(administered(service))


def test_a_login_that_locks_after_three_is_tried_as_often_as_the_setting_says(service: Api) -> None:
    service.answer = account = Account("somebody else's")
    older = [credential(f"older{n}") for n in range(9)]
    with pytest.raises(AuthenticationError, match="'max_logins'"):
        http.set_secret(
            context(credential("new"), credential("old"), older, **settings(service, **BASIC, max_logins="2"))
        )
    assert account.attempts == ["new", "old"]


@pytest.mark.parametrize("status", [404, 500])
def test_a_test_that_is_wrong_does_not_keep_the_pending_value_from_logging_in(service: Api, status: int) -> None:
    """An earlier run has set the value, so that it alone logs in."""
    account = Account("new")
    service.answer = lambda request: account(request) if request.method == "PUT" else status
    http.set_secret(context(credential("new"), credential("old"), **settings(service, **BASIC)))
    assert account.attempts == ["new"]


@pytest.mark.parametrize("status", [422, 500])
def test_a_test_that_succeeds_with_any_value_proves_nothing(
    service: Api, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The value is set all the same, and what refuses it is told."""
    service.answer = lambda request: 200
    http.set_secret(administered(service))
    assert [request.method for request in service.requests].count("PUT") == 1
    assert "test_url" in capsys.readouterr().out
    service.answer = lambda request: 200 if request.method == "GET" else status
    with pytest.raises(RotationError, match=str(status)):
        http.set_secret(administered(service))


def test_a_test_without_the_value_in_it_is_not_asked_whether_the_value_works(service: Api) -> None:
    http.set_secret(context(credential("new"), credential("old"), **settings(service)))
    assert [request.method for request in service.requests] == ["PUT"]


@pytest.mark.parametrize("status", [400, 404, 409, 422])
def test_an_api_may_refuse_a_login_by_another_status(service: Api, status: int) -> None:
    service.answer = account = Account("older", status)
    given = settings(service, **BASIC, refused_status=f"401,{status}")
    http.set_secret(context(credential("new"), credential("old"), [credential("older")], **given))
    assert (account.password, account.attempts) == ("new", ["new", "old", "older"])


@pytest.mark.parametrize("status", [400, 404, 409, 422])
def test_any_other_refusal_ends_the_search_for_a_login(service: Api, status: int) -> None:
    service.answer = account = Account("older", status)
    with pytest.raises(ConfigurationError, match=f"{status}.*'refused_status'"):
        http.set_secret(
            context(credential("new"), credential("old"), [credential("older")], **settings(service, **BASIC))
        )
    assert account.attempts == ["new", "new", "new"]


@pytest.mark.parametrize(("status", "error"), [(423, LockedError), (429, NetworkError)])
def test_an_account_that_is_locked_is_not_tried_further(service: Api, status: int, error: type[RotationError]) -> None:
    service.answer = lambda request: status
    with pytest.raises(error, match=str(status)):
        http.set_secret(context(credential("new"), credential("old"), **settings(service, **BASIC)))
    assert len(service.requests) == 1


@pytest.mark.parametrize("moment", ["set", "log in"])
def test_an_api_may_take_six_seconds_of_a_function_that_has_sixty(service: Api, moment: str) -> None:
    account = Once(422)

    def answer(request: Request) -> int:
        if (request.method == "PUT") == (moment == "set"):
            time.sleep(6)
        return account(request)

    service.answer = answer
    step = context(credential("new"), credential("old"), seconds=60, **settings(service, **BASIC))
    http.set_secret(step)
    http.test_secret(step)
    assert account.password == "new"


# What is sent and answered in unusual ways.


def test_a_header_may_have_any_name_and_any_text_of_latin_1(service: Api) -> None:
    given = settings(service, test_headers='{"api_key": "{{login.password}}", "X.Y~Z": "d\u00e9j\u00e0"}')
    http.test_secret(context(credential("new"), **given))
    assert (service.last.headers["api_key"], service.last.headers["X.Y~Z"]) == ("new", "d\xe9j\xe0")


def test_a_header_of_the_settings_replaces_a_default_in_any_case(service: Api) -> None:
    headers = '{"user-agent": "mine", "CONTENT-TYPE": "application/vnd.api+json"}'
    http.set_secret(context(credential("new"), **settings(service, set_headers=headers)))
    assert service.last.headers.get_all("User-Agent") == ["mine"]
    assert service.last.headers.get_all("Content-Type") == ["application/vnd.api+json"]
    assert json.loads(service.last.body) == {"password": "new"}


def test_a_request_says_that_it_takes_any_answer_unless_a_header_says_otherwise(service: Api) -> None:
    """Firewalls block a request without the header: core rule 920300, for example."""
    http.test_secret(context(credential("new"), **settings(service)))
    assert service.last.headers.get_all("Accept") == ["*/*"]
    http.test_secret(context(credential("new"), **settings(service, test_headers='{"accept": "application/json"}')))
    assert service.last.headers.get_all("Accept") == ["application/json"]


def test_a_placeholder_may_stand_in_a_key(service: Api) -> None:
    http.set_secret(context(credential("new"), **settings(service, set_body='{"{{pending.username}}": "{{pending}}"}')))
    assert json.loads(service.last.body) == {"app": "new"}


@pytest.mark.parametrize("number", ["1e400", "NaN"])
def test_a_body_that_is_no_json_is_refused_before_anything_is_sent(service: Api, number: str) -> None:
    with pytest.raises(ConfigurationError, match="JSON"):
        http.set_secret(context(credential("new"), **settings(service, set_body=f'{{"n": {number}}}')))
    assert service.requests == []


def test_an_answer_may_have_many_headers(service: Api) -> None:
    service.answer = lambda request: (200, {f"X-{n}": "x" * 1000 for n in range(200)})
    http.test_secret(context(credential("new"), **settings(service)))


# What an answer means.


@pytest.mark.parametrize(
    ("status", "error", "text"),
    [
        (401, AuthenticationError, ""),
        (403, AuthenticationError, ""),
        (400, ConfigurationError, "'test_status'"),
        (404, ConfigurationError, "'test_status'"),
        (429, NetworkError, ""),
        (500, NetworkError, ""),
        (503, NetworkError, ""),
    ],
)
def test_faults_are_told_apart_by_the_status(service: Api, status: int, error: type[RotationError], text: str) -> None:
    service.answer = lambda request: status
    with pytest.raises(error, match=f"{status}.*{text}"):
        http.test_secret(context(credential("new"), **settings(service)))


def test_expected_statuses_are_lists_and_ranges(service: Api) -> None:
    for status, allowed in ((404, "200,404"), (299, "200-299"), (301, "200, 300-399")):
        service.answer = lambda request, status=status: status  # type: ignore[misc]
        http.test_secret(context(credential("new"), **settings(service, test_status=allowed)))
    with pytest.raises(ConfigurationError):
        http.test_secret(context(credential("new"), **settings(service, test_status="200,204")))


@pytest.mark.parametrize("status", [203, 206, 300])
def test_a_status_beside_a_range_is_not_expected(service: Api, status: int) -> None:
    service.answer = lambda request: status
    with pytest.raises(ConfigurationError, match=str(status)):
        http.test_secret(context(credential("new"), **settings(service, test_status="204-205")))


def test_a_redirect_is_not_followed_and_takes_no_credential_along(service: Api) -> None:
    with api.start() as other:
        service.answer = lambda request: (307, {"Location": f"{other.url}/me"})
        with pytest.raises(ConfigurationError, match="Redirects"):
            http.test_secret(context(credential("new"), **settings(service, test_auth="basic")))
        assert other.requests == []


def test_a_server_that_does_not_answer_is_given_up_within_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        given = context(credential("new"), seconds=1.0, set_url=url, test_url=url, tls="disable")
        with pytest.raises(NetworkError, match=url):
            http.test_secret(given)


def test_a_server_that_does_not_take_the_connection_is_given_up_within_the_deadline() -> None:
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # one is taken into the queue, the others wait for ever
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/"
        began = time.monotonic()
        with pytest.raises(NetworkError, match="TimeoutError"):
            http.test_secret(context(credential("new"), seconds=1.0, set_url=url, test_url=url, tls="disable"))
        assert time.monotonic() - began < 30  # Linux itself gives up after two minutes


def test_an_answer_that_comes_byte_by_byte_is_given_up_within_the_deadline() -> None:
    ended = threading.Event()

    def drip(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not ended.wait(0.1):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as slow:
        url = f"http://127.0.0.1:{slow.getsockname()[1]}/"
        thread = threading.Thread(target=drip, args=[slow])
        thread.start()
        try:
            with pytest.raises(NetworkError, match=url):
                http.test_secret(context(credential("new"), seconds=1.5, set_url=url, test_url=url, tls="disable"))
        finally:
            ended.set()
            thread.join()


def test_a_server_that_talks_nonsense_is_a_network_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        url = f"http://127.0.0.1:{other.getsockname()[1]}/"

        def talk() -> None:
            connection, _ = other.accept()
            connection.sendall(b"220 mail.example.com ESMTP\r\n")
            connection.close()

        threading.Thread(target=talk, daemon=True).start()
        with pytest.raises(NetworkError):
            http.test_secret(context(credential("new"), set_url=url, test_url=url, tls="disable"))


# TLS.


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> authority.Authority:
    return authority.make(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def secure(ca: authority.Authority) -> Iterator[Api]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(ca.certificate, ca.key)
    with api.start(tls) as running:
        yield running


def secure_settings(service: Api, **others: str) -> dict[str, str]:
    return {**{k: v for k, v in settings(service).items() if k != "tls"}, "test_auth": "basic", **others}


def test_a_certificate_of_a_given_authority_is_trusted(secure: Api, ca: authority.Authority) -> None:
    http.test_secret(context(credential("new"), **secure_settings(secure, tls_ca=ca.pem)))
    assert basic(secure.last) == "app:new"


def test_a_certificate_of_an_unknown_authority_is_refused_before_anything_is_sent(secure: Api) -> None:
    told = rf"GET {secure.url}/me.*CERTIFICATE_VERIFY_FAILED.*'tls_ca'"
    with pytest.raises(ConfigurationError, match=told):
        http.test_secret(context(credential("new"), **secure_settings(secure)))
    assert secure.requests == []


def test_a_certificate_for_another_host_is_refused(secure: Api, ca: authority.Authority) -> None:
    given = secure_settings(secure, tls_ca=ca.pem, test_url=f"https://127.0.0.1:{secure.port}/me")
    with pytest.raises(ConfigurationError, match="'tls_server_name'"):
        http.test_secret(context(credential("new"), **given))
    assert secure.requests == []


def test_a_server_without_tls_gets_nothing(service: Api) -> None:
    given = secure_settings(service, test_url=f"https://localhost:{service.port}/me")
    with pytest.raises((ConfigurationError, NetworkError)):
        http.test_secret(context(credential("new"), **{**given, "set_url": given["test_url"]}))
    assert service.requests == []


# Settings and secrets that are refused before anything is sent.


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"tls": "verify"}, "'set_url' .*tls"),
        ({"set_url": "ftp://localhost/"}, "'set_url'"),
        ({"set_url": "https://"}, "'set_url'"),
        ({"set_url": "https://user:pass@localhost/"}, "'set_url'"),
        ({"set_url": "https://localhost:99999/"}, "'set_url'"),
        ({"set_url": "https://localhost/a b"}, "'set_url'"),
        ({"set_url": "https://localhost/#x"}, "'set_url'"),
        ({"test_url": "https://{{pending.host}}/"}, "'test_url' .*placeholder .*host"),
        ({"set_headers": "X: 1"}, "'set_headers' .*JSON object"),
        ({"set_headers": '{"X": 1}'}, "'set_headers' .*JSON object"),
        ({"set_headers": '{"X\\r\\nY": "1"}'}, "'set_headers' .*header"),
        ({"set_headers": '{"X": "a\\nY: 1"}'}, "'set_headers'.*'X'"),
        ({"set_body": '{"password": {{pending.password}}}'}, "not JSON"),
        ({"set_headers": '{"Content-Type": "application/xml"}'}, "application/xml.*allowed"),
        ({"tls_ca": "nonsense", "test_url": "https://localhost/"}, "'tls_ca' .*PEM"),
        ({"set_body": '{"p": "{{password}}"}'}, "{{password}}"),
        ({"test_headers": '{"X": "{{pendng.x}}"}'}, "{{pendng.x}}"),
        ({"auth_username": "{{user}}", "test_auth": "basic"}, "{{user}}"),
        ({"test_body": '{"p": "{{current.password}}"}'}, "no current value"),
    ],
)
def test_a_wrong_setting_is_reported_by_name_before_anything_is_sent(
    service: Api, change: dict[str, str], text: str
) -> None:
    with pytest.raises(ConfigurationError, match=text):
        http.set_secret(context(credential("new"), **settings(service, **change)))
    assert service.requests == []


@pytest.mark.parametrize("name", ["set_body", "test_body"])
def test_a_key_that_the_secret_lacks_is_reported_before_anything_is_sent(service: Api, name: str) -> None:
    change = {name: '{"x": "{{pending.api_key}}"}'}
    with pytest.raises(SecretError, match="'api_key'"):
        http.set_secret(context(credential("new"), credential("old"), **settings(service, **change)))
    assert service.requests == []


FORM = '{"Content-Type": "application/x-www-form-urlencoded"}'
NAMES_THE_USER = {
    "path": {"set_url": "/users/{{pending.user}}", "test_url": "/users/{{login.user}}"},
    "query": {"set_url": "/users?name={{pending.user}}", "test_url": "/me?name={{ login.user }}"},
    "JSON body": {"set_body": '{"user": {"name": "{{pending.user}}"}}', "test_method": "POST",
                  "test_body": '{"as": "{{login.user}}"}'},
    "key of a body": {"set_body": '{"{{pending.user}}": "{{pending.password}}"}'},
    "form field": {"set_body": "user={{pending.user}}", "set_headers": FORM, "test_method": "POST",
                   "test_body": "user={{login.user}}", "test_headers": FORM},
    "header": {"set_headers": '{"X-User": "{{pending.user}}"}', "test_headers": '{"X-User": "{{login.user}}"}'},
    "auth": {**BASIC, "auth_username": "{{login.user}}"},
    "current": {"set_body": '{"user": "{{current.user}}", "password": "{{pending.password}}"}'},
}  # fmt: skip


@pytest.mark.parametrize("step", ["setSecret", "testSecret", "finishSecret"])
@pytest.mark.parametrize("place", NAMES_THE_USER)
def test_a_pending_value_that_names_another_user_is_sent_nowhere(service: Api, place: str, step: str) -> None:
    given = {"set_url": "/users", "test_url": "/me", **NAMES_THE_USER[place]}
    urls = {name: f"{service.url}{given[name]}" for name in ("set_url", "test_url")}
    manager = SecretsManager()
    arn = manager.create('{"user": "app", "password": "old"}')
    chosen = json.dumps(settings(service, **{**given, **urls}))
    function = RotationFunction(manager, SECRET_KEYS='["password"]', TARGET="http", TARGET_SETTINGS=chosen)
    function.rotate(arn)
    assert service.requests
    service.requests.clear()
    token = manager.put(arn, '{"user": "victim", "password": "new"}', labels=(PENDING,))
    with pytest.raises(PendingMismatchError, match=token):
        function(step, arn, token)
    assert service.requests == []


def test_what_rotates_beside_the_keys_may_be_sent(service: Api) -> None:
    manager = SecretsManager()
    arn = manager.create('{"key": "old", "public": "old"}')
    urls = {"set_url": f"{service.url}/key", "test_url": f"{service.url}/me"}
    chosen = json.dumps(settings(service, **urls, set_body='{"public": "{{pending.public}}"}'))
    kms_key = "arn:aws:kms:eu-west-1:123456789012:key/1234"
    generators = json.dumps({"key": {"type": "rsa", "kms_key_arn": kms_key, "public_key": "public"}})
    function = RotationFunction(
        manager, SECRET_KEYS='["key"]', GENERATORS=generators, TARGET="http", TARGET_SETTINGS=chosen
    )
    token = manager.put(arn, '{"key": "new", "public": "new"}', labels=(PENDING,))
    function("setSecret", arn, token)
    assert json.loads(service.last.body) == {"public": "new"}


def test_who_a_credential_is_for() -> None:
    assert http.identity(credential("x", host="h", port=1)) == {"host": "h", "port": "1", "username": "app"}
    assert http.identity(plain("x")) == {"host": "", "port": "", "username": ""}


def test_messages_hold_templates_and_no_values(service: Api) -> None:
    service.answer = lambda request: 404
    with pytest.raises(ConfigurationError) as caught:
        http.set_secret(context(credential("s3cret-new", username="the-user"), **settings(service)))
    assert "/users/{{pending.username}} answered 404" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "the-user" not in str(caught.value)
    assert caught.value.__context__ is None


# RabbitMQ.


@pytest.fixture(scope="module")
def rabbit() -> Iterator[rabbitmq.RabbitMQ]:
    with rabbitmq.start() as server:
        yield server


def rabbit_settings(server: rabbitmq.RabbitMQ, **others: str) -> dict[str, str]:
    return {
        "set_url": f"{server.url}/api/users/{{{{pending.username}}}}",
        "set_body": '{"password": "{{pending.password}}", "tags": "administrator"}',
        "set_auth": "basic",
        "test_url": f"{server.url}/api/whoami",
        "test_auth": "basic",
        "tls_ca": server.ca,
        **others,
    }


@pytest.mark.parametrize("password", [*HOSTILE, "x" * 256])
def test_rabbitmq_takes_any_password_as_it_is(rabbit: rabbitmq.RabbitMQ, password: str) -> None:
    rabbit.put_user("app", "old", "administrator")
    step = context(credential(password), credential("old"), **rabbit_settings(rabbit))
    http.set_secret(step)
    http.test_secret(step)
    assert rabbit.accepts("app", password)
    assert not rabbit.accepts("app", "old")


def test_rabbitmq_user_of_any_name_is_the_one_that_changes(rabbit: rabbitmq.RabbitMQ) -> None:
    rabbit.put_user("a%2Fb%20c", "old", "administrator")
    step = context(credential("new", username="a/b c"), credential("old", username="a/b c"), **rabbit_settings(rabbit))
    http.set_secret(step)
    assert rabbit.accepts("a/b c", "new")


def test_rabbitmq_administrator_changes_a_user_that_may_not(rabbit: rabbitmq.RabbitMQ) -> None:
    rabbit.put_user("app", "old", "management")
    given = rabbit_settings(rabbit, set_body='{"password": "{{pending.password}}", "tags": "management"}')
    with pytest.raises(AuthenticationError):
        http.set_secret(context(credential("new"), credential("old"), **given))
    manager = AdministratorsSecret(json.dumps({"username": rabbit.admin, "password": rabbit.admin_password}))
    given["admin_secret_arn"] = "arn:admin"
    http.set_secret(context(credential("new"), credential("old"), client=lambda name: manager, **given))
    assert rabbit.accepts("app", "new")
    assert not rabbit.accepts("app", "old")


class RabbitUser(Installation):
    """A user of a server whose management API speaks TLS only."""

    def __init__(self, server: rabbitmq.RabbitMQ, *needs: str, may_change_itself: bool = True) -> None:
        user = server.credential(may_change_itself=may_change_itself)
        body = json.dumps({"password": "{{pending.password}}", "tags": user.tags})
        super().__init__(user, needs, **rabbit_settings(server, set_body=body))

    def at(self, host: str, port: int) -> Setup:
        """The settings say where; a key ``host`` in the secret is not used, and must not change all the same."""
        here = f"https://localhost:{self.address[1]}"
        moved = {name: text.replace(here, f"https://{host}:{port}") for name, text in self.setup.settings.items()}
        return replace(super().at(host, port), settings=moved)

    @contextmanager
    def without_tls(self) -> Iterator[Setup]:
        with api.start() as plain_text:
            yield self.at("localhost", plain_text.port)
            assert plain_text.requests == []


class TestHttp(TargetContract):
    target = "http"
    required_keys = ("username",)

    @pytest.fixture
    def service(self, rabbit: rabbitmq.RabbitMQ) -> Installation:
        return RabbitUser(rabbit)


class TestHttpByAdministrator(TestHttp):
    not_applicable: ClassVar = {
        "test_a_server_that_never_answers_is_a_network_error_within_the_time": "seconds of waiting, as in TestHttp"
    }

    @pytest.fixture
    def service(self, rabbit: rabbitmq.RabbitMQ) -> Installation:
        return RabbitUser(rabbit, "admin", may_change_itself=False)


class TestOperating(Operating):
    target = "http"
    sample = NONE

    @pytest.fixture
    def service(self, rabbit: rabbitmq.RabbitMQ) -> Installation:
        return RabbitUser(rabbit)


class TestOperatingByAdministrator(TestOperating):
    sample = PREFLIGHT
    not_applicable: ClassVar = {"wrong administrator's password": "no request but the one that sets is described"}

    @pytest.fixture
    def service(self, rabbit: rabbitmq.RabbitMQ) -> Installation:
        return RabbitUser(rabbit, "admin", may_change_itself=False)


# The small API: what the worlds are of.


class SmallApiUser(Installation):
    """A user who changes its own password."""

    def __init__(self, running: door.Door) -> None:
        user = running.credential(f"user{uuid4().hex[:8]}")
        super().__init__(user, (), **self._settings(f"{running.url}/me"))

    @staticmethod
    def _settings(url: str) -> dict[str, str]:
        given = {"set_url": url, "set_body": '{"password": "{{pending}}"}', "test_url": url, "tls": "disable"}
        return {**given, **BASIC}

    def at(self, host: str, port: int) -> Setup:
        """The address is a setting; what a version of the secret could change is the user."""
        return Setup(self._settings(f"http://{host}:{port}/me"), self.value("somebody", "first-password"))


@pytest.fixture(scope="module")
def small_api() -> Iterator[door.Door]:
    with door.start() as running:
        yield running


class TestSmallApiInWorlds(InWorlds):
    """An API that is odd."""

    sample = ("test_after_a_rotation_the_new_value_logs_in", *InWorlds.sample)
    target = "http"
    required_keys = ("username",)
    worlds = tuple(world for world in door.User.misbehaviours if world != door.LONG)
    not_applicable: ClassVar = dict.fromkeys(
        (
            "test_a_certificate_of_an_unknown_authority_is_refused",
            "test_a_certificate_for_another_host_name_is_refused",
            "test_a_server_without_tls_is_refused_and_never_spoken_to_in_plain_text",
        ),
        "TestHttp shows it: this API has no TLS",
    )
    in_world: ClassVar = {
        door.CLOSED: dict.fromkeys(
            (
                "test_a_step_may_run_twice",
                "test_every_step_may_run_twice_in_a_row",
                "test_a_rotation_that_dies_anywhere_goes_on",
                "test_the_lock_out_of_clearing_awspending_after_set_is_recovered",
                "test_two_abandoned_rotations_in_a_row_are_recovered",
            ),
            "setSecret fails until the change is in effect; Secrets Manager's retry comes later than the one here",
        )
    }

    @pytest.fixture
    def service(self, small_api: door.Door) -> Installation:
        return SmallApiUser(small_api)
