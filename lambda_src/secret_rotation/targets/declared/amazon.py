"""Requests to AWS APIs, as the function's role."""

import functools
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.exceptions import ClientError, DataNotFoundError, UnknownServiceError
from botocore.model import OperationModel
from botocore.validate import ParamValidator

from ...placeholders import PLACEHOLDER
from ...target import Context, RotationError, SettingError, ValueRefusedError, aws
from . import filling
from .call import Reply
from .check import Described, placeholders, sends_new_value
from .filling import Placeholder, Sources

_JUDGED = re.compile("Invalid(Password|Parameter|Input)|Validation|Password(Policy|History)")
"""In the codes of AWS's errors that are about what was sent."""
SHOWN = 12
"""Names that a message lists of those that are allowed."""


@dataclass(frozen=True)
class Amazon:
    """One request."""

    described: Described
    service: str
    operation: str

    def placeholders(self) -> Collection[Placeholder]:
        """Those of its parameters."""
        return {one for _, one in placeholders(self.described)}

    def check(self, sources: Sources) -> None:
        """Fill in everything once."""
        self._parameters(sources)

    def reach(self, context: Context) -> None:
        """Nothing: AWS answers a request that is signed, and each would be the request itself."""

    def send(self, context: Context, sources: Sources, *, reads: bool, once: bool) -> Reply:
        """Send it: ``once`` by a client with one attempt, since boto3's own repetition would issue two."""
        del reads
        parameters, action = self._parameters(sources), f"{self.service}:{self.operation}"
        client = context.client(self.service, attempts=1) if once else context.client(self.service)
        with aws.calling(action):
            try:
                return Reply("200", self._answer(client, parameters))
            except ClientError as error:
                code = str(error.response.get("Error", {}).get("Code", "unknown"))
                return Reply(code, None, self._problem(code, aws.explain(error, action)))

    def _problem(self, code: str, problem: RotationError) -> RotationError:
        if not (_JUDGED.search(code) and sends_new_value(self.described)):
            return problem
        return ValueRefusedError(
            f"{problem} The service's rules may refuse the new value (`password`), or a parameter is wrong."
        )

    def _answer(self, client: Any, parameters: Mapping[str, Any]) -> Any:
        """Of a list all pages, where botocore knows how to turn them."""
        name = xform_name(self.operation)
        if self.described.step == "list" and client.can_paginate(name):
            return client.get_paginator(name).paginate(**parameters).build_full_result()
        return getattr(client, name)(**parameters)

    def _parameters(self, sources: Sources) -> dict[str, Any]:
        return dict(filling.fill_any(self.described.fields.get("parameters", {}), sources))


def of(described: Described) -> Amazon:
    """The request. Raises ``SettingError`` for an operation or a parameter that botocore does not know."""
    service, _, operation = described.fields["action"].partition(":")
    model = _model(described, service, operation)
    problems = list(_problems(model, described.fields.get("parameters", {})))
    if problems:
        raise SettingError(f"{described.place}.parameters: {problems[0]}")
    return Amazon(described, service, operation)


def _model(described: Described, service: str, operation: str) -> OperationModel:
    try:
        found = _session().get_service_model(service)
    except (UnknownServiceError, DataNotFoundError):
        raise SettingError(
            f"{described.place}.action names the service {service!r}, which boto3 does not know. Similar: "
            f"{_similar(service, _session().get_available_services())}."
        ) from None
    if operation not in found.operation_names:
        raise SettingError(
            f"{described.place}.action names the operation {operation!r}, which {service} does not have. Similar: "
            f"{_similar(operation, found.operation_names)}."
        )
    return found.operation_model(operation)


@functools.cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()


def _similar(name: str, known: Collection[str]) -> str:
    import difflib

    return ", ".join(difflib.get_close_matches(name, known, 5, 0.5) or sorted(known)[:SHOWN])


def _problems(model: OperationModel, parameters: Mapping[str, Any]) -> Iterator[str]:
    """What botocore says of the parameters. Lengths are checked when they are sent: a placeholder has none."""
    if model.input_shape is None:
        if parameters:
            yield "the operation has none."
        return
    report = ParamValidator().validate(_plain(parameters), model.input_shape)
    for line in report.generate_report().splitlines():
        if not line.startswith(("Invalid length", "Invalid range")):
            yield line


def _plain(node: Any) -> Any:
    """The parameters with something of no meaning for each placeholder: a number where it is filled in as one."""
    if isinstance(node, str):
        one = filling.alone(node)
        if one is not None and (one.is_number or one.root == "expires"):
            return 1 if one.is_number else "2026-01-31"
        return PLACEHOLDER.sub("placeholder", node)
    if isinstance(node, dict):
        return {key: _plain(item) for key, item in node.items()}
    return [_plain(item) for item in node] if isinstance(node, list) else node
