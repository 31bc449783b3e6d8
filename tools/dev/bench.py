"""``make bench``: what a rotation, a cold start and a fleet take, beside something that everybody knows.

    python -m tools.dev.bench [PART...] [--secrets 1000] [--rounds 9] [--templates FOLDER] [--docs]

Each figure has a ratio to what was measured in the same run, since machines differ and are busy: a cold start to one
that imports boto3 and makes a client, a rotation to that of AWS's generic template, if its folder is given. All are in
``build/bench.json``, where a part that is measured alone replaces its own; ``--docs`` also writes the table and the
plot of ``docs/benchmarks.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rotation_lab.bench import Use
from rotation_lab.sandbox.client import Sandbox
from rotation_lab.zipping import zip_bytes
from tools.dev.bench_terraform import Measured, measure
from tools.dev.layer import LAYER, bytecode
from tools.dev.providers import ROOT

RESULT, PAGE, PLOT = ROOT / "build/bench.json", ROOT / "docs/benchmarks.md", ROOT / "docs/benchmarks.svg"
RUNTIME = "python{}.{}".format(*sys.version_info[:2])
_BARE = """
import boto3
from botocore.config import Config
boto3.client("secretsmanager", config=Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard"}))
"""
_OURS = """
import sys
sys.modules["cryptography"] = None  # which PyMySQL would import, and no runtime has
import lambda_function
from secret_rotation import handler
class Context:
    def get_remaining_time_in_millis(self): return 30000
handler._DEADLINE.start(Context())
handler._function().client("secretsmanager")
"""
_MEASURED = """
import resource
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""
_GOALS = {"none": 1.05, "postgresql, all with bytecode": 1.15, "redis": 1.25}
_WITH_DRIVER = ("postgresql", "mysql")
_KEYS = {"SECRET_KEYS": '["password"]'}
_CLIENTS, _LOOK_SECONDS = 16, 0.5
Case = tuple[str, str, Mapping[str, str]]


@dataclass(frozen=True)
class Figure:
    """One thing that was measured; ``ratio`` is to what stands beside it, ``goal`` the most that it should be."""

    what: str
    value: float
    unit: str
    ratio: float | None = None
    goal: float | None = None

    def cells(self) -> list[str]:
        """The cells of its row."""
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return [self.what, f"{self.value:g} {self.unit}".strip(), ratio, "" if self.goal is None else f"{self.goal:g}"]


def main(given: Sequence[str] | None = None) -> int:
    """Measure, print, and keep the result."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument("--secrets", type=int, default=1000, help="how many rotate at AWS's quotas (default: 1000)")
    parser.add_argument("--part", type=float, default=1, help="of the quotas, for a slow machine (default: all)")
    parser.add_argument("--rounds", type=int, default=9, help="cold starts for a median (default: %(default)s)")
    parser.add_argument("--templates", type=Path, help="a checkout of aws-secrets-manager-rotation-lambdas")
    parser.add_argument("--docs", action="store_true", help="write docs/benchmarks.md and its plot")
    arguments = parser.parse_args(given)
    if unknown := [part for part in arguments.parts if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]}; allowed: {', '.join(PARTS)}")
    kept = _kept()
    for part in arguments.parts or PARTS:
        print(f"bench: {part}", file=sys.stderr, flush=True)
        kept[part] = list(PARTS[part](arguments))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(
        json.dumps({part: [asdict(one) for one in found] for part, found in kept.items()}, indent=1) + "\n"
    )
    figures = [figure for part in PARTS for figure in kept.get(part, ())]
    print(table(figures))
    if arguments.docs:
        PAGE.write_text(page(figures))
        PLOT.write_text(plot(figures))
    return 0


def _kept() -> dict[str, list[Figure]]:
    """What was measured before."""
    found = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    return {part: [Figure(**one) for one in found[part]] for part in PARTS if part in found}


# Cold starts: CPU time and memory of a new interpreter. Our code and the layer have no bytecode, unless they bring it;
# boto3 has, as it has once it was installed.


def cold_starts(rounds: int) -> Iterator[Figure]:
    """What the function adds to boto3, for each driver."""
    with tempfile.TemporaryDirectory() as folder:
        cases = _cases(Path(folder))
        _cold_start(*cases["boto3 alone"], writes=())
        runs: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
        for _ in range(rounds):  # in turn: a machine that gets busy is so for all
            for name, case in cases.items():
                runs[name].append(_cold_start(*case))
    seconds = {name: statistics.median(cpu for cpu, _ in found) for name, found in runs.items()}
    memory = {name: statistics.median(megabytes for _, megabytes in found) for name, found in runs.items()}
    for name in cases:
        ratio = None if name == "boto3 alone" else seconds[name] / seconds["boto3 alone"]
        yield Figure(f"cold start, {name}", round(seconds[name] * 1000), "ms CPU", ratio, _GOALS.get(name))
    for name in cases:
        ratio = None if name == "boto3 alone" else memory[name] / memory["boto3 alone"]
        yield Figure(f"memory after it, {name}", round(memory[name]), "MB", ratio)


def _cases(folder: Path) -> dict[str, Case]:
    """Name => a script, its path and its variables."""
    kinds = {"code": code_files(), "layer": _drivers()}
    for name, files in tuple(kinds.items()):
        kinds[f"compiled {name}"] = {**files, **bytecode(files, sys.executable)}
    code, layer, compiled_code, compiled_layer = (_unpacked(folder / name, files) for name, files in kinds.items())
    cases: dict[str, Case] = {"boto3 alone": (_BARE, "", {})}
    for target in ("none", "redis", "postgresql", "mysql"):
        own = {} if target == "none" else {"TARGET": target, **_KEYS}
        for how, parts in {
            "": (code, layer / "python"),
            ", bytecode in the layer": (code, compiled_layer / "python"),
            ", all with bytecode": (compiled_code, compiled_layer / "python"),
        }.items():
            if how != ", bytecode in the layer" or target in _WITH_DRIVER:
                cases[f"{target}{how}"] = (_OURS, os.pathsep.join(map(str, parts)), own)
    return cases


def _unpacked(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def _drivers() -> dict[str, bytes]:
    """The files of the layer."""
    with zipfile.ZipFile(LAYER) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _cold_start(
    code: str, path: str, variables: Mapping[str, str], writes: Sequence[str] = ("-B",)
) -> tuple[float, float]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": path, "AWS_DEFAULT_REGION": "us-east-1", **variables}
    command = [sys.executable, *writes, "-c", code + _MEASURED]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    seconds, megabytes = map(float, done.stdout.split())
    return seconds, megabytes


def code_files() -> dict[str, bytes]:
    """The files of the function's code."""
    source = ROOT / "lambda_src"
    files = (path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(source)): path.read_bytes() for path in files}


