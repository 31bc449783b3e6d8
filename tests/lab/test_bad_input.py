"""Bad input gets a refusal that says what is wrong, never an error of the sandbox's own."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest

from rotation_lab.model.actions import ACTIONS
from rotation_lab.sandbox.client import Sandbox
from tests.lab.conftest import Secret
from tests.lab.evidence import docs, own, unverified, verified
from tests.lab.raw import post

COMMON = docs("secretsmanager/latest/apireference/CommonErrors.html")
MODEL = botocore.session.get_session().get_service_model("secretsmanager")
KMS, LOGS = docs("kms/latest/APIReference/CommonErrors.html"), docs("AmazonCloudWatchLogs/latest/APIReference/")
DEEP = b'{"SecretId":' + b"[" * 60_000
VALUES: list[Any] = [None, "", "x" * 70_000, "\ud800", "\x00", 0, -1, 10**30, 1.5, True, [], [[]], [None], {}, {"": {}}]


def mutations(action: str) -> Iterator[dict[str, Any]]:
    """Requests in which one member is something else."""
    shape: Any = MODEL.operation_model(action).input_shape
    base = {"SecretId": "bad/input", "ClientRequestToken": "t" * 32}
    for name in shape.members:
        yield from ({**base, name: value} for value in VALUES)


def nested(action: str) -> Iterator[dict[str, Any]]:
    """Requests in which a member of a structure is missing, or something else."""
    shape: Any = MODEL.operation_model(action).input_shape
    for name, member in shape.members.items():
        inner = member.member if member.type_name == "list" else member
        if inner.type_name == "structure":
            parts = [{}, *({part: value} for part in inner.members for value in VALUES)]
            yield from ({name: [part] if member.type_name == "list" else part} for part in parts)


@own("its list of actions")
def test_the_model_and_the_sandbox_have_the_same_actions() -> None:
    assert set(ACTIONS) == set(MODEL.operation_names)


@verified(COMMON)
@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_a_member_of_another_kind_is_refused(action: str, aws: Sandbox) -> None:
    for request in mutations(action):
        status, answer = post(aws, action, request)
        assert status in (200, 400), (request, answer)
        assert status == 200 or answer["__type"], request


@verified(COMMON)
@pytest.mark.parametrize("action", [action for action in sorted(ACTIONS) if list(nested(action))])
def test_what_is_missing_within_a_member_is_refused(action: str, secret: Secret, aws: Sandbox) -> None:
    for number, request in enumerate(nested(action)):
        named = {"SecretId": secret.arn, "Name": f"{secret.name}/{action}/{number}", "ClientRequestToken": "t" * 32}
        status, answer = post(aws, action, {**named, **request})
        assert status in (200, 400), (request, answer)


@unverified("AWS's API reference says of none of these members that it is required")
@pytest.mark.parametrize(
    ("action", "request_"),
    [
        ("TagResource", {"Tags": [{"Value": "v"}]}),
        ("ReplicateSecretToRegions", {"AddReplicaRegions": [{}]}),
        ("ListSecrets", {"Filters": [{"Values": ["x"]}]}),
        ("ListSecrets", {"Filters": [{"Key": "name"}]}),
    ],
)
def test_a_tag_a_replica_and_a_filter_have_what_names_them(
    action: str, request_: dict[str, Any], secret: Secret, aws: Sandbox
) -> None:
    status, answer = post(aws, action, {"SecretId": secret.arn, **request_})
    assert (status, answer["__type"]) == (400, "InvalidParameterException")


@verified(COMMON)
@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"null", b"[]", b'"x"', b"{", b"NaN", DEEP, b'{"SecretId": NaN}'],
    ids=lambda body: repr(body[:12]),
)
@pytest.mark.parametrize("action", ["GetSecretValue", "PutSecretValue", "RotateSecret", "TagResource", "NoSuchAction"])
def test_a_body_of_another_kind_is_refused(action: str, body: bytes, aws: Sandbox) -> None:
    status, answer = post(aws, action, body)
    assert status == 400
    assert answer["__type"] in (
        "SerializationException",
        "ValidationException",
        "UnknownOperationException",
        "InvalidRequestException",
        "InvalidParameterException",
    )


@verified(COMMON)
def test_an_error_names_the_member_and_not_its_value(secret: Secret, aws: Sandbox) -> None:
    request = {"SecretId": secret.arn, "ClientRequestToken": "t" * 32, "SecretString": "confidential" * 9000}
    status, answer = post(aws, "PutSecretValue", request)
    assert (status, answer["__type"]) == (400, "ValidationException")
    assert "secretString" in answer["message"]
    assert "confidential" not in json.dumps(answer)


@verified(
    docs("kms/latest/APIReference/CommonErrors.html"),
    docs("AmazonCloudWatchLogs/latest/APIReference/CommonErrors.html"),
)
@pytest.mark.parametrize(
    ("service", "target", "request_"),
    [
        ("kms", "TrentService.DescribeKey", {"KeyId": 5}),
        ("kms", "TrentService.GenerateDataKeyPair", {"KeyId": [], "KeyPairSpec": {}}),
        ("logs", "Logs_20140328.FilterLogEvents", {"logGroupName": {}}),
        ("logs", "Logs_20140328.PutLogEvents", {"logGroupName": "g", "logStreamName": "s", "logEvents": "x"}),
        ("events", "AWSEvents.PutRule", {"Name": ["x"]}),
    ],
    ids=str,
)
def test_other_json_services_refuse_other_kinds(
    service: str, target: str, request_: dict[str, Any], aws: Sandbox
) -> None:
    prefix, _, action = target.partition(".")
    status, answer = post(aws, action, request_, service, prefix)
    assert (status, answer["__type"]) == (400, "SerializationException")


@own("its control routes")
@pytest.mark.parametrize(
    ("route", "body"),
    [
        (route, body)
        for route in ("advance", "faults", "data-api", "elasticache", "calls/reset")
        for body in (b"\xff", b"{", b"[1]", b"1", b'"x"', b"null", b'{"days": NaN}', b'{"days": 1e999}', DEEP)
    ]
    + [
        ("advance", b'{"days": [1]}'),
        ("advance", b'{"days": "1"}'),
        ("advance", b'{"days": true}'),
        ("advance", b'{"days": 1e15}'),
        ("advance", b'{"weeks": 1}'),
        ("faults", b'{"service": 1, "action": [], "n": "1"}'),
        ("faults", b'{"service": "s", "action": "a", "n": NaN}'),
        ("faults", b'{"service": "s", "action": "a", "effect": 5}'),
        ("faults", b'{"service": "s", "action": "a", "effect": "delay:9e99"}'),
        ("faults", b'{"service": "s", "action": "a", "seen": 1}'),
        ("data-api", b'{"address": 5}'),
        ("data-api", b'{"address": "nowhere"}'),
        ("data-api", b'{"address": "host:99999"}'),
        ("elasticache", b'{"address": "nowhere"}'),
    ],
    ids=lambda text: repr(text[:30]),
)
def test_a_control_route_refuses_what_it_does_not_understand(route: str, body: bytes, aws: Sandbox) -> None:
    before = _now(aws)
    status, answer = _control(aws, route, body)
    assert status == 400, answer
    assert answer["error"]
    assert 0 <= _now(aws) - before < 60
    assert aws.faults() == []


def _now(aws: Sandbox) -> float:
    return float(aws._call("GET", "health")["now"])


def _control(aws: Sandbox, route: str, body: bytes) -> tuple[int, Any]:
    request = urllib.request.Request(f"{aws.endpoint}/_sandbox/{route}", data=body, method="POST")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"{}")
