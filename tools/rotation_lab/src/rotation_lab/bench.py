"""``rotation-lab bench``: how quick the sandbox is, and how much it takes.

It starts a sandbox of its own, and rotates with a function that does in its four steps what every rotation needs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rotation_lab.sandbox.client import Sandbox
from rotation_lab.zipping import zip_bytes

FUNCTION = """
import boto3

client = boto3.client("secretsmanager")


def lambda_handler(event, context):
    if "Step" not in event:
        return event
    arn, token = event["SecretId"], event["ClientRequestToken"]
    versions = client.describe_secret(SecretId=arn)["VersionIdsToStages"]
    if event["Step"] == "createSecret":
        value = client.get_random_password()["RandomPassword"]
        client.put_secret_value(
            SecretId=arn, ClientRequestToken=token, SecretString=value, VersionStages=["AWSPENDING"])
    if event["Step"] == "finishSecret":
        current = next(version for version, labels in versions.items() if "AWSCURRENT" in labels)
        client.update_secret_version_stage(
            SecretId=arn, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=current)
"""
_CLIENTS, _POLL_SECONDS, _LOOK_SECONDS = 32, 0.1, 0.5
_NAME = "bench"


@dataclass(frozen=True)
class Figure:
    """One thing that was measured; ``goal`` is the most that it should be, on two cores."""

    what: str
    value: float
    goal: float
    unit: str

    @property
    def reached(self) -> bool:
        """Whether it is as good as it should be."""
        return self.value <= self.goal

    def __str__(self) -> str:
        return f"{self.what:32} {self.value:8.1f} {self.unit:4} (goal: {self.goal:g})"


@dataclass
class Use:
    """The most processes and memory that a sandbox has had, and the CPU time that it has taken."""

    processes: int = 0
    megabytes: float = 0.0
    cpu_seconds: float = 0.0
    _stopped: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watch(self, pid: int) -> Iterator[Use]:
        """Look while the block runs."""
        thread = threading.Thread(target=self._look, args=(pid,), daemon=True)
        before = sum(map(_cpu_seconds, _descendants(pid)))
        thread.start()
        try:
            yield self
        finally:
            self._stopped.set()
            thread.join()
            self.cpu_seconds = sum(map(_cpu_seconds, _descendants(pid))) - before

    def _look(self, pid: int) -> None:
        while not self._stopped.wait(_POLL_SECONDS):
            group = list(_descendants(pid))
            self.processes = max(self.processes, len(group))
            self.megabytes = max(self.megabytes, sum(map(_megabytes, group)))


def _descendants(pid: int) -> Iterator[int]:
    """A process and what it has started. Needs /proc."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from _descendants(int(child))


def _megabytes(pid: int) -> float:
    """The memory that a process has for itself, and its part of what it shares."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _cpu_seconds(pid: int) -> float:
    """Of a process and of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def make_function(aws: Sandbox) -> str:
    """A function that Secrets Manager may call; its ARN."""
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    iam = aws.client("iam")
    role = iam.create_role(RoleName=_NAME, AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"]
    allowed = {"Effect": "Allow", "Action": ["secretsmanager:*", "logs:*"], "Resource": "*"}
    iam.put_role_policy(RoleName=_NAME, PolicyName=_NAME, PolicyDocument=_policy(allowed))
    function = aws.client("lambda").create_function(
        FunctionName=_NAME,
        Role=role,
        Runtime="python{}.{}".format(*sys.version_info[:2]),
        Handler="bench.lambda_handler",
        Timeout=60,
        MemorySize=256,
        Code={"ZipFile": zip_bytes({"bench.py": FUNCTION})},
    )
    aws.client("lambda").add_permission(
        FunctionName=_NAME,
        StatementId="SecretsManager",
        Action="lambda:InvokeFunction",
        Principal="secretsmanager.amazonaws.com",
    )
    return str(function["FunctionArn"])


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def measure(aws: Sandbox, secrets: int, rounds: int) -> list[Figure]:
    """All figures."""
    function = make_function(aws)
    invoke = aws.client("lambda").invoke
    secret = _secrets(aws, "one", 1)[0]
    cold = _median(rounds, lambda: _rotate(aws, secret, function), before=lambda number: _cold(aws, number))
    warm = _median(rounds, lambda: _rotate(aws, secret, function))
    once = _median(10 * rounds, lambda: invoke(FunctionName=_NAME, Payload=b"{}"))
    seconds, failed, use = at_once(aws, secrets, function)
    return [
        Figure("warm invocation, p50", once * 1000, 5, "ms"),
        Figure("warm rotation, p50", warm * 1000, 40, "ms"),
        Figure("cold rotation, p50", cold * 1000, 330, "ms"),
        Figure(f"{secrets} at once", seconds, 15, "s"),
        Figure("  CPU time, on any machine", use.cpu_seconds, 30, "s"),
        Figure("  failures", failed, 0, ""),
        Figure("  most processes", use.processes, 40, ""),
        Figure("  most memory", use.megabytes / 1024, 1.6, "GB"),
    ]


def _median(rounds: int, work: Callable[[], object], before: Callable[[int], object] = lambda number: None) -> float:
    times = []
    for number in range(rounds):
        before(number)
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _cold(aws: Sandbox, number: int) -> None:
    """A changed configuration makes a new environment."""
    aws.client("lambda").update_function_configuration(FunctionName=_NAME, Description=str(number), Timeout=60 + number)


def _secrets(aws: Sandbox, name: str, number: int) -> list[str]:
    create = aws.client("secretsmanager").create_secret
    return [str(create(Name=f"{name}/{n}", SecretString="first")["ARN"]) for n in range(number)]


def _rotate(aws: Sandbox, secret: str, function: str) -> None:
    aws.client("secretsmanager").rotate_secret(SecretId=secret, RotationLambdaARN=function)
    result = aws.settle(secret, poll=0.001)["result"]
    if result != "ok":
        raise RuntimeError(f"the rotation failed: {result}")


def at_once(aws: Sandbox, number: int, function: str) -> tuple[float, int, Use]:
    """Rotate so many secrets at the same time: seconds, failures, and what that takes."""
    secrets, rotate = _secrets(aws, "fleet", number), aws.client("secretsmanager").rotate_secret
    with Use().watch(aws.pid) as use, ThreadPoolExecutor(_CLIENTS) as pool:
        started = time.perf_counter()
        list(pool.map(lambda arn: rotate(SecretId=arn, RotationLambdaARN=function), secrets))
        while any((states := aws.states())[arn]["rotating"] for arn in secrets):
            time.sleep(_LOOK_SECONDS)
        seconds = time.perf_counter() - started
    return seconds, sum(states[arn]["result"] != "ok" for arn in secrets), use


def main() -> int:
    """Print the figures; 1 when a goal is missed and ``--check`` is given."""
    parser = argparse.ArgumentParser(prog="rotation-lab bench", description=__doc__)
    parser.add_argument("--secrets", type=int, default=300, help="how many rotate at once (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=10, help="rotations for a median (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a goal is missed")
    arguments = parser.parse_args()
    with Sandbox.start(attempts=1) as aws:
        figures = measure(aws, arguments.secrets, arguments.rounds)
    print("\n".join(map(str, figures)))
    return int(arguments.check and not all(figure.reached for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
