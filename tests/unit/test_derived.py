"""Values that follow from others: templates, their filters, and what cannot be filled in."""

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from email.message import Message
from unittest import mock
from urllib.parse import unquote, urlsplit

import pytest

from rotation_lab.model.secrets_manager import SecretsManager
from secret_rotation import errors
from secret_rotation.credential import Credential
from secret_rotation.derived import Template, Templates
from secret_rotation.document import MAX_BYTES, Document
from secret_rotation.kit import http_client
from secret_rotation.kit.http_client import Answer, Request
from tests.messages import refused
from tests.support.function import RotationFunction

DOCUMENT = """{"username": "app", "password": "s3cret/@:é %", "host": "db", "port": 5432, "tls": true, "ratio": 1.0e2,
  "nothing": null, "empty": "", "half": "\\ud800", "nested": {"list": ["s3cret", {"a":  1}]}, "URL": "old"}"""


def filled(template: str, text: str = DOCUMENT) -> str:
    return Template.of(template).fill(Document(text))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{username}}", "app"),
        ("{{ username }}@{{host}}:{{port}}", "app@db:5432"),
        ("{{tls}} {{ratio}}", "true 1.0e2"),
        ("<{{empty}}>", "<>"),
        ("{{/nested/list/0}} {{/username}}", "s3cret app"),
        ("{{password|url}}", "s3cret%2F%40%3A%C3%A9%20%25"),
        ("{{password|base64}}", base64.b64encode("s3cret/@:é %".encode()).decode()),
        ("{{password|hex}}", "s3cret/@:é %".encode().hex()),
        ("{{password|sha256}}", hashlib.sha256("s3cret/@:é %".encode()).hexdigest()),
        ("{{password | sha256 | base64|url}}", base64.b64encode(
            hashlib.sha256("s3cret/@:é %".encode()).hexdigest().encode()).decode().replace("=", "%3D")),
        ('{"p": {{password|json}}, "n": {{port|json}}, "x": {{nothing|json}}, "o": {{/nested/list/1|json}} }',
         '{"p": "s3cret/@:é %", "n": 5432, "x": null, "o": {"a":  1} }'),
        ("{{port|json|base64}}", "NTQzMg=="),
        ("{{port|base64|json}}", '"NTQzMg=="'),
        ('{{"{{"}}username}} { {{username}} } {', "{{username}} { app } {"),
        ("a{{username}}}}{", "aapp}}{"),
        ("two\nlines {{username}}", "two\nlines app"),
    ],
)  # fmt: skip
def test_a_template_is_filled_in(template: str, expected: str) -> None:
    assert filled(template) == expected


def test_a_connection_string_is_read_back_as_it_was() -> None:
    url = urlsplit(filled("postgresql://{{username|url}}:{{password|url}}@{{host}}:{{port}}/app?sslmode=require"))
    assert (url.username, unquote(url.password or ""), url.hostname, url.port) == ("app", "s3cret/@:é %", "db", 5432)


@pytest.mark.parametrize(
    ("template", "kind", "named"),
    [
        ("{{missing}}", errors.KeyMissingError, "'missing'"),
        ("{{/nested/list/7}}", errors.KeyMissingError, "/nested/list/7"),
        ("{{/username/x}}", errors.KeyMissingError, "a string"),
        ("{{nothing}}", errors.SecretError, "{{nothing|json}}"),
        ("{{nested|url}}", errors.SecretError, "an object"),
        ("{{/nested/list}}", errors.SecretError, "an array"),
        ("{{half|url}}", errors.SecretError, "surrogate"),
    ],
)
def test_what_cannot_be_filled_in_is_named_with_the_template(
    template: str, kind: type[errors.RotationError], named: str
) -> None:
    with refused(kind, "'URL'", named):
        Templates({"URL": Template.of(template)}).applied(Document(DOCUMENT))


# Known from the tests of Terraform's AWS provider, whose ses_smtp_password_v4 logs in at SES.
@pytest.mark.parametrize(
    ("region", "secret", "expected"),
    [
        ("eu-central-1", "some+secret+key", "BMXhUYlu5Z3gSXVQORxlVa7XPaz91aGWdfHxvkOZdWZ2"),
        ("eu-central-1", "another+secret+key", "BBbphbrQmrKMx42d1N6+C7VINYEBGI5v9VsZeTxwskfh"),
        ("us-west-1", "some+secret+key", "BH+jbMzper5WwlwUar9E1ySBqHa9whi0GPo+sJ0mVYJj"),
        ("us-west-1", "another+secret+key", "BKVmjjMDFk/qqw8EROW99bjCS65PF8WKvK5bSr4Y6EqF"),
    ],
)
def test_the_smtp_password_is_the_one_that_ses_accepts(region: str, secret: str, expected: str) -> None:
    assert filled(f"{{{{key|ses_smtp({region})}}}}", json.dumps({"key": secret})) == expected


