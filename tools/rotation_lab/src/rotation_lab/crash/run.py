"""Examine one case in this process: its environment variables and modules are then those of the function."""

import importlib
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import boto3

from rotation_lab.services.base import Answers, Service

from .campaign import Choice, Result, examine
from .case import Case
from .environment import Handler
from .proxy import Listener
from .world import Subject

AWS = {
    "AWS_ACCESS_KEY_ID": "AKIAHARNESS000000000",
    "AWS_SECRET_ACCESS_KEY": "harness",
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_LAMBDA_FUNCTION_NAME": "function",  # a function may prepare itself when Lambda imports it
    "AWS_LAMBDA_LOG_LEVEL": "DEBUG",
    "SECRETS_MANAGER_ENDPOINT": "https://secretsmanager.eu-west-1.amazonaws.com",
}
HOST = "localhost"


class FunctionError(Exception):
    """The function cannot be examined; the message says why."""


@dataclass(frozen=True)
class Function:
    """The function that is examined."""

    folder: Path
    module: str
    name: str
    environment: Mapping[str, str]
    """Its environment variables, besides those of the case."""

    @classmethod
    def of(cls, folder: str, handler: str, environment: Sequence[str] = ()) -> "Function":
        """From the options of the command line. Raises ``FunctionError``."""
        module, _, name = handler.rpartition(".")
        path = Path(folder).resolve()
        if not (path / f"{module.replace('.', '/')}.py").is_file():
            raise FunctionError(f"{folder} has no {module}.py, which the handler {handler} needs.")
        for text in environment:
            if not text.partition("=")[0] or "=" not in text:
                raise FunctionError(f"--env {text} has no name: write NAME=VALUE.")
        return cls(path, module, name, {text.partition("=")[0]: text.partition("=")[2] for text in environment})

    def load(self) -> Handler:
        """Import it."""
        sys.path.insert(0, str(self.folder))
        handler: Handler = getattr(importlib.import_module(self.module), self.name)
        return handler


def run(case: Case, function: Function, choice: Choice, tell: Callable[[str], None]) -> Result:
    """Start the service, load the function, and run all faults."""
    with case.service() as service, service.misbehave(case.world) if case.world else nullcontext():
        listener = Listener(service.upstream) if service.upstream else None
        port = listener.port if listener else 0
        _become({**case.environment(HOST, port), **function.environment})
        subject = Subject(
            handler=_load(case, function),
            document=case.document(service, HOST, port),
            service=service,
            listener=listener,
            others={name: json.dumps(text) if text else None for name, text in service.others(HOST, port).items()},
            explains=case.explains,
            goes_back=case.goes_back,
            keeps=case.keeps,
        )
        _warm(service)
        return examine(case.name, subject, choice, tell)


def _become(variables: Mapping[str, str]) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    os.environ.clear()
    os.environ.update({**kept, **AWS, **variables})


def _load(case: Case, function: Function) -> Handler:
    # As Lambda's runtime does. Unless a variable of the function says otherwise, everything is logged.
    level = logging.getLevelNamesMapping().get(os.environ["AWS_LAMBDA_LOG_LEVEL"], logging.DEBUG)
    logging.basicConfig(level=level, stream=sys.stdout, force=True)
    sys.path[:0] = [str(case.folder)] if case.folder else []
    handler = function.load()
    for module in case.modules:
        importlib.import_module(module)
    return handler


def _warm(service: Service) -> None:
    """Read boto3's models once, before the process is forked."""
    level, logging.getLogger().level = logging.getLogger().level, logging.WARNING
    boto3.setup_default_session()
    more = service.apis(lambda arn: None) if isinstance(service, Answers) else {}
    for name in ("secretsmanager", *more):
        boto3.client(name)  # type: ignore[call-overload]
    logging.getLogger().setLevel(level)
