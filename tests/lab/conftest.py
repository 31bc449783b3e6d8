"""One sandbox for all tests of this folder; a test makes its own secrets and functions."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rotation_lab.sandbox.client import Sandbox
from rotation_lab.zipping import zip_bytes
from tests.lab import evidence
from tests.lab.account import Account
from tests.lab.foreign import TEMPLATE

RUNTIME = "python3.11"
_RUN = uuid.uuid4().hex[:6] if evidence.ENDPOINT else "0"
_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs the sandbox when another endpoint is named."""
    if evidence.ENDPOINT:
        evidence.elsewhere([item for item in items if item.path.is_relative_to(Path(__file__).parent)])


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox in which a failing rotation has two attempts; or the endpoint that ROTATION_LAB_ENDPOINT names."""
    if evidence.ENDPOINT:
        account = Account(evidence.ENDPOINT)
        yield account  # type: ignore[misc]
        account.close()
        return
    log = tmp_path_factory.mktemp("sandbox") / "sandbox.log"
    with Sandbox.start(attempts=2, backoff=0.01, log=log) as started:
        yield started


@pytest.fixture(autouse=True)
def _no_faults_left(aws: Sandbox) -> Iterator[None]:
    yield
    if isinstance(aws, Sandbox):
        aws.clear_faults()


def package(files: dict[str, str]) -> bytes:
    """A function's zip with these files."""
    return zip_bytes(files)


@dataclass
class Function:
    """A Lambda function with a role of its own, which Secrets Manager may call."""

    aws: Sandbox
    name: str
    arn: str
    role: str

    def configure(self, **configuration: Any) -> None:
        """UpdateFunctionConfiguration."""
        self.aws.client("lambda").update_function_configuration(FunctionName=self.name, **configuration)

    def variables(self, **variables: str) -> None:
        """Replaces its environment variables."""
        self.configure(Environment={"Variables": variables})

    def allow(self, *statements: dict[str, Any]) -> None:
        """Replaces its role's policy."""
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **s} for s in statements]}
        client = self.aws.client("iam")
        client.put_role_policy(RoleName=self.role, PolicyName="own", PolicyDocument=json.dumps(document))

    def invoke(self, payload: object = None, log: str = "None") -> dict[str, Any]:
        """Invokes it; ``payload`` of the answer is decoded."""
        answer = self.aws.client("lambda").invoke(
            FunctionName=self.name, Payload=json.dumps(payload or {}), LogType=log
        )
        return {**answer, "payload": json.loads(answer["Payload"].read())}

    def log(self) -> str:
        """All it has logged."""
        return "\n".join(self.aws.logs(self.name))


@dataclass
class Secret:
    """A secret, and what a test asks of it."""

    aws: Sandbox
    name: str
    arn: str

    def rotate(self, function: Function | None = None, **options: Any) -> dict[str, Any]:
        """RotateSecret; returns its answer."""
        arn = {"RotationLambdaARN": function.arn} if function else {}
        return dict(self.aws.client("secretsmanager").rotate_secret(SecretId=self.name, **arn, **options))

    def rotated(self, function: Function | None = None, **options: Any) -> dict[str, Any]:
        """Rotates, waits, and returns the state."""
        self.rotate(function, **options)
        return self.settle()

    def fail(self, step: str) -> None:
        """Tells the usual function in which step to fail, "-" for none."""
        self.aws.client("secretsmanager").update_secret(SecretId=self.name, Description=step)

    def settle(self) -> dict[str, Any]:
        """The state when no rotation runs."""
        return self.aws.settle(self.name)

    def stages(self) -> dict[str, list[str]]:
        """VersionIdsToStages, sorted."""
        described = self.aws.client("secretsmanager").describe_secret(SecretId=self.name)
        return {version: sorted(stages) for version, stages in described.get("VersionIdsToStages", {}).items()}

    def holder(self, label: str) -> str | None:
        """The version with this label."""
        return next((version for version, stages in self.stages().items() if label in stages), None)

    def value(self, **which: str) -> str:
        """GetSecretValue's SecretString."""
        return str(self.aws.client("secretsmanager").get_secret_value(SecretId=self.name, **which)["SecretString"])

    def put(self, value: str, **options: Any) -> str:
        """PutSecretValue; returns the version."""
        client = self.aws.client("secretsmanager")
        return str(client.put_secret_value(SecretId=self.name, SecretString=value, **options)["VersionId"])

    def versions(self) -> dict[str, list[str]]:
        """All versions, those without labels too."""
        ask = self.aws.client("secretsmanager").list_secret_version_ids
        found: dict[str, list[str]] = {}
        more: dict[str, str] = {}
        while True:
            answer = ask(SecretId=self.name, IncludeDeprecated=True, **more)
            found |= {version["VersionId"]: version.get("VersionStages", []) for version in answer["Versions"]}
            if "NextToken" not in answer:
                return found
            more = {"NextToken": answer["NextToken"]}