@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("base64", "import base64; print(base64.b64encode(data).decode(), end='')"),
        ("hex", "import binascii; print(binascii.hexlify(data).decode(), end='')"),
    ],
)
def test_encodings_are_those_of_the_bytes_in_utf_8(name: str, program: str) -> None:
    run = [sys.executable, "-c", f"import sys; data = sys.stdin.buffer.read(); {program}"]
    found = subprocess.run(run, input="s3cret/@:é %".encode(), capture_output=True, check=True).stdout.decode()
    assert filled(f"{{{{password|{name}}}}}") == found


def templates(**of: str) -> Templates:
    return Templates({key: Template.of(text) for key, text in of.items()})


def test_a_value_that_follows_is_replaced_and_every_other_byte_stays() -> None:
    document = templates(URL="{{username}}:{{password|url}}").applied(Document(DOCUMENT))
    assert document.text == DOCUMENT.replace('"old"', '"app:s3cret%2F%40%3A%C3%A9%20%25"')


@pytest.mark.parametrize("key", ["missing", "port", "nothing"])
def test_the_key_of_a_template_must_be_there_with_a_text(key: str) -> None:
    with refused(errors.SecretError, repr(key)):
        templates(**{key: "{{username}}"}).applied(Document(DOCUMENT))


def credential(text: str, **of: str) -> Credential:
    return Credential("v", text, ("password",), templates=templates(**of))


def test_a_secret_with_another_value_has_what_follows_from_it() -> None:
    found = credential('{"password": "old", "URL": "x:old"}', URL="x:{{password}}")
    assert found.with_value("new").text == '{"password": "new", "URL": "x:new"}'


def test_a_request_may_send_what_follows_from_the_value(manager: SecretsManager) -> None:
    """It is another value in each version, and so says nothing of whose credential it is."""
    accepted, sent = ["x-old"], list[str]()

    def answer(_: object, request: Request, *__: object) -> Answer:
        if request.method == "PUT":
            accepted.append(request.headers["X-New"])
        sent.append(request.headers["X-Key"])
        return Answer(200 if sent[-1] in accepted[-1:] or request.method == "PUT" else 401, Message(), b"")

    arn = manager.create('{"password": "old", "header": "x-old"}')
    calls = {
        "set": {"url": "https://a.b/c", "headers": {"X-New": "{{pending.header}}", "X-Key": "{{login.header}}"}},
        "test": {"url": "https://a.b/c", "headers": {"X-Key": "{{login.header}}"}},
    }
    function = RotationFunction(
        manager,
        TARGET="calls",
        TARGET_CALLS=json.dumps(calls),
        SECRET_KEYS='["password"]',
        GENERATORS=json.dumps({"header": {"type": "template", "template": "x-{{password}}"}}),
    )
    with mock.patch.object(http_client, "send", answer):
        function.rotate(arn)
    found = json.loads(str(manager.secrets[arn].text()))
    assert found["header"] == f"x-{found['password']}" == accepted[-1] == sent[-1]


@pytest.fixture
def manager() -> SecretsManager:
    return SecretsManager()


def test_what_follows_counts_for_the_size_before_a_service_issues_a_value() -> None:
    text = json.dumps({"password": "", "URL": "", "more": "x" * (MAX_BYTES - 100)})
    credential(text).check_can_hold({"password": "p" * 40})
    with pytest.raises(errors.ValueTooLargeError):
        credential(text, URL="{{password}}{{password|hex}}").check_can_hold({"password": "p" * 40})


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("sha256", lambda text: hashlib.sha256(text.encode()).hexdigest()),
        ("ses_smtp(eu-west-1)", lambda text: filled("{{p|ses_smtp(eu-west-1)}}", json.dumps({"p": text}))),
        ("base64|hex", lambda text: base64.b64encode(text.encode()).hex()),
    ],
)
def test_what_a_filter_makes_of_a_value_is_confidential_by_itself(name: str, made: Callable[[str], str]) -> None:
    found = credential('{"password": "s3cret-value", "URL": "u"}', URL=f"smtp://{{{{password|{name}}}}}@host")
    assert made("s3cret-value") in set(found.confidential())
