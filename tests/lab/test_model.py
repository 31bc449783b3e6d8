"""One state machine, two adapters: what Secrets Manager refuses, the sandbox and the unit tests' client both refuse."""

from __future__ import annotations

import ast
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

import rotation_lab.model
from rotation_lab.model.secrets_manager import SecretsManager
from rotation_lab.sandbox.client import Sandbox
from tests.lab.conftest import Function
from tests.lab.evidence import api, guide, only_here, own, unverified, verified

FOREIGN = {"boto3", "botocore", "ministack", "rotation_lab.sandbox", "rotation_lab.crash", "rotation_lab.services"}
ADAPTER = "secrets_manager.py"


class Adapter:
    """A client, and a version that RotateSecret has made and the function has not filled."""

    def __init__(self, client: Any, rotate: Callable[[str], object]) -> None:
        self.client, self._rotate = client, rotate

    def secret(self) -> str:
        """A secret with a value."""
        return str(self.client.create_secret(Name=f"secret/{uuid.uuid4()}", SecretString="initial")["ARN"])

    def empty_version(self, arn: str) -> str:
        """The AWSPENDING version of a rotation that has begun."""
        self._rotate(arn)
        return self.holder(arn, "AWSPENDING")

    def holder(self, arn: str, label: str) -> str:
        """The version with a label."""
        stages = self.client.describe_secret(SecretId=arn)["VersionIdsToStages"]
        return str(next(version for version, labels in stages.items() if label in labels))


@pytest.fixture(params=["sandbox", "unit tests"])
def adapter(request: pytest.FixtureRequest) -> Adapter:
    """Each of the two."""
    if request.param == "unit tests":
        manager = SecretsManager()
        return Adapter(manager.client(), manager.rotate)
    aws: Sandbox = request.getfixturevalue("aws")
    make: Callable[..., Function] = request.getfixturevalue("make_function")
    client = aws.client("secretsmanager")

    def rotate(arn: str) -> None:
        function = make(variables={"FAIL": "createSecret"}, permission={})
        client.rotate_secret(SecretId=arn, RotationLambdaARN=function.arn)
        aws.settle(arn)

    return Adapter(client, rotate)


def refused(code: str) -> pytest.RaisesExc[ClientError]:
    return pytest.raises(ClientError, match=rf"\({code}\)")


@verified(api("UpdateSecretVersionStage"))
def test_current_cannot_be_removed(adapter: Adapter) -> None:
    arn = adapter.secret()
    current = adapter.holder(arn, "AWSCURRENT")
    with refused("InvalidParameterException"):
        adapter.client.update_secret_version_stage(SecretId=arn, VersionStage="AWSCURRENT", RemoveFromVersionId=current)
    assert adapter.holder(arn, "AWSCURRENT") == current


@verified(guide("reference_limits"))
def test_a_version_has_at_most_20_labels(adapter: Adapter) -> None:
    arn = adapter.secret()
    version = adapter.client.put_secret_value(
        SecretId=arn, SecretString="two", VersionStages=[f"L{number}" for number in range(20)]
    )["VersionId"]
    with refused("LimitExceededException"):
        adapter.client.update_secret_version_stage(SecretId=arn, VersionStage="L20", MoveToVersionId=version)
    with refused("LimitExceededException"):
        adapter.client.update_secret_version_stage(
            SecretId=arn,
            VersionStage="AWSCURRENT",
            MoveToVersionId=version,
            RemoveFromVersionId=adapter.holder(arn, "AWSCURRENT"),
        )
    assert len(adapter.client.describe_secret(SecretId=arn)["VersionIdsToStages"][version]) == 20


@unverified("which error AWS gives for AWSCURRENT on a version without a value")
@only_here("AWS retries for longer, at times that it does not publish")
def test_current_cannot_go_to_a_version_without_a_value(adapter: Adapter) -> None:
    arn = adapter.secret()
    current, empty = adapter.holder(arn, "AWSCURRENT"), adapter.empty_version(arn)
    with refused("InvalidRequestException"):
        adapter.client.update_secret_version_stage(
            SecretId=arn, VersionStage="AWSCURRENT", MoveToVersionId=empty, RemoveFromVersionId=current
        )
    assert adapter.client.get_secret_value(SecretId=arn)["SecretString"] == "initial"


@own("the state machine's imports")
def test_the_state_machine_knows_no_client_and_no_server() -> None:
    for path in Path(rotation_lab.model.__file__).parent.glob("*.py"):
        if path.name != ADAPTER:
            names = {name for node in ast.walk(ast.parse(path.read_text())) for name in _imported(node)}
            assert not {name for name in names for foreign in FOREIGN if f"{name}.".startswith(f"{foreign}.")}, path


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []
