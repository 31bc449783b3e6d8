"""Runs the real Terraform, and leaves nothing in the source tree."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.dev.providers import ROOT

_TAIL_LINES = 30
_STOP_SECONDS = 5.0
_GENERATED = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.tfplan", "__pycache__", ".*_cache")

# What modules/drivers runs.
_LAYER = [
    "tools/dev/layer.py",
    "tools/requirements/layer.txt",
    *(f"tools/rotation_lab/src/rotation_lab/{name}.py" for name in ("__init__", "zipping")),
]


class TerraformError(Exception):
    """A Terraform command failed. The message holds the command, the end of its output, and where all of it is."""

    def __init__(self, command: list[str], output: str, log: Path) -> None:
        self.output = output
        tail = "\n".join(output.strip().splitlines()[-_TAIL_LINES:])
        super().__init__(f"{shlex.join(command)} failed:\n{tail}\n(all of its output: {log})")


def checkout(destination: Path, root: Path = ROOT) -> Path:
    """A copy of what Terraform reads: the module, its code, the examples and the native tests.

    Terraform writes a lock file beside the configuration, whatever TF_DATA_DIR says. In the source tree it would
    outlive the run, and refuse the next one after a change of providers.
    """
    destination.mkdir(parents=True, exist_ok=True)
    for path in root.glob("*.tf"):
        shutil.copy2(path, destination)
    for folder in ("bootstrap", "lambda_src", "examples", "modules", "tests"):
        if (root / folder).exists():
            shutil.copytree(root / folder, destination / folder, ignore=_GENERATED, dirs_exist_ok=True)
    for name in filter(lambda name: (root / name).exists(), _LAYER):
        (destination / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, destination / name)
    layer = root / "build/drivers.zip"
    if layer.exists():
        (destination / "build").mkdir(exist_ok=True)
        shutil.copy2(layer, destination / "build")
    return destination


class Terraform:
    """Terraform in one configuration folder.

    ``environment`` is the whole environment of the commands (``providers.environment()`` and the AWS endpoint);
    TF_DATA_DIR, the state and ``terraform.log`` are in ``work``. Variables are a mapping of names to JSON values.
    ``program`` may be another version, or OpenTofu. Every method but ``run`` raises ``TerraformError`` when its
    command fails.
    """

    def __init__(
        self, directory: Path, environment: Mapping[str, str], work: Path, program: Path = Path("terraform")
    ) -> None:
        self.directory, self._program = directory, str(program)
        self.state_path = work / "terraform.tfstate"
        self.log_path = work / "terraform.log"
        self.data = work / "data"
        self.environment: Mapping[str, str] = {**environment, "TF_DATA_DIR": str(self.data)}
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False
        work.mkdir(parents=True, exist_ok=True)

    def stop(self) -> None:
        """End the command that another thread runs, with all that it has started; later ones fail at once."""
        self._stopped = True
        if self._process is not None:
            _stop(self._process)

    def init(self) -> None:
        """Installs modules and providers."""
        # No state is asked for: a backend that somebody adds to an example must not be used from here.
        self._checked("init", "-backend=false")

    def validate(self) -> None:
        """Checks the configuration without reading anything."""
        self._checked("validate")

    def plan(
        self, variables: Mapping[str, Any] | None = None, out: Path | None = None, flags: Sequence[str] = ()
    ) -> bool:
        """Plans; returns whether there is anything to do."""
        saved = [f"-out={out}"] if out else []
        code, output, command = self._run(
            "plan", "-detailed-exitcode", *flags, *saved, *self._state(), *_flags(variables)
        )
        if code not in (0, 2):
            raise TerraformError(command, output, self.log_path)
        return code == 2

    def show(self, plan: Path) -> dict[str, Any]:
        """A saved plan, as JSON."""
        shown: dict[str, Any] = json.loads(self._checked("show", "-json", str(plan)))
        return shown

    def apply(self, variables: Mapping[str, Any] | None = None, plan: Path | None = None) -> str:
        """Applies the configuration, or a saved plan; returns the output."""
        if plan:
            return self._checked("apply", "-auto-approve", *self._state(), str(plan))
        return self._checked("apply", "-auto-approve", *self._state(), *_flags(variables))

    def destroy(self, variables: Mapping[str, Any] | None = None) -> str:
        """Destroys all that is in the state; returns the output."""
        return self._checked("destroy", "-auto-approve", *self._state(), *_flags(variables))

    def output(self) -> dict[str, Any]:
        """The outputs' values by name."""
        answer = json.loads(self._checked("output", "-json", *self._state()))
        return {name: output["value"] for name, output in answer.items()}

    def run(self, *arguments: str) -> tuple[int, str]:
        """Any command: its exit code, and its standard output and error together."""
        code, output, _ = self._run(*arguments)
        return code, output

    def _state(self) -> list[str]:
        return [f"-state={self.state_path}"]

    def _checked(self, *arguments: str) -> str:
        code, output, command = self._run(*arguments)
        if code:
            raise TerraformError(command, output, self.log_path)
        return output

    def _run(self, *arguments: str) -> tuple[int, str, list[str]]:
        command = [self._program, *arguments, *([] if arguments[0] in ("output", "show") else ["-no-color"])]
        # A group of its own: Ctrl-C reaches this process alone, which then ends Terraform with all its providers.
        with subprocess.Popen(
            command,
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            self._process = process
            try:
                if self._stopped:  # by another thread, before there was a process to end
                    _stop(process)
                output, _ = process.communicate()
            except BaseException:
                _stop(process)
                raise
        self._log(command, output)
        return process.returncode, output, command

    def _log(self, command: list[str], output: str) -> None:
        with self.log_path.open("a") as log:
            log.write(f"$ {shlex.join(command)}\n{output}\n")


def _flags(variables: Mapping[str, Any] | None) -> list[str]:
    return [
        f"-var={name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in (variables or {}).items()
    ]


def _stop(process: subprocess.Popen[str]) -> None:
    """Ends Terraform and its providers; politely first, so that the state of what exists is still written."""
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(_STOP_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