def sizes() -> Iterator[Figure]:
    """The zip with our code, and the layer with the drivers."""
    with tempfile.TemporaryFile() as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in code_files().items():
            archive.writestr(name, content)
        archive.close()
        yield Figure("zip of the code", round(file.tell() / 1024), "KB")
    yield Figure("layer with all drivers", round(LAYER.stat().st_size / 1024), "KB")


# Rotations, through the sandbox.


def rotations(templates: Path | None) -> Iterator[Figure]:
    """Calls and CPU time of a rotation of plain text: ours, and that of AWS's generic template."""
    ours = _rotation(code_files())
    theirs = None
    if templates is not None:
        source = (templates / "SecretsManagerRotationTemplate/lambda_function.py").read_text()
        # Its two empty steps raise NotImplementedError; everything else is as it is.
        edited = source.replace("raise NotImplementedError", "return  # ")
        theirs = _rotation({"lambda_function.py": edited.encode()})
    for index, (what, unit) in enumerate((("calls of a rotation", ""), ("time of a warm rotation", "ms"))):
        other = None if theirs is None else theirs[index]
        if other is not None:
            yield Figure(f"{what}, AWS's generic template", round(other, 1), unit)
        yield Figure(what, round(ours[index], 1), unit, None if other is None else ours[index] / other)


def _rotation(files: Mapping[str, bytes]) -> tuple[float, float]:
    with Sandbox.start(attempts=1) as aws:
        function, secret = make_function(aws, files), _secrets(aws, 1)[0]
        times = [_timed(aws, secret, function) for _ in range(12)][2:]
        aws.reset_calls()
        _timed(aws, secret, function)
        calls = sum(call["n"] for call in aws.calls() if call["function"] == _NAME)
    return calls, statistics.median(times) * 1000


