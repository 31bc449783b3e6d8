"""A rotation function for PostgreSQL that has nothing of this module: plain, as many people write it.

It looks for the working password in AWSCURRENT, AWSPENDING and AWSPREVIOUS only.
"""

import json
import os
from typing import Any

import boto3
from botocore.config import Config
from pg8000 import native

Labels = dict[str, list[str]]
TIMEOUTS = Config(connect_timeout=3, read_timeout=3, retries={"total_max_attempts": 2})


def lambda_handler(event: dict[str, str], context: object) -> None:
    manager = boto3.client("secretsmanager", endpoint_url=os.environ["SECRETS_MANAGER_ENDPOINT"], config=TIMEOUTS)
    arn, token, step = event["SecretId"], event["ClientRequestToken"], event["Step"]
    labels = manager.describe_secret(SecretId=arn)["VersionIdsToStages"]
    if "AWSCURRENT" in labels.get(token, []):
        return
    if "AWSPENDING" not in labels.get(token, []):
        raise ValueError("the version is not AWSPENDING")
    globals()[step](manager, arn, token, labels)


def createSecret(manager: Any, arn: str, token: str, labels: Labels) -> None:  # noqa: N802
    if value(manager, arn, "AWSPENDING") is None:
        new = value(manager, arn, "AWSCURRENT")
        new["password"] = manager.get_random_password(ExcludeCharacters="/@'\"\\")["RandomPassword"]
        manager.put_secret_value(
            SecretId=arn, ClientRequestToken=token, SecretString=json.dumps(new), VersionStages=["AWSPENDING"]
        )


def setSecret(manager: Any, arn: str, token: str, labels: Labels) -> None:  # noqa: N802
    pending = value(manager, arn, "AWSPENDING")
    for label in ("AWSPENDING", "AWSCURRENT", "AWSPREVIOUS"):
        connection = login(value(manager, arn, label))
        if connection is not None:
            connection.run(f"ALTER ROLE {pending['username']} PASSWORD '{pending['password']}'")
            connection.close()
            return
    raise ValueError("no stored password works")


def testSecret(manager: Any, arn: str, token: str, labels: Labels) -> None:  # noqa: N802
    if login(value(manager, arn, "AWSPENDING")) is None:
        raise ValueError("the pending password does not work")


def finishSecret(manager: Any, arn: str, token: str, labels: Labels) -> None:  # noqa: N802
    testSecret(manager, arn, token, labels)
    current = next(version for version, found in labels.items() if "AWSCURRENT" in found)
    manager.update_secret_version_stage(
        SecretId=arn, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=current
    )


def value(manager: Any, arn: str, label: str) -> Any:
    try:
        return json.loads(manager.get_secret_value(SecretId=arn, VersionStage=label)["SecretString"])
    except manager.exceptions.ResourceNotFoundException:
        return None


def login(found: Any) -> Any:
    if found is None:
        return None
    try:
        return native.Connection(
            found["username"], found["host"], found["dbname"], int(found["port"]), found["password"], timeout=5
        )
    except native.DatabaseError:
        return None
