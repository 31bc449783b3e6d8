"""An applied configuration, and what the tests ask about its secret."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from rotation_lab.leaks import LeakSearch, made
from rotation_lab.sandbox.client import Sandbox
from tools.dev.attached import aws_provider
from tools.dev.terraform import Terraform

PUBLIC = {"access_key_id"}
"""Of the keys that rotate, what names something and opens nothing."""
PLACEHOLDER = "to-be-rotated"
"""The first value of some examples, which opens nothing; the function's messages advise it."""


@contextmanager
def local_aws(folder: Path) -> Iterator[Sandbox]:
    """A local AWS. A failed rotation is tried twice, without a wait, so that tests of failures are quick."""
    with Sandbox.start(attempts=2, backoff=0.05, log=folder / "sandbox.log") as started:
        yield started


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
        return self._read(VersionStage=label)

    def leaks(self, plan: Path) -> list[str]:
        """Where any value that the secret has had is shown, in all that anybody may read afterwards.

        The values are those of all versions, labelled or not, and an administrator's.
        """
        passwords, search = list(self._passwords()), LeakSearch()
        assert len(passwords) > 2, "too few values to look for"
        for name, text in passwords:
            for line in text.splitlines():
                if not line.startswith("-----"):  # the frame of a key in PEM is no secret
                    search.add(name, line)
        shown = self._shown(plan)
        assert self.function in shown["plan"], "the plan cannot be read"
        return [f"{place}: {found}" for place, text in shown.items() for found in search.find(text)]

    def _shown(self, plan: Path) -> Mapping[str, str]:
        return {
            "state": self.terraform.state_path.read_text(),
            "plan": _plan_text(plan),
            "Terraform's output": self.terraform.log_path.read_text(),
            "function's configuration": json.dumps(self._configuration(), default=str),
            "function's log": self.log(),
            "sandbox's log": Path(self.aws.log_path).read_text(),
        }

    def _passwords(self) -> Iterator[tuple[str, str]]:
        """What rotates, in every version that has a value; and an administrator's password."""
        client = self.aws.client("secretsmanager")
        for version in client.list_secret_version_ids(SecretId=self.secret, IncludeDeprecated=True)["Versions"]:
            with suppress(client.exceptions.ResourceNotFoundException):
                for key, text in self._secret_members(self._read(VersionId=version["VersionId"])).items():
                    yield f"{key or 'value'} of version {version['VersionId'][:4]}", text
        for other in client.list_secrets()["SecretList"]:
            if other["Name"].startswith("admin/"):
                value = client.get_secret_value(SecretId=other["ARN"])["SecretString"]
                yield f"password of {other['Name']}", made(json.loads(value)["password"])

    def _read(self, **which: str) -> str:
        """A value; no test that fails shows it."""
        client = self.aws.client("secretsmanager")
        value = str(client.get_secret_value(SecretId=self.secret, **which)["SecretString"])
        for text in self._secret_members(value).values():
            made(text)
        return value

    def _secret_members(self, value: str) -> dict[str, str]:
        """What is secret in a value, by key: those that rotate; plain text has one without a name."""
        if not self._keys:
            return {"": value}
        try:
            members = json.loads(value)
        except ValueError:
            return {}  # a test's own broken document
        found = {key: members.get(key) for key in self._keys if key not in PUBLIC}
        return {key: text for key, text in found.items() if isinstance(text, str) and text != PLACEHOLDER}

    @cached_property
    def _keys(self) -> list[str]:
        """The keys that rotate; none for plain text."""
        return list(json.loads(self._configuration()["Environment"]["Variables"].get("SECRET_KEYS", "[]")))

    def _configuration(self) -> Mapping[str, Any]:
        return dict(self.aws.client("lambda").get_function_configuration(FunctionName=self.function))

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
        return str(self._configuration()["Role"]).rsplit("/", 1)[-1]


def _plan_text(plan: Path) -> str:
    """All that a saved plan holds: what ``terraform show`` prints is made of it, in seconds."""
    with zipfile.ZipFile(plan) as archive:
        return "\n".join(archive.read(name).decode(errors="replace") for name in archive.namelist())


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
    with aws_provider(terraform):
        try:
            terraform.apply(variables)
            yield Stack(aws, terraform, variables or {}, terraform.output())
        finally:
            terraform.destroy(variables)