def _timed(aws: Sandbox, secret: str, function: str) -> float:
    started = time.perf_counter()
    aws.client("secretsmanager").rotate_secret(SecretId=secret, RotationLambdaARN=function)
    result = aws.settle(secret, poll=0.001)["result"]
    if result != "ok":
        raise RuntimeError(f"the rotation failed: {result}")
    return time.perf_counter() - started


_NAME = "bench"


def make_function(aws: Sandbox, files: Mapping[str, bytes]) -> str:
    """A rotation function that Secrets Manager may call; its ARN."""
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    iam, client = aws.client("iam"), aws.client("lambda")
    role = iam.create_role(RoleName=_NAME, AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"]
    allowed = {"Effect": "Allow", "Action": ["secretsmanager:*", "logs:*"], "Resource": "*"}
    iam.put_role_policy(RoleName=_NAME, PolicyName=_NAME, PolicyDocument=_policy(allowed))
    function = client.create_function(
        FunctionName=_NAME,
        Role=role,
        Runtime=RUNTIME,
        Handler="lambda_function.lambda_handler",
        Timeout=60,
        MemorySize=256,
        Environment={"Variables": {"SECRETS_MANAGER_ENDPOINT": aws.endpoint}},
        Code={"ZipFile": zip_bytes(files)},
    )
    principal = "secretsmanager.amazonaws.com"
    client.add_permission(FunctionName=_NAME, StatementId="a", Action="lambda:InvokeFunction", Principal=principal)
    return str(function["FunctionArn"])


def _policy(statement: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _secrets(aws: Sandbox, number: int) -> list[str]:
    create = aws.client("secretsmanager").create_secret
    return [str(create(Name=f"bench/{n}", SecretString="first")["ARN"]) for n in range(number)]


# A fleet, at AWS's quotas.


def fleet(number: int, part: float = 1.0) -> Iterator[Figure]:
    """So many secrets that rotate at once, with Secrets Manager throttled at a part of AWS's quotas."""
    with Sandbox.start(attempts=3, backoff=1, rates=part) as aws:
        function, secrets = make_function(aws, code_files()), _created(aws, number)
        aws.reset_calls()
        with Use().watch(aws.pid) as use:
            started = time.perf_counter()
            with ThreadPoolExecutor(_CLIENTS) as pool:
                list(pool.map(lambda arn: _ordered(aws, arn, function), secrets))
            while any((states := aws.states())[arn]["rotating"] for arn in secrets):
                time.sleep(_LOOK_SECONDS)
            seconds = time.perf_counter() - started
        calls = [call for call in aws.calls() if call["function"] == _NAME]
        values = _values(calls)
    failed = sum(states[arn]["result"] != "ok" for arn in secrets)
    repeated = sum(
        entry["attempt"] > 1 and entry["step"] == "createSecret" for arn in secrets for entry in states[arn]["log"]
    )
    of = f"{number} secrets at {'the' if part == 1 else f'{part:g} of the'} quotas"
    yield Figure(f"{of}: time", round(seconds), "s")
    yield Figure(f"{of}: failed", failed, "", goal=0)
    yield Figure(f"{of}: rotations that Secrets Manager repeated", repeated, "")
    yield Figure(f"{of}: calls per rotation", round(sum(call["n"] for call in calls) / number, 1), "")
    throttled = sum(call["n"] for call in calls if call["error"] == "ThrottlingException")
    yield Figure(f"{of}: throttled calls", throttled, "")
    yield Figure(f"{of}: most memory of all environments", round(use.megabytes), "MB")
    yield Figure(f"{of}: values stored per rotation", round(values / number, 2), "", goal=1)


def _values(calls: Iterable[Mapping[str, Any]]) -> int:
    """How many values were stored: one for each rotation, or a token has had two."""
    return sum(c["n"] for c in calls if c["action"] == "PutSecretValue" and c["error"] is None)


def _created(aws: Sandbox, number: int) -> list[str]:
    """Secrets, made at the rate that AWS allows."""
    client = aws.client("secretsmanager", config=_patient())
    return [str(client.create_secret(Name=f"fleet/{n}", SecretString="first")["ARN"]) for n in range(number)]


def _patient() -> Any:
    from botocore.config import Config

    return Config(retries={"total_max_attempts": 20, "mode": "adaptive"}, read_timeout=120)


def _ordered(aws: Sandbox, arn: str, function: str) -> None:
    client = aws.client("secretsmanager")
    for pause in (0.5, 1, 2, 4, 8, 16):
        try:
            client.rotate_secret(SecretId=arn, RotationLambdaARN=function)
        except client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "ThrottlingException":
                raise
            time.sleep(pause)
        else:
            return
    raise RuntimeError("RotateSecret was throttled to the end")


# Terraform.


def terraform(measured: Mapping[str, Mapping[int, Measured]]) -> Iterator[Figure]:
    """So many secrets in one call, beside as many calls with a function each."""
    one, each = measured["one call"], measured["a call each"]
    for number, found in one.items():
        beside = each.get(number) if number > 1 else None
        yield from _applied(f"{number} secrets in one call" if number > 1 else "1 secret", found, beside)
    many, most = min(number for number in one if number > _LISTED), max(one)
    differ = sum(one[number].constant != one[many].constant for number in one if number > _LISTED)
    yield Figure(
        f"policy, permission and environment: sizes that differ from {many} to {most} secrets", differ, "", goal=0
    )
    names = ("policy", "permission", "environment")
    for name, few, size in zip(names, one[1].constant, one[most].constant, strict=True):
        yield Figure(f"{name}, 1 and {most} secrets", size, f"bytes ({few} for 1)")


def _applied(of: str, found: Measured, beside: Measured | None) -> Iterator[Figure]:
    goals: Mapping[str, float] = _APPLY_GOALS if of.startswith("100 ") else {}
    for what, name, per, unit in _APPLIED:
        value = getattr(found, name) / per
        if beside is not None:
            yield Figure(f"{of.partition(' in ')[0]}, a call each: {what}", round(getattr(beside, name) / per, 1), unit)
        ratio = None if beside is None else value / (getattr(beside, name) / per)
        yield Figure(f"{of}: {what}", round(value, 1), unit, ratio, goals.get(name))


_LISTED = 20
"""The policy names the secrets while they are so few, and the condition alone decides above."""
_APPLY_GOALS = {"apply_seconds": 13, "state_bytes": 180}
_APPLIED = (
    ("plan", "plan_seconds", 1, "s"),
    ("apply", "apply_seconds", 1, "s"),
    ("plan without changes", "again_seconds", 1, "s"),
    ("resources", "resources", 1, ""),
    ("state", "state_bytes", 1024, "KB"),
)

PARTS: Mapping[str, Callable[[argparse.Namespace], Iterable[Figure]]] = {
    "cold": lambda given: cold_starts(given.rounds),
    "sizes": lambda given: sizes(),
    "rotations": lambda given: rotations(given.templates),
    "quotas": lambda given: fleet(given.secrets, given.part),
    "terraform": lambda given: terraform(measure()),
}


# What is shown.


def table(figures: Iterable[Figure]) -> str:
    """A table in Markdown."""
    rows = [["what", "value", "ratio", "goal"], ["---"] * 4, *(figure.cells() for figure in figures)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def page(figures: Iterable[Figure]) -> str:
    """``docs/benchmarks.md``."""
    head, _, rest = PAGE.read_text().partition("<!-- figures -->")
    _, _, tail = rest.partition("<!-- end of figures -->")
    return f"{head}<!-- figures -->\n\n{table(figures)}\n\n<!-- end of figures -->{tail}"


def plot(figures: Iterable[Figure]) -> str:
    """The cold starts as bars, beside boto3 alone."""
    bars = [figure for figure in figures if figure.what.startswith("cold start")]
    most = max(figure.value for figure in bars)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="640" height="{34 * len(bars) + 10}" font-family="sans-serif" '
        'font-size="14">'
    ]
    for row, figure in enumerate(bars):
        top, width = 34 * row + 8, 290 * figure.value / most
        ratio = "" if figure.ratio is None else f", {figure.ratio:.2f} x"
        lines += [
            f'<text x="240" y="{top + 17}" text-anchor="end" fill="#555">{figure.what.partition(", ")[2]}</text>',
            f'<rect x="250" y="{top}" width="{width:.0f}" height="24" fill="#4a7ebb"/>',
            f'<text x="{255 + width:.0f}" y="{top + 17}" fill="#555">{figure.value:g} ms{ratio}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
