"""From Lambda's event to a step of a rotation."""

import functools
import os
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from . import aws, errors, loading, settings
from .deadline import Deadline, LambdaContext
from .errors import InternalError, MalformedEventError, RotationError, TargetError, UnknownStepError
from .logs import Log, silence_libraries
from .rotation import Function, Rotation
from .store import Secrets, Store

STEPS: Mapping[str, Callable[[Rotation], None]] = {
    "createSecret": Rotation.create_secret,
    "setSecret": Rotation.set_secret,
    "testSecret": Rotation.test_secret,
    "finishSecret": Rotation.finish_secret,
}
Report = Mapping[str, Any]
"""What is answered to who asks for a report: JSON without a value."""
_DEADLINE = Deadline()
_CODE = Path(__file__).parents[1]
_TARGETS = Path(__file__).parent / "targets"
_NAME = re.compile(r"\w{1,64}", re.ASCII)
_IDENTIFIER = re.compile(r"[\w/+=.@:!-]{1,2048}", re.ASCII)
_TOKEN = re.compile(r"[\w/+=.@:!-]{32,64}", re.ASCII)


class Event(NamedTuple):
    """What Secrets Manager sends, checked."""

    step: str
    secret_id: str
    token: str
    rotation_token: str | None


def lambda_handler(event: object, context: LambdaContext) -> Report | None:
    """Run one step. Raises a ``RotationError``, which Secrets Manager takes as a failed step.

    A diagnosis, which people and Terraform ask for, and a watch, which a schedule asks for, have an answer; the steps
    of a rotation have none.

    The exception is a new one, without a cause: neither its text nor what would be chained to it holds a value.
    """
    started, log = time.monotonic(), Log()
    failure: RotationError | None = None
    report: Report | None = None
    try:
        if isinstance(event, dict) and event.get("Step") in ("diagnose", "watch"):
            log = Log(step=event["Step"])
            report = _looked(event, context, log)
        else:
            parsed = parse(event)
            log = Log(step=parsed.step, secret_arn=parsed.secret_id, version_id=parsed.token)
            log.hide(parsed.rotation_token or "")
            _run(parsed, context, log)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # the boundary: of whatever comes, only what is safe goes on
        failure = _presentable(error, log)
    duration = round((time.monotonic() - started) * 1000)
    if failure is not None:
        log.error(str(failure), error=type(failure).__name__, duration_ms=duration)
        raise failure
    log.info("The step is done.", duration_ms=duration)
    return report


def parse(event: object) -> Event:
    """Check the event. Raises ``MalformedEventError`` or ``UnknownStepError``; nothing of the event is repeated."""
    if not isinstance(event, dict):
        raise MalformedEventError("The event is not an object. This function is called by Secrets Manager's rotation.")
    step = _text(event, "Step", _NAME, "the name of a step")
    if step not in STEPS:
        raise UnknownStepError(f"The event's Step is unknown; allowed: {', '.join(STEPS)}.")
    secret_id = _text(event, "SecretId", _IDENTIFIER, "the ARN of a secret")
    token = _text(event, "ClientRequestToken", _TOKEN, "32 to 64 characters, the id of a version")
    rotation_token = event.get("RotationToken")
    if rotation_token is not None and not isinstance(rotation_token, str):
        raise MalformedEventError("The event's RotationToken must be a string.")
    return Event(step, secret_id, token, rotation_token)


def _text(event: Mapping[str, object], name: str, allowed: re.Pattern[str], what: str) -> str:
    value = event.get(name)
    if isinstance(value, str) and allowed.fullmatch(value):
        return value
    raise MalformedEventError(
        f"The event's {name} is missing or is not {what}. This function is called by Secrets Manager's rotation."
    )


def _looked(event: Mapping[str, Any], context: LambdaContext, log: Log) -> Report:
    """The report that an event asks for. Imported here: no rotation waits until that has been compiled."""
    from . import diagnose, watch

    if event["Step"] == watch.STEP:
        wanted = watch.parse(event, context.invoked_function_arn)
        _DEADLINE.start(context)
        return watch.run(wanted, _function(), log)
    request = diagnose.parse(event)
    _DEADLINE.start(context)
    return diagnose.run(request, _function, log, lambda error: _presentable(error, log))


def _run(event: Event, context: LambdaContext, log: Log) -> None:
    _DEADLINE.start(context)  # before the target is loaded, which takes time too
    function = _function()
    store = Store(
        Secrets(function.client, log),
        event.secret_id,
        event.token,
        event.rotation_token,
        function.deadline,
        function.settings.keys or (),
        function.settings.password_key,
        function.settings.templates,
    )
    STEPS[event.step](Rotation(store, function, log))


@functools.cache
def _function() -> Function:
    """Read the settings and load the target, once; a failure is not kept, so each invocation reports it."""
    silence_libraries()
    found = settings.read(os.environ)
    return Function(
        settings=found,
        target=None if found.target is None else loading.load(found.target, found.given),
        deadline=_DEADLINE,
        client=aws.clients(_DEADLINE, found.endpoint_url),
        begun=deque(maxlen=100),
    )


def _presentable(error: BaseException, log: Log) -> RotationError:
    """A new exception of this package that says what is safe to say of ``error``."""
    place, is_target = _place(error)
    if isinstance(error, ClientError | BotoCoreError):
        error = aws.explain(error, place)
    if isinstance(error, RotationError):
        ours = next(kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
        made: RotationError = ours(log.clean(str(error)))
        return made
    kind = TargetError if is_target else InternalError
    return kind(f"{type(error).__name__} in {place}. Its text is not shown, since it may hold a value.")


def _place(error: BaseException) -> tuple[str, bool]:
    """The innermost line of this zip's code in the traceback, and whether it is a target's."""
    place, is_target, trace = "the function", False, error.__traceback__
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if file.is_relative_to(_CODE):
            place = f"{file.name} line {trace.tb_lineno}"
            # Of the files beside the package, all but ours are the caller's.
            is_target = file.is_relative_to(_TARGETS) or (file.parent == _CODE and file.stem != "lambda_function")
        trace = trace.tb_next
    return place, is_target


def prepare() -> None:
    """Do in Lambda's init phase, when a function has a whole CPU however little memory it has, what takes CPU time."""
    with suppress(Exception, SystemExit):  # each invocation tries again, and reports it
        _function()
        aws.prepare()


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    prepare()
