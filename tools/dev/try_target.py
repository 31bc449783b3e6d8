"""``make try TARGET=path/to/my_target.py``: tries a target of your own against a local AWS, before the real one.

    python -m tools.dev.try_target FILE [--settings JSON] [--secret TEXT] [--keys KEY,KEY] [--policy JSON] [--layer ZIP]

JSON and TEXT are given as they are, or as ``@file``. Each option can also be an environment variable (SETTINGS, SECRET,
KEYS, POLICY, LAYER), which is how make passes them:

    make try TARGET=examples/python/my_target.py SETTINGS='{"url": "http://localhost:8099"}' \\
        SECRET='{"username": "app", "password": "first-password"}'

The service has to run, and to accept the secret's value: this rotates it for real, several times, in this order:

1. A value that was never set: the target's test must refuse it.
2. Two rotations.
3. A rotation of which each step runs twice.
4. A rotation that dies after setSecret and is tried again, as Secrets Manager does.
5. A rotation that dies after setSecret, whose AWSPENDING is cleared by hand, and a new rotation: the only working value
   is then in a version without a label.
6. The function's log holds no value of the secret.

The function is made by API calls and not by Terraform, since that takes seconds and not a minute: with the module's own
code, your file as ``custom_target.py``, and a role that may do what the module's role may, plus ``--policy`` (a list of
IAM statements). ``--layer`` is a zip with packages that the file imports, in the folder ``python``.

Exit codes: 0 (every check passed), 1 (one did not), 2 (the arguments are wrong), 130 (interrupted). The secret's last
value is printed nowhere: the service is left with a password that is gone, so try it on a service made for tests.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from rotation_lab.sandbox.client import Sandbox, SandboxError
from tools.dev.console import Console
from tools.dev.providers import ROOT
from tools.dev.zipping import zip_bytes

NAME = "try-target"
SOURCES = ROOT / "lambda_src"
DEFAULT_SECRET = '{"username": "app", "password": "first-password"}'  # noqa: S105 - of rotation_lab.services.door
SHORTEST = 6
"""Shorter values stand in every log."""

WRAPPER = '''\
"""Runs each step as TRY_TIMES says, and dies after the step TRY_DIE names."""
import os

from lambda_function import lambda_handler


def handler(event, context):
    for _ in range(int(os.environ.get("TRY_TIMES", "1"))):
        lambda_handler(event, context)
    if event["Step"] == os.environ.get("TRY_DIE"):
        raise RuntimeError("dies here on purpose")
'''
ON_PURPOSE = "dies here on purpose"


class UsageError(Exception):
    """The arguments cannot be used; the message says why."""


class CheckError(Exception):
    """A check did not pass; the message says why."""


@dataclass(frozen=True)
class Options:
    """What to try, checked."""

    file: Path
    settings: Mapping[str, str]
    secret: str
    keys: Sequence[str]
    policy: Sequence[Any]
    layer: Path | None


def main(arguments: Sequence[str]) -> int:
    """Try the target and print a line for each check; returns the exit code."""
    try:
        options = read(arguments, os.environ)
    except UsageError as error:
        print(f"try: {error}", file=sys.stderr)
        return 2
    console = Console(sys.stdout)
    try:
        with Sandbox.start(attempts=1) as aws:
            return Trial(aws, options, console).run()
    except KeyboardInterrupt:
        console.line("\ntry: interrupted; everything that it started has been stopped")
        return 130
    except SandboxError as error:
        console.line(f"try: {error}")
        return 1


def read(arguments: Sequence[str], environment: Mapping[str, str]) -> Options:
    """The options from the command line, else from the environment. Raises ``UsageError``."""
    given = _parse(arguments, environment)
    file = Path(given.file)
    if file.suffix != ".py" or not file.is_file():
        raise UsageError(f"{file} is not a Python file.")
    secret = _text("SECRET", given.secret)
    layer = Path(given.layer) if given.layer else None
    if layer is not None and not layer.is_file():
        raise UsageError(f"LAYER is {layer}, which is not a file.")
    return Options(file, _settings(given.settings), secret, _keys(given.keys, secret), _policy(given.policy), layer)


def _parse(arguments: Sequence[str], environment: Mapping[str, str]) -> argparse.Namespace:
    summary = __doc__ or ""
    parser = argparse.ArgumentParser(prog="try_target", description=summary.splitlines()[0])
    parser.add_argument("file")
    for name, default in (
        ("settings", "{}"),
        ("secret", DEFAULT_SECRET),
        ("keys", ""),
        ("policy", "[]"),
        ("layer", ""),
    ):
        parser.add_argument(f"--{name}", default=environment.get(name.upper()) or default)
    return parser.parse_args(arguments)


def _text(name: str, given: str) -> str:
    if not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text().rstrip("\n")
    except OSError as error:
        raise UsageError(f"{name}: {given[1:]} cannot be read ({error.strerror}).") from None


def _json(name: str, given: str) -> Any:
    try:
        return json.loads(_text(name, given))
    except ValueError:
        raise UsageError(f"{name} is not JSON.") from None


def _settings(given: str) -> dict[str, str]:
    found = _json("SETTINGS", given)
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise UsageError('SETTINGS must be a JSON object of strings, such as {"url": "http://localhost:8099"}.')
    return found


def _policy(given: str) -> list[Any]:
    found = _json("POLICY", given)
    if not isinstance(found, list):
        raise UsageError("POLICY must be a JSON list of IAM statements.")
    return found


def _keys(given: str, secret: str) -> list[str]:
    try:
        document = json.loads(secret)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        if given:
            raise UsageError("KEYS is given, but SECRET is not a JSON object.")
        return []
    keys = given.split(",") if given else ["password"]
    for key in keys:
        if not isinstance(document.get(key), str):
            raise UsageError(f"SECRET has no text for the key {key!r}. Say with KEYS which keys rotate.")
    return keys


@dataclass
class Trial:
    """One target in one sandbox."""

    aws: Sandbox
    options: Options
    console: Console
    failures: int = 0
    secret: str = ""
    _shown: int = field(default=0, repr=False)

    def run(self) -> int:
        """Run all checks; returns the exit code."""
        self.console.heading(str(self.options.file))
        self.console.line(f"A local AWS at {self.aws.endpoint}; the function is made by API calls, not by Terraform.")
        self._install()
        checks: list[tuple[str, Callable[[], None]]] = [
            ("the test refuses a value that was never set", self.refuses_what_was_not_set),
            ("a rotation", self.rotates),
            ("another rotation", self.rotates),
            ("each step twice", self.steps_twice),
            ("a crash after setSecret, tried again", self.goes_on_after_a_crash),
            ("a crash after setSecret, AWSPENDING cleared by hand, a new rotation", self.recovers_what_was_stranded),
            ("the log holds no value", self.log_holds_no_value),
        ]
        for label, check in checks:
            with self._check(label):
                check()
        return self._verdict(len(checks))

    # The checks.

    def rotates(self) -> None:
        """A rotation with the handler as it is."""
        self._configure()
        self._rotate()

    def steps_twice(self) -> None:
        """Steps may run again: Lambda delivers at least once, and Secrets Manager tries again."""
        self._configure(TRY_TIMES="2")
        self._rotate()

    def goes_on_after_a_crash(self) -> None:
        """The same token again, after the service accepts the pending value."""
        self._die("setSecret")
        self._configure()
        self._rotate()

    def recovers_what_was_stranded(self) -> None:
        """What an operator does to "unblock" a rotation leaves the working value without a label."""
        self._die("setSecret")
        self._clear_pending()
        self._configure()
        self._rotate()

    def refuses_what_was_not_set(self) -> None:
        """A test that passes for any value proves nothing, and a wrong value would become current."""
        token = self._die("createSecret")
        self._configure()
        answer = self._invoke("testSecret", token)
        self._clear_pending()
        if "errorType" not in answer:
            raise CheckError("test_secret passed for a value that the service does not know. It must log in with it.")

    def log_holds_no_value(self) -> None:
        """Each value that the secret ever had is looked for in all that the function has printed."""
        log = "\n".join(self.aws.logs(NAME))
        versions = self._manager.list_secret_version_ids(SecretId=self.secret, IncludeDeprecated=True)["Versions"]
        for version in versions:
            for key, value in self._values(version["VersionId"]):
                if len(value) >= SHORTEST and value in log:
                    raise CheckError(f"The log holds a value{f' of {key!r}' if key else ''}. Do not print it.")

    # What they are made of.

    @property
    def _manager(self) -> Any:
        return self.aws.client("secretsmanager")

    def _install(self) -> None:
        self.secret = self._manager.create_secret(Name=NAME, SecretString=self.options.secret)["ARN"]
        account, region = self.secret.split(":")[4], self.secret.split(":")[3]
        self.aws.client("logs").create_log_group(logGroupName=f"/aws/lambda/{NAME}")
        function = self.aws.client("lambda")
        made = function.create_function(
            FunctionName=NAME,
            Runtime=_runtime(),
            Role=self._role(f"arn:aws:lambda:{region}:{account}:function:{NAME}"),
            Handler="try_wrapper.handler",
            Code={"ZipFile": package(self.options.file)},
            Environment={"Variables": self._environment()},
            Layers=self._layers(),
            Timeout=30,
            MemorySize=256,
        )
        function.add_permission(
            FunctionName=NAME,
            StatementId="SecretsManager",
            Action="lambda:InvokeFunction",
            Principal="secretsmanager.amazonaws.com",
            SourceAccount=account,
        )
        # Turned on with a rotation that dies at once, so that nothing is changed before the first check.
        self._configure(TRY_DIE="createSecret")
        self._manager.rotate_secret(
            SecretId=self.secret, RotationLambdaARN=made["FunctionArn"], RotationRules={"AutomaticallyAfterDays": 30}
        )
        self.aws.settle(self.secret)

    def _role(self, function_arn: str) -> str:
        iam = self.aws.client("iam")
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
        role = iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=_document([trust]))["Role"]["Arn"]
        rotate = (
            "DescribeSecret",
            "GetSecretValue",
            "PutSecretValue",
            "UpdateSecretVersionStage",
            "ListSecretVersionIds",
        )
        statements = [
            {
                "Effect": "Allow",
                "Action": [f"secretsmanager:{action}" for action in rotate],
                "Resource": self.secret,
                "Condition": {"StringEquals": {"secretsmanager:resource/AllowRotationLambdaArn": function_arn}},
            },
            {"Effect": "Allow", "Action": "secretsmanager:GetRandomPassword", "Resource": "*"},
            {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"},
            *self.options.policy,
        ]
        iam.put_role_policy(RoleName=NAME, PolicyName="rotation", PolicyDocument=_document(statements))
        return str(role)

    def _layers(self) -> list[str]:
        if self.options.layer is None:
            return []
        content = {"ZipFile": self.options.layer.read_bytes()}
        answer = self.aws.client("lambda").publish_layer_version(LayerName=NAME, Content=content)
        return [answer["LayerVersionArn"]]

    def _environment(self, **others: str) -> dict[str, str]:
        keys = {"SECRET_KEYS": json.dumps(self.options.keys)} if self.options.keys else {}
        return {"TARGET": "python", "TARGET_SETTINGS": json.dumps(self.options.settings), **keys, **others}

    def _configure(self, **others: str) -> None:
        self.aws.client("lambda").update_function_configuration(
            FunctionName=NAME, Environment={"Variables": self._environment(**others)}
        )

    def _rotate(self) -> None:
        """Start a rotation, or go on with the one that is not complete; raise ``CheckError`` when it fails."""
        before = self._holder("AWSCURRENT")
        state = self._start()
        if state["result"] != "ok":
            raise CheckError(f"The rotation failed in {state['result']}")
        if self._holder("AWSCURRENT") == before:
            raise CheckError("The rotation ended, but AWSCURRENT has not moved.")

    def _die(self, step: str) -> str:
        """Start a rotation that dies after ``step``; its token."""
        self._configure(TRY_DIE=step)
        state = self._start()
        if ON_PURPOSE not in str(state["result"]):
            raise CheckError(f"It was to die after {step}, but failed before: {state['result']}")
        token = self._holder("AWSPENDING")
        if token is None:
            raise CheckError("There is no AWSPENDING version.")
        return token

    def _start(self) -> dict[str, Any]:
        """Rotate, and wait until nothing runs; the state."""
        # "A previous rotation isn't complete. That rotation will be reattempted.": so it is.
        with suppress(self._manager.exceptions.InvalidRequestException):
            self._manager.rotate_secret(SecretId=self.secret)
        return self.aws.settle(self.secret)

    def _invoke(self, step: str, token: str) -> dict[str, Any]:
        event = {"Step": step, "SecretId": self.secret, "ClientRequestToken": token}
        answer = self.aws.client("lambda").invoke(FunctionName=NAME, Payload=json.dumps(event))
        return json.loads(answer["Payload"].read() or b"null") or {}

    def _clear_pending(self) -> None:
        token = self._holder("AWSPENDING")
        if token is not None:
            self._manager.update_secret_version_stage(
                SecretId=self.secret, VersionStage="AWSPENDING", RemoveFromVersionId=token
            )

    def _holder(self, label: str) -> str | None:
        labels = self._manager.describe_secret(SecretId=self.secret)["VersionIdsToStages"]
        return next((version for version, found in labels.items() if label in found), None)

    def _values(self, version: str) -> Iterator[tuple[str, str]]:
        try:
            text = self._manager.get_secret_value(SecretId=self.secret, VersionId=version)["SecretString"]
        except self._manager.exceptions.ResourceNotFoundException:
            return
        if not self.options.keys:
            yield "", text
        else:
            document = json.loads(text)
            yield from ((key, document[key]) for key in self.options.keys)

    # What is shown.

    @contextmanager
    def _check(self, label: str) -> Iterator[None]:
        """Print the log lines that come of the block, and whether it passed."""
        self.console.line(f"\n{self.console.style(label, 'bold')}")
        problem = ""
        try:
            yield
        except (CheckError, TimeoutError, ClientError) as error:
            problem = str(error)
        self._tell_log()
        self.failures += bool(problem)
        verdict = self.console.style(f"FAILED: {problem}", "red") if problem else self.console.style("ok", "green")
        self.console.line(f"  {verdict}")

    def _tell_log(self) -> None:
        lines = self.aws.logs(NAME)
        for text in readable(lines[self._shown :]):
            self.console.line(f"    {text}")
        self._shown = len(lines)

    def _verdict(self, checks: int) -> int:
        if self.failures:
            self.console.line(f"\n{self.console.style('try: failed', 'red')}, {self.failures} of {checks} checks")
            self.console.line("Mend the first one first: the others may follow from it.")
            return 1
        self.console.line(f"\n{self.console.style('try: passed', 'green')}, {checks} checks")
        return 0


def package(file: Path) -> bytes:
    """The function's zip: the module's code, the file as ``custom_target.py``, and the wrapper of the handler."""
    sources = [*SOURCES.rglob("*.py"), *SOURCES.rglob("*.json")]
    code: dict[str, bytes | str] = {path.relative_to(SOURCES).as_posix(): path.read_bytes() for path in sources}
    return zip_bytes(code | {"custom_target.py": file.read_bytes(), "try_wrapper.py": WRAPPER})


def readable(lines: Iterable[str]) -> Iterator[str]:
    """Log lines for a person: step, level, message, and what the target itself prints.

    Left out are Lambda's own lines, and the traceback of an error that the function has told already.
    """
    last, in_traceback = "", False
    for line in lines:
        in_traceback = line.startswith("Traceback") or (in_traceback and line[:1].isspace())
        text = "" if in_traceback else _readable(line, last)
        if text:
            last = text
            yield text


def _readable(line: str, last: str) -> str:
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict) or "message" not in entry:
        told = line.startswith("[ERROR]") and line.partition(": ")[2] in last
        return "" if told or line.split(" ")[0] in _PLATFORM else line
    if entry["message"] == _DONE:
        return ""
    fields = {name: value for name, value in entry.items() if name not in _COMMON}
    text = f"{entry.get('step', ''):<13} {entry.get('level', ''):<5} {entry['message']}"
    return f"{text}  {json.dumps(fields)}" if fields else text


_DONE = "The step is done."
_PLATFORM = {"START", "END", "REPORT", "INIT_START"}
_COMMON = {"timestamp", "level", "message", "step", "secret_arn", "version_id", "duration_ms"}


def _runtime() -> str:
    """Of the Pythons that Lambda has, the one that runs this, or the nearest."""
    return f"python3.{min(max(sys.version_info.minor, 11), 14)}"


def _document(statements: Sequence[Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
