"""Runs AWS CLI lines as they are printed, by boto3: the tests need no AWS CLI."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any


def run(line: str, client: Callable[[str], Any], folder: Path = Path()) -> Any:
    """The answer to one line such as ``aws secretsmanager rotate-secret --secret-id app``."""
    program, service, command, *words = shlex.split(line)
    assert program == "aws", line
    made = client(service)
    members = _members(made, command)
    found: dict[str, Any] = {}
    options = iter(words)
    for option in options:
        if option in ("--region", "--output", "--query", "--cli-binary-format", "--cli-read-timeout"):
            next(options)
        elif option in members and members[option][1] == "boolean":
            found[members[option][0]] = True
        elif option in members:
            found[members[option][0]] = _value(next(options), members[option][1], folder)
        elif option.removeprefix("--no-") != option and option.replace("--no-", "--") in members:
            found[members[option.replace("--no-", "--")][0]] = False
        else:
            raise AssertionError(f"{option} is no option of aws {service} {command}")
    return getattr(made, command.replace("-", "_"))(**found)


def _members(client: Any, command: str) -> dict[str, tuple[str, str]]:
    """Option of the command line => the member of the request, and its type."""
    action = client.meta.method_to_api_mapping[command.replace("-", "_")]
    shapes = client.meta.service_model.operation_model(action).input_shape.members
    return {f"--{_kebab(name)}": (name, shape.type_name) for name, shape in shapes.items()}


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def _value(word: str, kind: str, folder: Path) -> Any:
    if word.startswith("file://"):
        word = (folder / word.removeprefix("file://")).read_text()
    if kind == "integer":
        return int(word)
    return word.split(",") if kind == "list" else word
