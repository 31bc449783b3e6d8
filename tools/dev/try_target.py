"""``make try TARGET=path/to/my_target.py``: tries a target of your own with this module's function and a local AWS.

Everything else is given by make's variables, JSON and TEXT as they are or as ``@file``:

    SETTINGS            JSON: target.settings, such as {"url": "http://localhost:8099"}
    SECRET, KEYS        the secret's first value, and which keys of a JSON object rotate
    LENGTH, EXCLUDE     password.length and exclude_characters: what the service allows in a password
    GENERATORS          JSON: generators by key, such as {"token": {"type": "hex", "bytes": 16}}
    POLICY, LAYER       further IAM statements of the role; a zip with packages in the folder ``python``

    make try TARGET=examples/python/my_target.py SETTINGS='{"url": "http://localhost:8099"}' \\
        SECRET='{"username": "app", "password": "first-password"}' LENGTH=20

What is tried, and the exit codes: see ``rotation-lab try --help``, which does the same for any function.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rotation_lab.trial import __main__ as trial
from rotation_lab.trial import options
from rotation_lab.trial.installed import statements
from rotation_lab.trial.options import Options, UsageError
from tools.dev.providers import ROOT

SOURCES = ROOT / "lambda_src"
DEFAULT_SECRET = '{"username": "app", "password": "first-password"}'  # noqa: S105 - of rotation_lab.services.door
ACTIONS = (*options.ACTIONS, "ListSecretVersionIds")
"""This module's function also looks in versions without a label. A test compares ``role`` with the planned policy."""


def role(secret: str, function: str) -> list[dict[str, Any]]:
    """All statements that the role has here."""
    return statements(secret, function, ACTIONS)


def main(arguments: Sequence[str]) -> int:
    """Try the target and print a line for each check; returns the exit code."""
    try:
        return trial.run(read(arguments, os.environ))
    except UsageError as error:
        return trial.refused(error)


def read(arguments: Sequence[str], environment: Mapping[str, str]) -> Options:
    """The options, from make's variables. Raises ``UsageError``."""
    if len(arguments) != 1:
        raise UsageError("Say which file: make try TARGET=path/to/my_target.py")
    file = Path(arguments[0])
    if file.suffix != ".py" or not file.is_file():
        raise UsageError(f"{file} is not a Python file.")
    secret = options.text("SECRET", environment.get("SECRET") or DEFAULT_SECRET)
    keys = options.keys("", environment.get("KEYS", ""), secret)
    return options.checked(
        Options(
            folder=SOURCES,
            files={"custom_target.py": file},
            environment=_variables(environment, keys),
            secret=secret,
            keys=keys,
            actions=ACTIONS,
            policy=options.policy("POLICY", environment.get("POLICY") or "[]"),
            layer=Path(environment["LAYER"]) if environment.get("LAYER") else None,
        )
    )


def _variables(environment: Mapping[str, str], keys: Sequence[str]) -> dict[str, str]:
    """The function's environment variables, as the module sets them."""
    generators = _object("GENERATORS", environment.get("GENERATORS") or "{}")
    found = {"TARGET": "python", "TARGET_SETTINGS": json.dumps(_settings(environment.get("SETTINGS") or "{}"))}
    found |= {"SECRET_KEYS": json.dumps(keys)} if keys else {}
    found |= {"GENERATORS": json.dumps(generators)} if generators else {}
    return found | options.passwords("", environment.get("LENGTH", ""), environment.get("EXCLUDE", ""))


def _settings(given: str) -> dict[str, Any]:
    found = _object("SETTINGS", given)
    if not all(isinstance(value, str) for value in found.values()):
        raise UsageError('SETTINGS must be a JSON object of strings, such as {"url": "http://localhost:8099"}.')
    return found


def _object(name: str, given: str) -> dict[str, Any]:
    found = options.parsed(name, given)
    if not isinstance(found, dict):
        raise UsageError(f"{name} must be a JSON object.")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
