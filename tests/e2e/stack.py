"""An applied configuration, and what the tests ask about its secret."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from sandbox.client import Sandbox
from scripts.terraform import Terraform


@dataclass
class Stack:
    """One example or configuration after ``terraform apply``."""

    aws: Sandbox
    terraform: Terraform
    variables: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def secret(self) -> str:
        """The secret's ARN."""
        return str(self.outputs["secret_arn"])

    @property
    def function(self) -> str:
        """The function's name."""
        return str(self.outputs["function_name"])

    def rotate(self) -> dict[str, Any]:
        """Rotates once; returns the sandbox's state of the secret when that has ended, well or not."""
        try:
            self.aws.client("secretsmanager").rotate_secret(SecretId=self.secret)
        except ClientError as error:
            # A rotation that failed before is tried again by this call, which says so in this way.
            if "A previous rotation isn't complete" not in str(error):
                raise
        return self.aws.settle(self.secret)

    def labels(self) -> dict[str, list[str]]:
        """The labels of each version that has any."""
        described = self.aws.client("secretsmanager").describe_secret(SecretId=self.secret)
        return {version: sorted(labels) for version, labels in described["VersionIdsToStages"].items()}

    def holder(self, label: str) -> str | None:
        """The version with ``label``."""
        return next((version for version, labels in self.labels().items() if label in labels), None)

    def value(self, label: str = "AWSCURRENT") -> str:
        """The value with ``label``."""
        client = self.aws.client("secretsmanager")
        return str(client.get_secret_value(SecretId=self.secret, VersionStage=label)["SecretString"])

    def values(self) -> set[str]:
        """Every value that the secret has, labelled or not. A version that a rotation left may have none."""
        client = self.aws.client("secretsmanager")
        found = set()
        for version in client.list_secret_version_ids(SecretId=self.secret, IncludeDeprecated=True)["Versions"]:
            with suppress(client.exceptions.ResourceNotFoundException):
                answer = client.get_secret_value(SecretId=self.secret, VersionId=version["VersionId"])
                found.add(str(answer["SecretString"]))
        return found

    def log(self) -> str:
        """All log lines of the function."""
        return "\n".join(self.aws.logs(self.function))

    @contextmanager
    def denied(self, action: str) -> Iterator[None]:
        """The function's role without ``action``, for the time of the block."""
        iam, role = self.aws.client("iam"), self.role()
        deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": action, "Resource": "*"}]}
        iam.put_role_policy(RoleName=role, PolicyName="deny", PolicyDocument=json.dumps(deny))
        try:
            yield
        finally:
            iam.delete_role_policy(RoleName=role, PolicyName="deny")

    def role(self) -> str:
        """The name of the function's role."""
        configuration = self.aws.client("lambda").get_function_configuration(FunctionName=self.function)
        return str(configuration["Role"]).rsplit("/", 1)[-1]


@contextmanager
def applied(
    directory: Path,
    aws: Sandbox,
    environment: Mapping[str, str],
    work: Path,
    variables: Mapping[str, Any] | None = None,
) -> Iterator[Stack]:
    """Applies a configuration, and destroys it after the block."""
    terraform = Terraform(directory, {**environment, **aws.environment}, work)
    terraform.init()
    try:
        terraform.apply(variables)
        yield Stack(aws, terraform, variables or {}, terraform.output())
    finally:
        terraform.destroy(variables)
