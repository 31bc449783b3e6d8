"""The border with ministack, which ships no types: all of it that the sandbox uses is imported here, and only here.

Import this after ``rotation_lab.sandbox.environment.prepare``: ministack reads the environment when it is imported.
"""

from __future__ import annotations

import contextvars
import importlib.metadata
from collections.abc import Callable
from typing import Any

MINISTACK = "1.5.33"

_installed = importlib.metadata.version("ministack")
if _installed != MINISTACK:
    raise SystemExit(f"sandbox: it changes ministack {MINISTACK} from the inside, but {_installed} is installed")

# Below the check on purpose: the import of another version may fail in a way that says nothing.
from ministack import app as app  # noqa: E402
from ministack.core import iam_actions as iam_actions  # noqa: E402
from ministack.core import iam_evaluator as iam_evaluator  # noqa: E402
from ministack.core import lambda_runtime as lambda_runtime  # noqa: E402
from ministack.core import responses as responses  # noqa: E402
from ministack.core import router as router  # noqa: E402
from ministack.services import cloudtrail as cloudtrail  # noqa: E402
from ministack.services import cloudwatch as cloudwatch  # noqa: E402
from ministack.services import cloudwatch_logs as cloudwatch_logs  # noqa: E402
from ministack.services import ec2 as ec2  # noqa: E402
from ministack.services import elasticache as elasticache  # noqa: E402
from ministack.services import eventbridge as eventbridge  # noqa: E402
from ministack.services import iam as iam  # noqa: E402
from ministack.services import kms as kms  # noqa: E402
from ministack.services import lambda_svc as lambda_svc  # noqa: E402
from ministack.services import rds_data as rds_data  # noqa: E402
from ministack.services import scheduler as scheduler  # noqa: E402
from ministack.services import secretsmanager as secretsmanager  # noqa: E402
from ministack.services import sns as sns  # noqa: E402
from ministack.services import sqs as sqs  # noqa: E402
from ministack.services import stepfunctions as stepfunctions  # noqa: E402

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers, body: what ministack's handlers return."""
Json = dict[str, Any]


def replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Replaces ``owner.name`` by ``make(what it was)``; stops the start when there is no such name."""
    if not hasattr(owner, name):
        raise SystemExit(f"sandbox: ministack has no {owner.__name__}.{name} any more; the patch of it must be redone")
    setattr(owner, name, make(getattr(owner, name)))


def replace_item(owner: dict[str, Any], name: str, make: Callable[[Any], Any]) -> None:
    """The same for an entry of one of ministack's tables."""
    if name not in owner:
        raise SystemExit(f"sandbox: ministack has no action {name} any more; the patch of it must be redone")
    owner[name] = make(owner[name])


def account() -> str:
    """The account of the request at hand."""
    return str(responses.get_account_id())


def region() -> str:
    """The region of the request at hand."""
    return str(responses.get_region())


def new_id() -> str:
    """A UUID."""
    return str(responses.new_uuid())


def caller(headers: dict[str, str], query: Json) -> str:
    """The ARN of who signed the request."""
    return str(iam_evaluator.request_caller_arn(headers, query))


def in_scope(account_id: str, region_name: str, function: Callable[[], None]) -> None:
    """Calls ``function`` as if in a request to that account and region."""

    def scoped() -> None:
        responses.set_request_account_id(account_id)
        responses.set_request_region(region_name)
        function()

    contextvars.copy_context().run(scoped)


def find_function(arn: str) -> Json | None:
    """The record of a Lambda function, by ARN, with or without a qualifier."""
    record: Json | None = lambda_svc._get_func_record_for_ref(arn)[0]
    return record


def json_error(code: str, message: str, status: int = 400) -> Answer:
    """An error as the JSON protocols write it."""
    answer: Answer = responses.error_response_json(code, message, status)
    return answer


def xml_error(code: str, message: str, status: int = 400) -> Answer:
    """An error as the query protocols write it."""
    answer: Answer = responses.error_response_xml(code, message, status)
    return answer


def json_body(body: bytes, status: int = 200) -> Answer:
    """An answer as Secrets Manager writes it."""
    return status, {"Content-Type": "application/x-amz-json-1.1"}, body
