"""``make aws-check``: the plaintext example applied, rotated and destroyed in *your* AWS account. It asks first.

Credentials and region are yours, as the AWS CLI finds them. No value is read or printed: labels and version IDs say
what happened. Exit codes: 0, 1 (a part failed; what is left and how to destroy it was printed), 2 (not begun).
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import time
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tools.dev import providers
from tools.dev.console import Console
from tools.dev.terraform import Terraform, TerraformError, checkout

_ROTATION_SECONDS = 300.0
_POLL_SECONDS = 2.0
_QUESTION = """\
This applies examples/plaintext in the AWS account {account}, region {region},
as {arn}.

It creates one secret, one function with a layer, one role and one log group, all named {name},
rotates the secret twice, and destroys everything. It takes about three minutes and costs less than a cent.

Type the account's number to go on: """


class CheckError(Exception):
    """A part of the check failed; the message says which."""


def main() -> int:
    """Ask, and run the check; returns the exit code."""
    session = boto3.session.Session()
    name = f"rotation-check-{secrets.token_hex(4)}"
    try:
        identity = session.client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        print(f"aws-check: no AWS account: {error}. Set credentials and a region as for the AWS CLI.", file=sys.stderr)
        return 2
    region = session.region_name
    if not _agreed(
        _QUESTION.format(account=identity["Account"], region=region, arn=identity["Arn"], name=name), identity
    ):
        print("\naws-check: nothing was done", file=sys.stderr)
        return 2
    return _checked(session, name)


def _agreed(question: str, identity: Mapping[str, Any]) -> bool:
    try:
        return input(question).strip() == str(identity["Account"])
    except (EOFError, KeyboardInterrupt):
        return False


def _checked(session: Any, name: str) -> int:
    work = providers.CACHE / name
    terraform = Terraform(checkout(work / "tree") / "examples/plaintext", _environment(), work)
    try:
        _run(Console(), terraform, session.client("secretsmanager"), {"name": name})
    except (CheckError, TerraformError, providers.ProvidersError, ClientError, KeyboardInterrupt) as error:
        print(f"\naws-check: failed: {str(error) or 'interrupted'}\n{_left(terraform, name)}", file=sys.stderr)
        return 1
    shutil.rmtree(work, ignore_errors=True)
    print("aws-check: done; nothing is left in the account")
    return 0


def _environment() -> dict[str, str]:
    """Where providers come from, with the caller's own AWS settings: here they are what is wanted."""
    ours = {name: value for name, value in providers.environment().items() if not name.startswith("AWS_")}
    return ours | {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


def _left(terraform: Terraform, name: str) -> str:
    settings = {"TF_DATA_DIR": terraform.data, "TF_CLI_CONFIG_FILE": terraform.environment["TF_CLI_CONFIG_FILE"]}
    exports = " ".join(f"{variable}={value}" for variable, value in settings.items())
    command = f"terraform destroy -state={terraform.state_path} -var name={name}"
    return f"To destroy what exists:\n  cd {terraform.directory} && {exports} {command}"


def _run(console: Console, terraform: Terraform, manager: Any, variables: Mapping[str, str]) -> None:
    with console.progress("terraform init"):
        terraform.init()
    with console.progress("terraform apply"):
        terraform.apply(variables)
    secret = terraform.output()["secret_arn"]
    with console.progress("first rotation"):
        first = _settled(manager, secret, None)
    with console.progress("second rotation"):
        manager.rotate_secret(SecretId=secret)
        _settled(manager, secret, first)
    with console.progress("terraform plan: nothing to do"):
        if terraform.plan(variables):
            raise CheckError(f"the second plan is not empty: {terraform.log_path}")
    with console.progress("terraform destroy"):
        terraform.destroy(variables)


def _settled(manager: Any, secret: str, before: str | None) -> str:
    """The current version, once it is another than ``before`` and no version is pending any more."""
    end = time.monotonic() + _ROTATION_SECONDS
    described: Mapping[str, Any] = {}
    while time.monotonic() < end:
        described = manager.describe_secret(SecretId=secret)
        current, pending = (_holder(described, label) for label in ("AWSCURRENT", "AWSPENDING"))
        if described.get("LastRotatedDate") and current not in (None, before) and pending in (None, current):
            return str(current)
        time.sleep(_POLL_SECONDS)
    raise CheckError(f"no rotation ended in {_ROTATION_SECONDS:.0f} s; labels: {described.get('VersionIdsToStages')}")


def _holder(described: Mapping[str, Any], label: str) -> str | None:
    versions: Mapping[str, list[str]] = described.get("VersionIdsToStages", {})
    return next((version for version, labels in versions.items() if label in labels), None)


if __name__ == "__main__":
    sys.exit(main())
