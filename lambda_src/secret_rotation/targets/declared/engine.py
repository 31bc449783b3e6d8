"""setSecret and testSecret, over described requests. What is issued and revoked: ``issuing``."""

import re
import secrets
from contextlib import suppress
from dataclasses import replace

from ...target import AuthenticationError, AwsError, Context, RotationError, ValueRefusedError
from .call import UNANSWERED, Call, Reply
from .step import Plan, Step

REPEATED = {"400", "409", "412", "422"}
"""Statuses by which services reject what they have done already."""
_ELSE = re.compile("NotFound|NoSuch|Throttl|TooMany|LimitExceeded|Internal|Unavailable|Timeout")
"""In the codes of AWS's errors that never say so."""


def set_secret(plan: Plan, context: Context) -> None:
    """Send the set requests in their order, each logged in with whichever stored value the service accepts.

    They are sent again as they are, so each must be safe to repeat. A service may all the same reject what it has done
    already: then the test with the pending value decides. Of a request after the first it decides only where the status
    is one of a repetition, since the test may pass because of the first one.
    """
    step = Step(plan, context)
    for call in (*plan.calls["set"], *plan.calls["test"]):
        step.check(call, context.pending)
    for number, call in enumerate(plan.calls["set"]):
        # A value that was refused may be the one that logs in since the request before.
        if isinstance(context.problems.get(context.pending.version), AuthenticationError):
            del context.problems[context.pending.version]
        _apply(step, call, is_first=number == 0)


def _apply(step: Step, call: Call, *, is_first: bool) -> None:
    try:
        reply = step.send(call, step.context.pending)
    except RotationError as error:
        reply = Reply(UNANSWERED, None, error)
    if reply.problem is None:
        return
    if not (is_first or _is_repetition(reply)) or not _is_accepted(step):
        raise reply.problem
    step.context.log.warning(
        f"{call} failed, but the service accepts the pending value, so it counts as done: {reply.problem} If the "
        "service answers a repetition so, list the status in 'status'."
    )


def _is_repetition(reply: Reply) -> bool:
    if reply.status in REPEATED:
        return True
    by_aws = reply.status != UNANSWERED and isinstance(reply.problem, AwsError | ValueRefusedError)
    return by_aws and not _ELSE.search(reply.status)


def _is_accepted(step: Step) -> bool:
    """Whether the service accepts the pending value, and not any other: some URLs answer 200 whoever asks."""
    (test,), pending = step.plan.calls["test"], step.context.pending
    if not {"login", "pending", "session"} & test.roots or not step.passes(pending):
        return False
    if "target" in test.fields:  # a target's own test logs in
        return True
    with suppress(RotationError):
        step.test(pending.with_value(secrets.token_urlsafe(24)), waits=False)
        step.context.log.warning(f"{test} succeeds with a wrong value too. Ask for what needs the value.")
        return False
    return True


def test_secret(plan: Plan, context: Context) -> None:
    """Send the test request with the value to be tested."""
    step = Step(plan, context)
    for call in plan.calls["test"]:
        step.check(call, context.subject)
    step.test(context.subject, waits=True)


def check(plan: Plan, context: Context) -> None:
    """Fill in what is sent, reach where it goes, and log in and list as the next rotation would.

    Of the stored values AWSCURRENT alone is tried, and nothing is set, issued or revoked.
    """
    step = Step(plan, replace(context, older=lambda: iter(())))
    for name, calls in plan.calls.items():
        for call in calls:
            if name != "revoke":  # what is retired is not known yet
                step.check(call, context.subject)
            call.reach(context)
    step.log_in_as_administrator()
    for call in plan.calls["list"]:
        step.must(call)
