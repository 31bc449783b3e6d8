"""``make aws-check``, with the local AWS as the caller's account."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rotation_lab.sandbox.client import Sandbox
from tools.dev.providers import ROOT


def run(aws: Sandbox, answer: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **aws.environment}
    command = [sys.executable, "-m", "tools.dev.aws_check"]
    return subprocess.run(
        command, cwd=ROOT, env=environment, input=answer, capture_output=True, text=True, check=False, timeout=500
    )


def names(aws: Sandbox) -> set[str]:
    functions = aws.client("lambda").list_functions()["Functions"]
    listed = aws.client("secretsmanager").list_secrets()["SecretList"]
    return {each["FunctionName"] for each in functions} | {each["Name"] for each in listed}


def test_without_the_account_s_number_nothing_is_done(aws: Sandbox) -> None:
    before = names(aws)
    refused = run(aws, "yes\n")
    assert refused.returncode == 2
    assert "cost" in refused.stdout
    assert "nothing was done" in refused.stderr
    assert names(aws) == before


@pytest.mark.skipif("EXAMPLES" not in os.environ, reason="`make examples` runs it")
def test_it_applies_rotates_and_leaves_nothing(aws: Sandbox) -> None:
    before = names(aws)
    account = aws.client("sts").get_caller_identity()["Account"]
    checked = run(aws, f"{account}\n")
    assert checked.returncode == 0, checked.stderr
    assert "second rotation" in checked.stdout
    assert names(aws) == before
