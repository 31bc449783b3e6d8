"""What is tried, read from the command line and checked before anything starts."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HANDLER = "lambda_function.lambda_handler"
ACTIONS = ("DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage")
"""What AWS documents that a rotation function may do with its secret."""


class UsageError(Exception):
    """The arguments cannot be used; the message says why."""


@dataclass(frozen=True)
class Options:
    """One function, one secret, and the role."""

    folder: Path
    """The function's code."""
    files: Mapping[str, Path]
    """Further files of its package: name in the package → file."""
    environment: Mapping[str, str]
    secret: str
    keys: Sequence[str]
    """The keys of a JSON secret that rotate; none for plain text."""
    actions: Sequence[str] = ACTIONS
    """What the role may do with the secret."""
    policy: Sequence[Any] = ()
    """Further statements of the role."""
    layer: Path | None = None
    handler: str = HANDLER
    service: bool = True
    """Whether the value opens a service, which refuses a value that was never set there."""


def read(arguments: Sequence[str]) -> Options:
    """The options of ``rotation-lab try``. Raises ``UsageError``."""
    given = _parser().parse_args(arguments)
    secret = text("--secret", given.secret)
    return checked(
        Options(
            folder=Path(given.folder),
            files={name: Path(file) for name, file in pairs("--file", given.file).items()},
            environment={**passwords("--", given.length, given.exclude_characters), **pairs("--env", given.env)},
            secret=secret,
            keys=keys("--", given.keys, secret),
            actions=(*ACTIONS, *given.action),
            policy=policy("--policy", given.policy),
            layer=Path(given.layer) if given.layer else None,
            handler=given.handler,
            service=not given.no_service,
        )
    )


def checked(options: Options) -> Options:
    """The options, whose files are there and parse. Raises ``UsageError``."""
    module = options.handler.partition(".")[0]
    if not (options.folder / f"{module}.py").is_file():
        raise UsageError(f"{options.folder} has no {module}.py, which the handler {options.handler} needs.")
    for file in options.files.values():
        _check_source(file)
    if options.layer is not None and not options.layer.is_file():
        raise UsageError(f"The layer {options.layer} is not a file.")
    return options


def _check_source(file: Path) -> None:
    """A file that does not parse would fail in each check anew, and say less."""
    if not file.is_file():
        raise UsageError(f"{file} is not a file.")
    if file.suffix == ".py":
        try:
            compile(file.read_bytes(), str(file), "exec")
        except SyntaxError as error:
            raise UsageError(f"{file}, line {error.lineno}: {error.msg}.") from None
        except ValueError as error:  # a NUL byte
            raise UsageError(f"{file}: {error}.") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rotation-lab try", description=__doc__)
    parser.add_argument("folder", metavar="FOLDER", help="the function's code: a folder with the handler's module")
    parser.add_argument("--handler", default=HANDLER, help="default: %(default)s")
    parser.add_argument("--secret", default="first-value", metavar="TEXT", help="the first value, or @file")
    parser.add_argument("--keys", default="", metavar="KEY,KEY", help="keys of a JSON secret that rotate (password)")
    parser.add_argument("--no-service", action="store_true", help="the value opens no service that could refuse it")
    parser.add_argument("--file", action="append", default=[], metavar="NAME=FILE", help="another file of the package")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="an environment variable")
    parser.add_argument("--length", default="", help="PASSWORD_LENGTH, as AWS's templates name it")
    parser.add_argument("--exclude-characters", default="", help="EXCLUDE_CHARACTERS, as AWS's templates name it")
    parser.add_argument("--action", action="append", default=[], help="such as ListSecretVersionIds, on the secret")
    parser.add_argument("--policy", default="[]", metavar="JSON", help="further IAM statements of the role, or @file")
    parser.add_argument("--layer", default="", metavar="ZIP", help="a layer with the packages that the code imports")
    return parser


# How single options are read; ``name`` is what an error calls them.


def text(name: str, given: str) -> str:
    """The text, or that of the file after an ``@``."""
    if not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text().rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{name}: {given[1:]} cannot be read ({getattr(error, 'strerror', 'not UTF-8')}).") from None


def parsed(name: str, given: str) -> Any:
    """JSON, given as it is or as a file."""
    try:
        return json.loads(text(name, given))
    except ValueError:
        raise UsageError(f"{name} is not JSON.") from None


def policy(name: str, given: str) -> list[Any]:
    """A list of IAM statements."""
    found = parsed(name, given)
    if not isinstance(found, list):
        raise UsageError(f"{name} must be a JSON list of IAM statements.")
    return found


def pairs(name: str, given: Sequence[str]) -> dict[str, str]:
    """Texts such as NAME=VALUE."""
    for one in given:
        if not one.partition("=")[0] or "=" not in one:
            raise UsageError(f"{name} {one} has no name: write NAME=VALUE.")
    return {one.partition("=")[0]: one.partition("=")[2] for one in given}


def passwords(prefix: str, length: str, excluded: str) -> dict[str, str]:
    """The environment variables with which AWS's templates make passwords."""
    if length and not (length.isdecimal() and 1 <= int(length) <= 4096):
        raise UsageError(f"{_named(prefix, 'length')} is {length}. It must be a whole number from 1 to 4096.")
    given = {"PASSWORD_LENGTH": length, "EXCLUDE_CHARACTERS": excluded}
    return {name: value for name, value in given.items() if value}


def keys(prefix: str, given: str, secret: str) -> list[str]:
    """The keys that rotate: those that are given, else ``password`` for a JSON object, else none."""
    names = (_named(prefix, "keys"), _named(prefix, "secret"))
    try:
        document = json.loads(secret)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        if given:
            raise UsageError(f"{names[0]} is given, but {names[1]} is not a JSON object.")
        return []
    found = given.split(",") if given else ["password"]
    for key in found:
        if not isinstance(document.get(key), str):
            raise UsageError(f"{names[1]} has no text for the key {key!r}. Say with {names[0]} which keys rotate.")
    return found


def _named(prefix: str, name: str) -> str:
    """``--keys`` on the command line, ``KEYS`` in make."""
    return f"{prefix}{name}" if prefix else name.upper()
