"""The function in the sandbox: made by API calls and not by Terraform, since that takes seconds and not a minute."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rotation_lab.sandbox.client import Sandbox
from rotation_lab.zipping import zip_bytes

from .options import Options

NAME = "try-function"
WRAPPER = '''\
"""Runs each step as TRY_TIMES says, and dies after the step that TRY_DIE names."""
import importlib
import os


def handler(event, context):
    module, _, name = os.environ["TRY_HANDLER"].rpartition(".")
    for _ in range(int(os.environ.get("TRY_TIMES", "1"))):
        getattr(importlib.import_module(module), name)(event, context)
    if event["Step"] == os.environ.get("TRY_DIE"):
        raise RuntimeError("dies here on purpose")
'''
ON_PURPOSE = "dies here on purpose"


def statements(secret: str, function: str, actions: Sequence[str]) -> list[dict[str, Any]]:
    """The role's statements, with the condition that ties a rotation function to its secrets."""
    _, partition, _, region, account, _, name = function.split(":")
    log_group = f"arn:{partition}:logs:{region}:{account}:log-group:/aws/lambda/{name}"
    return [
        {
            "Effect": "Allow",
            "Action": [f"secretsmanager:{action}" for action in actions],
            "Resource": secret,
            "Condition": {"StringEquals": {"secretsmanager:resource/AllowRotationLambdaArn": function}},
        },
        {"Effect": "Allow", "Action": "secretsmanager:GetRandomPassword", "Resource": "*"},
        {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": f"{log_group}:*"},
    ]


class Installed:
    """A secret, and a function that rotates it when it is called to."""

    def __init__(self, aws: Sandbox, options: Options) -> None:
        self._aws, self._options = aws, options
        self.secret: str = self.manager.create_secret(Name=NAME, SecretString=options.secret)["ARN"]
        self._account, self._region = self.secret.split(":")[4], self.secret.split(":")[3]
        self._function = self._create()
        # Turned on with a rotation that dies at once, so that nothing is changed before the first check.
        self.configure(TRY_DIE="createSecret")
        self.manager.rotate_secret(
            SecretId=self.secret, RotationLambdaARN=self._function, RotationRules={"AutomaticallyAfterDays": 30}
        )
        aws.settle(self.secret)

    @property
    def manager(self) -> Any:
        """Secrets Manager's client."""
        return self._aws.client("secretsmanager")

    def configure(self, **others: str) -> None:
        """Set the function's environment variables, with ``others``: the next steps run in new environments."""
        self._aws.client("lambda").update_function_configuration(
            FunctionName=NAME, Environment={"Variables": self._environment(others)}
        )

    def start(self) -> dict[str, Any]:
        """Rotate, or go on with the rotation that is not complete, and wait until nothing runs; the state."""
        # "A previous rotation isn't complete. That rotation will be reattempted.": so it is.
        with suppress(self.manager.exceptions.InvalidRequestException):
            self.manager.rotate_secret(SecretId=self.secret)
        return self._aws.settle(self.secret)

    def invoke(self, step: str, token: str) -> dict[str, Any]:
        """One step alone; what the function answers."""
        event = {"Step": step, "SecretId": self.secret, "ClientRequestToken": token}
        answer = self._aws.client("lambda").invoke(FunctionName=NAME, Payload=json.dumps(event))
        return json.loads(answer["Payload"].read() or b"null") or {}

    def holder(self, label: str) -> str | None:
        """The version with this staging label."""
        labels = self.manager.describe_secret(SecretId=self.secret)["VersionIdsToStages"]
        return next((version for version, found in labels.items() if label in found), None)

    def clear_pending(self) -> None:
        """Remove AWSPENDING, as AWS's documented recovery does."""
        token = self.holder("AWSPENDING")
        if token is not None:
            self.manager.update_secret_version_stage(
                SecretId=self.secret, VersionStage="AWSPENDING", RemoveFromVersionId=token
            )

    def log(self) -> list[str]:
        """All the lines that the function has logged."""
        return self._aws.logs(NAME)

    def _create(self) -> str:
        self._aws.client("logs").create_log_group(logGroupName=f"/aws/lambda/{NAME}")
        client = self._aws.client("lambda")
        made = client.create_function(
            FunctionName=NAME,
            Runtime=_runtime(),
            Role=self._role(),
            Handler="try_wrapper.handler",
            Code={"ZipFile": package(self._options)},
            Environment={"Variables": self._environment({})},
            Layers=self._layers(),
            Timeout=30,
            MemorySize=256,
        )
        client.add_permission(
            FunctionName=NAME,
            StatementId="SecretsManager",
            Action="lambda:InvokeFunction",
            Principal="secretsmanager.amazonaws.com",
            SourceAccount=self._account,
        )
        return str(made["FunctionArn"])

    def _role(self) -> str:
        iam = self._aws.client("iam")
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
        role = iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=_document([trust]))["Role"]["Arn"]
        function = f"arn:aws:lambda:{self._region}:{self._account}:function:{NAME}"
        allowed = [*statements(self.secret, function, self._options.actions), *self._options.policy]
        iam.put_role_policy(RoleName=NAME, PolicyName="rotation", PolicyDocument=_document(allowed))
        return str(role)

    def _layers(self) -> list[str]:
        if self._options.layer is None:
            return []
        content = {"ZipFile": self._options.layer.read_bytes()}
        answer = self._aws.client("lambda").publish_layer_version(LayerName=NAME, Content=content)
        return [answer["LayerVersionArn"]]

    def _environment(self, others: Mapping[str, str]) -> dict[str, str]:
        # AWS's templates fail without this endpoint.
        fixed = {"SECRETS_MANAGER_ENDPOINT": self._aws.endpoint, "TRY_HANDLER": self._options.handler}
        return {**fixed, **self._options.environment, **others}


def package(options: Options) -> bytes:
    """The function's zip: its folder, the further files, and the wrapper of the handler."""
    found = {str(path.relative_to(options.folder)): path for path in options.folder.rglob("*") if path.is_file()}
    kept = {name: path for name, path in found.items() if "__pycache__" not in Path(name).parts}
    contents = {name: path.read_bytes() for name, path in {**kept, **options.files}.items()}
    return zip_bytes({**contents, "try_wrapper.py": WRAPPER})


def _runtime() -> str:
    """Of the Pythons that Lambda has, the one that runs this, or the nearest."""
    return f"python3.{min(max(sys.version_info.minor, 11), 14)}"


def _document(found: Sequence[Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(found)})
