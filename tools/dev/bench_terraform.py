"""What a fleet costs with Terraform: so many secrets in one call of the module, and as many calls with one secret each.

A part of ``make bench``, which runs plan and apply against the local AWS. The secrets are there before, and no rotation
begins (``rotate_immediately = false``), so that the time is Terraform's.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rotation_lab.sandbox.client import Sandbox
from tools.dev import providers
from tools.dev.terraform import Terraform, checkout

IN_ONE_CALL, EACH_A_CALL = (1, 10, 21, 100, 500), (1, 10)
_NAME = "bench"
_FUNCTION = f"{_NAME}-0"


@dataclass(frozen=True)
class Measured:
    """One configuration, applied."""

    plan_seconds: float
    apply_seconds: float
    again_seconds: float
    """A plan after it, which finds nothing to do."""
    resources: int
    state_bytes: int
    policy_bytes: int
    permission_bytes: int
    environment_bytes: int

    @property
    def constant(self) -> tuple[int, int, int]:
        """What should not grow with the number of secrets."""
        return self.policy_bytes, self.permission_bytes, self.environment_bytes


def measure() -> dict[str, dict[int, Measured]]:
    """``one call`` and ``a call each`` => the number of secrets => what was measured."""
    environment = providers.environment(report=lambda line: None)
    found: dict[str, dict[int, Measured]] = {"one call": {}, "a call each": {}}
    with tempfile.TemporaryDirectory() as folder:
        tree = checkout(Path(folder) / "tree")
        for kind, numbers in zip(found, (IN_ONE_CALL, EACH_A_CALL), strict=True):
            for number in numbers:
                work = Path(folder) / f"{kind} {number}"
                found[kind][number] = _measured(tree, work, environment, number, each=kind == "a call each")
    return found


def _measured(tree: Path, work: Path, environment: Mapping[str, str], number: int, *, each: bool) -> Measured:
    directory = tree / "bench" / work.name.replace(" ", "-")
    directory.mkdir(parents=True)
    (directory / "main.tf.json").write_text(json.dumps(configuration(each=each)))
    with Sandbox.start(attempts=1) as aws:
        create = aws.client("secretsmanager").create_secret
        arns = {f"s{n}": create(Name=f"{_NAME}/{n:03}", SecretString="first")["ARN"] for n in range(number)}
        (directory / "terraform.tfvars.json").write_text(json.dumps({"secrets": arns}))
        terraform = Terraform(directory, {**environment, **aws.environment}, work)
        terraform.init()
        plan = work / "plan"
        planned, _ = _timed(lambda: terraform.plan(out=plan))
        applied, _ = _timed(lambda: terraform.apply(plan=plan))
        again, changes = _timed(terraform.plan)
        if changes:
            raise RuntimeError(f"the plan after the apply of {number} secrets is not empty")
        return Measured(planned, applied, again, *_state(terraform), *_bytes(aws))


def configuration(*, each: bool) -> Mapping[str, Any]:
    """One call for all secrets, or ``each`` secret a call of its own."""
    several = {"for_each": "${var.secrets}", "name": f'${{"{_NAME}-${{trimprefix(each.key, "s")}}"}}'}
    rotated = {**several, "secrets": {"app": "${each.value}"}} if each else {"secrets": "${var.secrets}"}
    call = {"source": "../..", "name": _FUNCTION, "rotate_immediately": False, **rotated}
    return {
        "provider": {"aws": {}},
        "variable": {"secrets": {"type": "map(string)"}},
        "module": {"rotation": call},
    }


def _timed(run: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = run()
    return time.perf_counter() - started, result


def _state(terraform: Terraform) -> tuple[int, int]:
    text = terraform.state_path.read_bytes()
    managed = (len(one["instances"]) for one in json.loads(text)["resources"] if one["mode"] == "managed")
    return sum(managed), len(text)


def _bytes(aws: Sandbox) -> Iterator[int]:
    """Of the function's policy, permission and environment, as AWS keeps them."""
    function, role = aws.client("lambda"), _FUNCTION
    policy = aws.client("iam").get_role_policy(RoleName=role, PolicyName="rotation")["PolicyDocument"]
    settings = function.get_function_configuration(FunctionName=_FUNCTION).get("Environment", {})
    yield len(json.dumps(policy))
    yield len(function.get_policy(FunctionName=_FUNCTION)["Policy"])
    yield len(json.dumps(settings.get("Variables", {})))
