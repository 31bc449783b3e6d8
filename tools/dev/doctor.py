"""``make doctor SECRET=... FUNCTION=...``: what state the rotation of secrets is in, why, and the next command.

It asks the rotation function, by its step ``diagnose`` (docs/diagnose.md), and needs boto3 alone. Without FUNCTION it
is the one that rotates the first secret; without SECRET it is all that the function rotates.

Exit status: 0 healthy, 2 not to be asked, and by the worst verdict: 10 paused, 11 rotating, 12 unknown, 13 retrying,
14 overdue, 15 stuck, 16 failed, 17 value_refused, 18 unreachable, 19 locked_out. make itself exits with 2.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

VERDICTS = (
    "paused", "rotating", "unknown", "retrying", "overdue",
    "stuck", "failed", "value_refused", "unreachable", "locked_out",
)  # fmt: skip
STATUS = {"healthy": 0, **{verdict: 10 + number for number, verdict in enumerate(VERDICTS)}}
NOT_ASKED = 2

Client = Callable[[str], Any]
Report = Mapping[str, Any]


class DoctorError(Exception):
    """The function cannot be asked; the message says why."""


def client(service: str, region: str | None = None) -> Any:
    """A boto3 client that waits for as long as a function may take, and asks once."""
    config = Config(read_timeout=910, retries={"total_max_attempts": 1 if service == "lambda" else 3})
    return boto3.client(service, region_name=region, config=config)  # type: ignore[call-overload]


def clients(*names: str) -> Client:
    """Clients in the region that an ARN names; else in the usual one."""
    regions = [name.split(":")[3] for name in names if name.count(":") >= 5]
    return partial(client, region=next(iter(regions), None))


def said(error: Exception) -> str:
    """What an error of boto3 says, and what to do."""
    hints: Mapping[type[Exception], str] = {
        NoRegionError: " Set AWS_REGION, or give the ARN.",
        NoCredentialsError: ". Set AWS_PROFILE, or log in.",
    }
    return f"{error}{hints.get(type(error), '')}"


def ask(make: Client, function: str | None, secrets: Sequence[str], **options: object) -> Report:
    """The function's report. Raises ``DoctorError``."""
    try:
        described = [make("secretsmanager").describe_secret(SecretId=secret) for secret in secrets]
        name = function or _function_of(described)
        ids = [one["ARN"] for one in described] or list(_rotated_by(make, name))
    except (ClientError, BotoCoreError) as error:
        raise DoctorError(said(error)) from error
    if not ids:
        raise DoctorError(f"No secret has {name} as its rotation function. Say which secret.")
    return _invoke(make, name, {"Step": "diagnose", "SecretIds": ids, **options})


def _function_of(described: Sequence[Mapping[str, Any]]) -> str:
    if not described:
        raise DoctorError("Say which secret, or which function.")
    found = described[0].get("RotationLambdaARN")
    if not found:
        raise DoctorError(f"{described[0]['Name']} has no rotation function: terraform apply turns rotation on.")
    return str(found)


def _rotated_by(make: Client, function: str) -> Iterator[str]:
    arn = make("lambda").get_function_configuration(FunctionName=function)["FunctionArn"]
    pages = make("secretsmanager").get_paginator("list_secrets").paginate()
    return (one["ARN"] for page in pages for one in page["SecretList"] if one.get("RotationLambdaARN") == arn)


def _invoke(make: Client, function: str, event: Mapping[str, Any]) -> Report:
    lambdas = make("lambda")
    try:
        answer = lambdas.invoke(FunctionName=function, Payload=json.dumps(event).encode())
    except lambdas.exceptions.ResourceNotFoundException:
        return _gone(function, event["SecretIds"])
    except (ClientError, BotoCoreError) as error:
        raise DoctorError(f"{function} cannot be invoked. {said(error)}") from error
    found = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise DoctorError(f"{function} failed. {found.get('errorType')}: {found.get('errorMessage')}")
    if not isinstance(found, dict) or "secrets" not in found:
        raise DoctorError(f"{function} does not know the step diagnose: it is not this module's, or an older one.")
    return found


def _gone(function: str, ids: Sequence[str]) -> Report:
    reason = f"The rotation function {function} does not exist, so nothing rotates."
    entries = [
        {"secret_id": one, "verdict": "failed", "reason": reason, "commands": ["terraform apply"]} for one in ids
    ]
    return {"verdict": "failed", "secrets": entries}


def lines(report: Report) -> Iterator[str]:
    """The report for people."""
    for entry in report["secrets"]:
        yield f"{entry['secret_id']}: {entry['verdict']}"
        yield f"  {entry['reason']}"
        yield from (f"  {version}" for version in map(_version, entry.get("versions", ())))
        yield from (f"  $ {command}" for command in entry["commands"])


def _version(about: Mapping[str, Any]) -> str:
    works = {True: ", works", False: ", is rejected", None: ""}[about["opens"]]
    return f"{', '.join(about['labels'])}: {about['version_id']}, created {about['created']}{works}"


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(prog="doctor", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    made.add_argument("secrets", nargs="*", metavar="SECRET", help="names or ARNs")
    made.add_argument("--function", help="name or ARN of the rotation function")
    made.add_argument("--no-login", action="store_true", help="do not log in to the service")
    made.add_argument("--wait", type=float, default=0, help="seconds to wait for rotations in progress")
    made.add_argument("--refused", help="a version whose value must no longer work")
    made.add_argument("--json", action="store_true", help="print the report itself")
    return made


def main(arguments: Sequence[str], make: Client | None = None) -> int:
    """Ask, print the report, and return the exit status."""
    given = parser().parse_args(arguments)
    make = make or clients(*given.secrets, given.function or "")
    more = {"Refused": given.refused} if given.refused else {}
    try:
        report = ask(make, given.function, given.secrets, Login=not given.no_login, Wait=given.wait, **more)
    except DoctorError as error:
        print(f"doctor: {error}", file=sys.stderr)
        return NOT_ASKED
    print(json.dumps(report, indent=2) if given.json else "\n".join(lines(report)))
    return STATUS[report["verdict"]]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
