"""Examine one case in this process: its environment variables and modules are then those of the function."""

import importlib
import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import boto3

from rotation_lab.services.base import Answers, Service

from .campaign import Choice, Result, examine
from .cases import Case
from .environment import Handler
from .proxy import Listener
from .world import Subject

OURS = Path(__file__).parents[5] / "lambda_src"
AWS = {
    "AWS_ACCESS_KEY_ID": "AKIAHARNESS000000000",
    "AWS_SECRET_ACCESS_KEY": "harness",
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_LAMBDA_LOG_LEVEL": "DEBUG",
    "SECRETS_MANAGER_ENDPOINT": "https://secretsmanager.eu-west-1.amazonaws.com",
}
HOST = "localhost"


def run(case: Case, function: Path | None, choice: Choice, tell: Callable[[str], None]) -> Result:
    """Start the service, load the function, and run all faults. ``function``: a folder with ``lambda_function.py``.

    A folder with a copy of this project's source counts as ours, so that a change of it can be examined.
    """
    folder = function or OURS
    ours = (folder / "secret_rotation").is_dir()
    with case.service() as service:
        listener = Listener(service.upstream) if service.upstream else None
        port = listener.port if listener else 0
        _become(case.environment(HOST, port))
        subject = Subject(
            handler=_load(case, folder, ours=ours),
            document=case.document(service, HOST, port, simple=not ours),
            service=service,
            listener=listener,
            explains="RotationError" if ours else "",
            others={name: json.dumps(text) if text else None for name, text in service.others(HOST, port).items()},
        )
        _warm(service)
        return examine(case.name, subject, choice, tell)


def _become(variables: dict[str, str]) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    os.environ.clear()
    os.environ.update({**kept, **AWS, **variables})


def _load(case: Case, folder: Path, *, ours: bool) -> Handler:
    # As Lambda's runtime does: everything is logged to the output, at the most verbose level.
    logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, force=True)
    sys.path[:0] = [str(folder), *([str(case.folder)] if case.folder else [])]
    handler: Handler = importlib.import_module("lambda_function").lambda_handler
    if ours and case.target != "none":  # its drivers take a while to import, which no run has to wait for
        importlib.import_module(f"secret_rotation.targets.{case.target}")
    return handler


def _warm(service: Service) -> None:
    """Read boto3's models once, before the process is forked."""
    level, logging.getLogger().level = logging.getLogger().level, logging.WARNING
    boto3.setup_default_session()
    more = service.apis(lambda arn: None) if isinstance(service, Answers) else {}
    for name in ("secretsmanager", *more):
        boto3.client(name)  # type: ignore[call-overload]
    logging.getLogger().setLevel(level)
