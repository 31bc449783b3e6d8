"""``make demo``: examples applied with the real Terraform in a local AWS, and rotated before your eyes.

    python -m tools.dev.demo [EXAMPLE ...]     (default: plaintext key-value)

For each example: apply, two rotations with labels, versions and values before and after, what changed in the value,
a second plan that is empty, destroy. All run at once, and are shown one after the other. Values are shown as
fingerprints: eight hexadecimal digits of an HMAC with a key that is made for this run and kept nowhere, so that they
can be compared here and tell nothing elsewhere.

What an example needs besides AWS is in ``tools.dev.examples``, which names its service.

Exit codes: 0, 1 (a part failed; which one and where its log is was printed), 2 (no such example), 130 (interrupted).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from rotation_lab.sandbox.client import Sandbox
from tools.dev import examples, layer, providers
from tools.dev.attached import aws_provider
from tools.dev.console import Console, Held
from tools.dev.prepared import NOT_APPLIED, PREPARED
from tools.dev.terraform import Terraform, TerraformError, checkout

EXAMPLES = providers.ROOT / "examples"
DEFAULT = ("plaintext", "key-value")
ROTATIONS = 2
RUNTIME = "python3.13"  # the module's default
_LABEL_ORDER = ("AWSCURRENT", "AWSPENDING", "AWSPREVIOUS")


class DemoError(Exception):
    """A part of the demo failed: ``part`` names it, ``log`` is the file that holds more."""

    def __init__(self, part: str, reason: str, log: Path) -> None:
        super().__init__(f"{part}: {reason}")
        self.log = log


@dataclass(frozen=True)
class Fingerprints:
    """Short stand-ins for values: equal within a run exactly when the values are."""

    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def of(self, value: object) -> str:
        """Eight hexadecimal digits."""
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        return hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()[:8]


@dataclass(frozen=True)
class Snapshot:
    """A secret at one moment: labels and value of each version that has a label."""

    labels: Mapping[str, list[str]]
    values: Mapping[str, str] = field(repr=False)

    @property
    def current(self) -> str:
        """The value that applications get; of a secret that has none yet it is empty."""
        return next((self.values[version] for version, labels in self.labels.items() if "AWSCURRENT" in labels), "")


def main(arguments: list[str]) -> int:
    """Runs the demo for the named examples; returns the exit code."""
    names = arguments or list(DEFAULT)
    known = sorted({path.parent.name for path in EXAMPLES.glob("*/main.tf")} - NOT_APPLIED.keys())
    if unknown := sorted(set(names) - set(known)):
        print(f"demo: no example {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    console = Console()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    logs = Path(tempfile.mkdtemp(prefix="demo-", dir=_cache()))
    try:
        _run(names, console, logs)
    except KeyboardInterrupt:
        console.line("\ndemo: interrupted; everything that it started has been stopped")
        code = 130
    except (DemoError, providers.ProvidersError) as error:
        console.line(f"\n{console.style('demo: failed', 'red')} in {error}")
        console.line(f"Log: {getattr(error, 'log', logs)}")
        return 1
    else:
        code = 0
    shutil.rmtree(logs, ignore_errors=True)
    return code


def _cache() -> Path:
    providers.CACHE.mkdir(exist_ok=True)
    return providers.CACHE


def _interrupt(number: int, frame: FrameType | None) -> None:
    # A second Ctrl-C must not interrupt the cleaning up, which is bounded in time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _run(names: list[str], console: Console, logs: Path) -> None:
    environment = providers.environment(report=console.line)
    with _part("installation", logs):
        _install(names)
    with ExitStack() as stack:
        stack.callback(_runtime().terminate)
        with _part("sandbox", logs / "sandbox.log"):
            aws = stack.enter_context(Sandbox.start(log=logs / "sandbox.log"))
        console.line(f"sandbox: a local AWS at {aws.endpoint}")
        console.line("values: as fingerprints (HMAC-SHA256, key of this run only), never themselves")
        if len(names) > 1:
            console.line(f"examples: all run at once, and are shown one after the other: {', '.join(names)}")
        _together([Demo(name, aws, Held(sys.stdout), environment, logs / name) for name in names])
    console.line(f"\n{console.style('demo: done', 'green')}, nothing is left running")


def _runtime() -> subprocess.Popen[bytes]:
    """Makes the function's interpreter, where it is not in the cache yet, while Terraform is busy."""
    command = [sys.executable, "-m", "rotation_lab.sandbox.interpreters", RUNTIME]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def _together(demos: Sequence[Demo]) -> None:
    """Run all at once: most of the time Terraform waits. Their output comes one after the other, in their order."""
    with ThreadPoolExecutor(len(demos)) as pool:
        running = [pool.submit(demo.run) for demo in demos]
        try:
            for demo, ended in zip(demos, running, strict=True):
                demo.output.release()
                ended.result()
        except BaseException:
            for demo in demos:
                demo.terraform.stop()
            raise


