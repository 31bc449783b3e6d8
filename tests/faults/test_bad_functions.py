"""Functions that do wrong are caught by name: the harness sees what it promises to see, in functions of anybody."""

from pathlib import Path

import pytest

from rotation_lab.crash import invariants

from .harness import examine_any

START = """
import base64, boto3, json, os, time

def lambda_handler(event, context):
    manager = boto3.client("secretsmanager")
    arn, token = event["SecretId"], event["ClientRequestToken"]
    labels = manager.describe_secret(SecretId=arn)["VersionIdsToStages"]
    (current,) = [version for version, found in labels.items() if "AWSCURRENT" in found]
    if event["Step"] == "createSecret":
        value = json.loads(manager.get_secret_value(SecretId=arn)["SecretString"])
        value["password"] = manager.get_random_password()["RandomPassword"]
        CREATE
        manager.put_secret_value(
            SecretId=arn, ClientRequestToken=token, SecretString=json.dumps(value), VersionStages=["AWSPENDING"]
        )
    if event["Step"] == "finishSecret" and current != token:
        manager.update_secret_version_stage(
            SecretId=arn, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=current
        )
"""
FAULTS = {
    "prints the value": ('print("now", value)', invariants.SILENT),
    "prints a piece of it in base64": ("print(base64.b64encode(value['password'][:12].encode()))", invariants.SILENT),
    "chains an exception that holds it": (
        "\n        try:\n            raise RuntimeError(value)\n"
        "        except RuntimeError:\n            raise ValueError('no') from None",
        invariants.SILENT,
    ),
    "puts it into the environment": ("os.environ['SEEN'] = value['password']", invariants.SILENT),
    "changes another key": ("value['note'] = 'other'", invariants.UNCHANGED),
    "fails and says nothing of use": ("value['absent']", invariants.TOLD),
    "never ends": ("time.sleep(1000)", invariants.IN_TIME),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_function_that_does_wrong_is_caught_by_name(fault: str, tmp_path: Path) -> None:
    code, invariant = FAULTS[fault]
    (tmp_path / "lambda_function.py").write_text(START.replace("CREATE", code))
    assert invariant in examine_any("key-value", tmp_path, tmp_path, only="")["by_invariant"]