SECRETS = {
    "Action": [
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage",
    ],
    "Resource": "*",
}
PASSWORDS = {"Action": "secretsmanager:GetRandomPassword", "Resource": "*"}
LOGS = {"Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}


@pytest.fixture(scope="session")
def make_function(aws: Sandbox) -> Callable[..., Function]:
    """Makes functions: ``make_function(source, variables={}, permission={}, **CreateFunction's options)``."""

    def make(
        source: str | dict[str, str] = TEMPLATE,
        variables: dict[str, str] | None = None,
        permission: dict[str, str] | None = None,
        **options: Any,
    ) -> Function:
        name = f"function-{_RUN}-{next(_numbers)}"
        function = Function(aws, name, _create(aws, name, source, variables or {}, options), name)
        function.allow(SECRETS, PASSWORDS, LOGS)
        if permission is not None:
            permit(function, **permission)
        return function

    return make


def _create(aws: Sandbox, name: str, source: str | dict[str, str], variables: dict[str, str], options: Any) -> str:
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam = aws.client("iam")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    files = {"lambda_function.py": source} if isinstance(source, str) else source
    defaults = {
        "Runtime": RUNTIME,
        "Handler": "lambda_function.lambda_handler",
        "Timeout": 30,
        "MemorySize": 256,
        "Environment": {"Variables": variables},
        "Code": {"ZipFile": package(files)},
    }
    client = aws.client("lambda")
    create = partial(client.create_function, FunctionName=name, Role=role, **{**defaults, **options})
    if not isinstance(aws, Account):
        return str(create()["FunctionArn"])
    aws.later(partial(iam.delete_role, RoleName=name))
    aws.later(partial(iam.delete_role_policy, RoleName=name, PolicyName="own"))
    arn = str(aws.once_roles_work(create)["FunctionArn"])
    aws.later(partial(client.delete_function, FunctionName=name))
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    return arn


def permit(function: Function, statement: str = "SecretsManager", **conditions: str) -> None:
    """AddPermission for Secrets Manager, or for another ``Principal``."""
    defaults = {"Action": "lambda:InvokeFunction", "Principal": "secretsmanager.amazonaws.com"}
    client = function.aws.client("lambda")
    client.add_permission(FunctionName=function.name, StatementId=statement, **{**defaults, **conditions})


@pytest.fixture(scope="session")
def template(make_function: Callable[..., Function]) -> Function:
    """The usual four-step function, for tests that do not change it."""
    return make_function(permission={})


@pytest.fixture(scope="session")
def make_secret(aws: Sandbox) -> Callable[..., Secret]:
    """Makes secrets: ``make_secret(value="initial", **CreateSecret's options)``."""

    def make(value: str | None = "initial", **options: Any) -> Secret:
        name = f"secret/{_RUN}/{next(_numbers)}"
        given = {} if value is None else {"SecretString": value}
        client = aws.client("secretsmanager")
        answer = client.create_secret(Name=name, **given, **options)
        if isinstance(aws, Account):
            aws.later(partial(client.delete_secret, SecretId=answer["ARN"], ForceDeleteWithoutRecovery=True))
        return Secret(aws, name, answer["ARN"])

    return make


@pytest.fixture
def secret(make_secret: Callable[..., Secret]) -> Secret:
    """A plain-text secret."""
    return make_secret()
