"""Programs written in Go, at exact versions: built from the Go module proxy once, and kept in the user's cache.

    python3 tools/dev/go_tools.py NAME...     (prints the path of each; builds those that are missing)

`go install` refuses a module whose go.mod has `replace` lines, as most of these have. So the module's folder is copied
and built as the main module, which also takes the versions of its own go.sum. Terraform's remote-state backends are
modules beside it, which the proxy does not hold under Terraform's own version: they are left out. A local state is all
that is wanted here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "terraform-aws-secret-rotation/tools"
_BACKENDS = Path("internal/backend/init/init.go")


class ToolError(Exception):
    """A program cannot be had; the message says why, and what helps."""


@dataclass(frozen=True)
class Tool:
    """A program: its module, its version, and the package in the module that has its ``main``."""

    module: str
    version: str
    package: str = "."
    minutes: str = "a minute or two"
    tags: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    """What its own build would have written into the module's folder."""

    @property
    def flags(self) -> str:
        """Without them Terraform and OpenTofu call themselves a development version, which few constraints allow."""
        return f"-s -w -X {self.module}/version.dev=no"


_TERRAFORM, _TOFU = "github.com/hashicorp/terraform", "github.com/opentofu/opentofu"
TOOLS = {
    "actionlint": Tool("github.com/rhysd/actionlint", "1.7.12", "./cmd/actionlint"),
    "ferretdb": Tool(
        "github.com/FerretDB/FerretDB",
        "1.24.2",
        "./cmd/ferretdb",
        tags="ferretdb_no_postgresql",
        files={"build/version/version.txt": "v1.24.2"},
    ),
    "terraform-docs": Tool("github.com/terraform-docs/terraform-docs", "0.21.0"),
    "tflint": Tool("github.com/terraform-linters/tflint", "0.64.0"),
    "terraform-1.9.8": Tool(_TERRAFORM, "1.9.8", minutes="2 to 4 minutes"),
    "terraform-1.16.0": Tool(_TERRAFORM, "1.16.0", minutes="4 to 8 minutes"),
    "tofu-1.9.4": Tool(_TOFU, "1.9.4", "./cmd/tofu", minutes="4 to 8 minutes"),
    "tofu-1.12.6": Tool(_TOFU, "1.12.6", "./cmd/tofu", minutes="5 to 10 minutes"),
}


def main(names: list[str]) -> int:
    """Print where each program is; returns the exit code."""
    try:
        for name in names:
            print(program(name))
    except ToolError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def program(name: str) -> Path:
    """The path of a program of ``TOOLS``, which is built if it is not there yet. Raises ``ToolError``."""
    tool = TOOLS[name]
    path = CACHE / f"{name.removesuffix('-' + tool.version)}-{tool.version}"
    if not path.exists():
        if shutil.which("go") is None:
            raise ToolError(
                f"{name}: the Go compiler is not on PATH. Install Go: {name} {tool.version} is built from source."
            )
        print(f"{name}: building {tool.version} from source ({tool.minutes}, once on this machine)", file=sys.stderr)
        CACHE.mkdir(parents=True, exist_ok=True)
        _build(name, tool, path)
    return path


def _build(name: str, tool: Tool, path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        source, built = Path(folder) / "source", Path(folder) / "built"
        shutil.copytree(_downloaded(name, tool), source)
        _go(name, "chmod", "-R", "u+w", str(source))
        leave_out_backends(source)
        for inside, text in tool.files.items():
            (source / inside).write_text(text)
        options = ["-mod=mod", "-tags", tool.tags, "-ldflags", tool.flags, "-o", str(built)]
        _go(name, "go", "build", *options, tool.package, folder=source)
        built.replace(path)


def _downloaded(name: str, tool: Tool) -> Path:
    answer = _go(name, "go", "mod", "download", "-json", f"{tool.module}@v{tool.version}")
    return Path(json.loads(answer)["Dir"])


def leave_out_backends(source: Path) -> None:
    """Take the backends that are modules of their own out of Terraform's list and its go.mod; others have none."""
    modules = re.findall(r"^replace (\S+) => \./", (source / "go.mod").read_text(), re.MULTILINE)
    if not modules:
        return
    _drop_lines(source / "go.mod", modules)
    text = (source / _BACKENDS).read_text()
    names = [
        found for module in modules for found in re.findall(rf'^\s*(\w+) "{re.escape(module)}"', text, re.MULTILINE)
    ]
    _drop_lines(source / _BACKENDS, [*(f'"{module}"' for module in modules), *(f"{name}.New()" for name in names)])


def _drop_lines(path: Path, parts: list[str]) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not any(part in line for part in parts)))


def _go(name: str, *command: str, folder: Path | None = None) -> str:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}
    answer = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if answer.returncode:
        tail = "\n".join(answer.stderr.strip().splitlines()[-8:])
        raise ToolError(f"{name}: {' '.join(command[:3])} failed, so it could not be built:\n{tail}")
    return answer.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