def _install(names: list[str]) -> None:
    """The servers that examples need, and the layer with the drivers, where they are missing."""
    if any(name in examples.TABLE for name in names):
        subprocess.run(["bash", str(providers.ROOT / "tools/dev/debian.sh")], check=True)
    if any("drivers.zip" in (EXAMPLES / name / "main.tf").read_text() for name in names) and not layer.LAYER.exists():
        layer.main()


@contextmanager
def _part(name: str, log: Path) -> Iterator[None]:
    """Says in which part an exception came up; the parts are what a person sees on the screen."""
    try:
        yield
    except DemoError:
        raise
    except Exception as error:
        reason = str(error) if isinstance(error, TerraformError) else f"{type(error).__name__}: {error}"
        raise DemoError(name, reason, log) from error


class Demo:
    """One example, from apply to destroy."""

    def __init__(self, name: str, aws: Sandbox, output: Held, environment: Mapping[str, str], work: Path) -> None:
        self.name, self.aws, self.output, self.work = name, aws, output, work
        self.console = Console(output)
        tree = checkout(work / "tree")
        self.terraform = Terraform(tree / "examples" / name, {**environment, **aws.environment}, work / "terraform")
        self.running = examples.Running()
        self.fingerprint = Fingerprints().of
        self.secret = self.function = ""

    def run(self) -> None:
        """Shows the example; raises ``DemoError``."""
        self.console.heading(self.name)
        with ExitStack() as stack:
            variables = self._start(stack)
            with self._step("terraform init"):
                self.terraform.init()
            stack.enter_context(aws_provider(self.terraform))
            self._apply(variables)
            first = self._snapshot()
            self._log_in(first)
            for number in range(1, ROTATIONS + 1):
                self._rotate(number)
            self._compare(first, self._snapshot())
            with self._step("terraform plan: nothing to do"):
                if self.terraform.plan(variables):
                    raise DemoError(f"{self.name}, second plan", "it is not empty", self.terraform.log_path)
            with self._step("terraform destroy"):
                self.terraform.destroy(variables)

    def _start(self, stack: ExitStack) -> Mapping[str, Any]:
        if self.name in examples.TABLE.keys() | PREPARED.keys():
            with self._step("start what the example needs"):
                self.running = stack.enter_context(examples.running(self.name, self.aws))
        return self.running.variables

    @contextmanager
    def _step(self, label: str, log: Path | None = None) -> Iterator[None]:
        with _part(f"{self.name}, {label}", log or self.terraform.log_path), self.console.progress(label):
            yield

    def _apply(self, variables: Mapping[str, Any]) -> None:
        with self._step("terraform apply"):
            self.terraform.apply(variables)
            outputs = self.terraform.output()
            self.secret = outputs.get("secret_arn") or next(iter(outputs["secret_arns"].values()))
            self.function = outputs["function_name"]
        with self._step("first rotation (enabling rotation starts it)"):
            if self.aws.settle(self.secret)["result"] is not None:  # else it waits for its schedule
                self._settle()

    def _rotate(self, number: int) -> None:
        before = self._snapshot()
        self.console.line()
        with self._step(f"rotation {number} of {ROTATIONS}"):
            self.aws.client("secretsmanager").rotate_secret(SecretId=self.secret)
            self._settle()
        after = self._snapshot()
        self._print(("before", "labels", "value"), before)
        self._print(("after", "", ""), after)
        if before.current == after.current:
            raise DemoError(f"{self.name}, rotation {number}", "the value did not change", self._function_log())
        self._log_in(after)

    def _settle(self) -> None:
        state = self.aws.settle(self.secret)
        if state["result"] != "ok":
            raise DemoError(f"{self.name}, rotation", f"its result is {state['result']}", self._function_log())

    def _function_log(self) -> Path:
        log = self.work / "function.log"
        log.write_text("\n".join(self.aws.logs(self.function)) + "\n")
        return log

    def _snapshot(self) -> Snapshot:
        client = self.aws.client("secretsmanager")
        labels = client.describe_secret(SecretId=self.secret).get("VersionIdsToStages", {})
        values = {
            version: client.get_secret_value(SecretId=self.secret, VersionId=version)["SecretString"]
            for version in labels
        }
        return Snapshot(labels, values)

    def _print(self, header: tuple[str, str, str], snapshot: Snapshot) -> None:
        # The current version first, then the pending and the previous one.
        def rank(item: tuple[str, list[str]]) -> int:
            return min((_LABEL_ORDER.index(label) for label in item[1] if label in _LABEL_ORDER), default=9)

        self.console.table([header], (38, 22, 8), style="dim")
        rows = [
            (version, " ".join(sorted(labels)), self.fingerprint(snapshot.values[version]))
            for version, labels in sorted(snapshot.labels.items(), key=rank)
        ]
        self.console.table(rows, (36, 22, 8), indent=6)

    def _log_in(self, snapshot: Snapshot) -> None:
        with _part(f"{self.name}, log in with the current value", self.work):
            if problem := self.running.check(snapshot.current):
                self.console.line(f"    {problem}")

    def _compare(self, first: Snapshot, last: Snapshot) -> None:
        """Shows for each key whether it changed; a change of a key that is not to rotate is a failure."""
        settings = self._settings()
        if "SECRET_KEYS" not in settings:
            return  # plain text: the whole value is one
        generators = json.loads(settings.get("GENERATORS", "{}"))
        others = [generator["public_key"] for generator in generators.values() if "public_key" in generator]
        others += [key for key, generator in generators.items() if generator["type"] == "template"]
        chosen = {
            key if key.startswith("/") else _below("", key) for key in [*json.loads(settings["SECRET_KEYS"]), *others]
        }
        before, after = _leaves(first.current), _leaves(last.current)
        changed = [key for key in after if before.get(key) != after[key]]
        self.console.line()
        self.console.table([("key", "before", "after both rotations")], (38, 8, 8), style="dim")
        rows = [
            (
                key.removeprefix("/"),
                self.fingerprint(before.get(key)),
                self.fingerprint(after[key]),
                "changed" if key in changed else "same",
            )
            for key in after
        ]
        self.console.table(rows, (36, 8, 8, 7), indent=6)
        # A target may set further keys: the other user's name, say.
        unexpected = set(changed) - chosen if settings.get("TARGET", "none") == "none" else set()
        if unexpected or not chosen <= set(changed) or list(before) != list(after):
            reason = f"keys that changed: {', '.join(changed)}; to rotate: {', '.join(sorted(chosen))}"
            raise DemoError(f"{self.name}, comparison", reason, self._function_log())

    def _settings(self) -> dict[str, str]:
        """The function's environment variables."""
        answer = self.aws.client("lambda").get_function_configuration(FunctionName=self.function)
        return dict(answer.get("Environment", {}).get("Variables", {}))


def _leaves(text: str) -> dict[str, object]:
    """All that is no object and no array in a JSON document, at any depth: its JSON pointer, and its value."""
    found: dict[str, object] = {}
    todo: list[tuple[str, object]] = [("", json.loads(text))]
    while todo:
        at, value = todo.pop(0)
        if isinstance(value, dict | list):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            todo[:0] = [(_below(at, name), inner) for name, inner in items]
        else:
            found[at] = value
    return found


def _below(at: str, name: object) -> str:
    return f"{at}/{str(name).replace('~', '~0').replace('/', '~1')}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
