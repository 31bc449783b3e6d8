"""Both kinds of secret, from apply to destroy, in a local AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from rotation_lab.sandbox.client import Sandbox
from tests.e2e.stack import Stack, applied

# What AWS's own template needs is 10.
MOST_CALLS = 8  # of JSON
# The actions of the function's role that a rotation without a target uses.
ACTIONS = [
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    "secretsmanager:GetRandomPassword",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
]


@pytest.fixture(scope="module", params=["plaintext", "key-value"])
def stack(
    request: pytest.FixtureRequest,
    aws: Sandbox,
    environment: dict[str, str],
    tree: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    work = tmp_path_factory.mktemp(request.param)
    with applied(tree / "examples" / request.param, aws, environment, work) as stack:
        yield stack
    assert_destroyed(stack)


def assert_destroyed(stack: Stack) -> None:
    secrets, functions, roles = (stack.aws.client(name) for name in ("secretsmanager", "lambda", "iam"))
    with pytest.raises(secrets.exceptions.ResourceNotFoundException):
        secrets.describe_secret(SecretId=stack.secret)
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.get_function(FunctionName=stack.function)
    with pytest.raises(roles.exceptions.NoSuchEntityException):
        roles.get_role(RoleName=stack.function)
    groups = stack.aws.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{stack.function}")
    assert groups["logGroups"] == []


def keys(value: str) -> Mapping[str, object]:
    """The keys of a JSON secret; a plain-text secret counts as one key, and a broken document as none."""
    if not value.startswith("{"):
        return {"password": value}
    try:
        return dict(json.loads(value))
    except ValueError:
        return {}


def test_apply_rotates_at_once(stack: Stack) -> None:
    assert stack.aws.settle(stack.secret)["result"] == "ok"
    assert stack.holder("AWSCURRENT")
    assert stack.value()


def test_two_rotations_move_the_labels_and_change_the_password_alone(stack: Stack) -> None:
    stack.aws.settle(stack.secret)
    for _ in range(2):
        version, value = stack.holder("AWSCURRENT"), stack.value()
        assert stack.rotate()["result"] == "ok"
        assert stack.holder("AWSCURRENT") not in (version, None)
        assert stack.holder("AWSPREVIOUS") == version
        assert stack.holder("AWSPENDING") in (stack.holder("AWSCURRENT"), None)
        assert stack.value("AWSPREVIOUS") == value
        old, new = dict(keys(value)), dict(keys(stack.value()))
        assert old.pop("password") != new["password"]
        # Byte for byte: only the password's characters differ in the document.
        assert stack.value() == value.replace(str(keys(value)["password"]), str(new.pop("password")))
        assert old == new


def test_a_rotation_of_json_makes_at_most_eight_calls(stack: Stack) -> None:
    stack.aws.settle(stack.secret)
    stack.aws.reset_calls()
    assert stack.rotate()["result"] == "ok"
    calls = [f"{call['service']}:{call['action']}" for call in stack.aws.calls() if call["function"] == stack.function]
    assert 0 < len(calls) <= MOST_CALLS, calls


@pytest.mark.parametrize("action", ACTIONS)
def test_a_denied_action_fails_the_rotation_says_so_and_leaves_the_current_value(stack: Stack, action: str) -> None:
    stack.aws.settle(stack.secret)
    version, value = stack.holder("AWSCURRENT"), stack.value()
    before = stack.log()
    with stack.denied(action):
        assert stack.rotate()["result"] != "ok"
    assert (stack.holder("AWSCURRENT"), stack.value()) == (version, value)
    assert action in stack.log().removeprefix(before)
    assert stack.rotate()["result"] == "ok"
    assert stack.holder("AWSPREVIOUS") == version


@pytest.mark.parametrize("stack", ["key-value"], indirect=True)
def test_a_document_that_cannot_be_rotated_is_refused_and_left_alone(stack: Stack) -> None:
    stack.aws.settle(stack.secret)
    client = stack.aws.client("secretsmanager")
    good = stack.value()
    for bad, reason in {
        '{"password": 1': "not JSON",
        '{"user": "app"}': "password",
        '{"password": 1}': "string",
    }.items():
        version = client.put_secret_value(SecretId=stack.secret, SecretString=bad)["VersionId"]
        before = stack.log()
        assert stack.rotate()["result"] != "ok"
        assert (stack.holder("AWSCURRENT"), stack.value()) == (version, bad)
        assert reason in stack.log().removeprefix(before)
    client.put_secret_value(SecretId=stack.secret, SecretString=good)
    assert stack.rotate()["result"] == "ok"


def test_the_next_plan_is_empty_and_no_value_is_shown_anywhere(stack: Stack, tmp_path: Path) -> None:
    stack.aws.settle(stack.secret)
    for _ in range(2):
        assert stack.rotate()["result"] == "ok"
    plan = tmp_path / "saved.tfplan"
    assert stack.terraform.plan(stack.variables, out=plan) is False
    assert stack.leaks(plan) == []
