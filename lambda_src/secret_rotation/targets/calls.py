"""Any service, by requests that are described as data: over HTTP, to an AWS API, or, to test, by another target.

docs/calls.md says what a request may have. ``declared`` is the engine; this file checks what the user described when
the function starts, and gives the engine's functions as a target.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from types import SimpleNamespace

from ..target import Context, Credential, Given, SettingError
from .declared import amazon, check, engine, filling, other, web
from .declared.call import Call, statuses
from .declared.check import Described
from .declared.issuing import Issuing
from .declared.step import Plan, with_key

USUAL = "200-299"
"""The statuses that mean success where a request does not say."""
WHOSE = ("host", "port", "username")
"""Keys of the secret that say whose credential it is, in whichever request they stand."""


def load(given: Given) -> SimpleNamespace:
    """The target. Raises ``SettingError``, which names the place, for a description that cannot be used."""
    plan = _plan(given)

    def known(context: Context) -> Context:
        return with_key(context, plan.value_key)

    functions: dict[str, object] = {
        "set_secret": lambda context: engine.set_secret(plan, known(context)),
        "test_secret": lambda context: engine.test_secret(plan, known(context)),
        "check": lambda context: engine.check(plan, known(context)),
        "identity": partial(_identity, plan),
        "issued_keys": _no_further_keys,
    }
    if plan.calls["issue"] or plan.calls["revoke"]:
        functions["create_secret"] = lambda context: Issuing(plan, known(context)).create()
    if plan.calls["list"]:
        functions["finish_secret"] = lambda context: Issuing(plan, known(context)).finish()
    if plan.calls["issue"]:
        functions["discard_secret"] = lambda context, issued: Issuing(plan, known(context)).discard(issued)
    return SimpleNamespace(**functions)


def _plan(given: Given) -> Plan:
    described = check.check(given)
    calls = {step: tuple(_call(each, given.settings) for each in requests) for step, requests in described.items()}
    keys = given.keys or ()
    plan = Plan(calls, keys, _value_key(given, calls), tuple(sorted(_fixed(calls, (*keys, *given.derived)))))
    _check_value_key(plan)
    return plan


def _call(each: Described, settings: Mapping[str, str]) -> Call:
    expected = statuses(each.fields.get("status", USUAL))
    if "url" in each.fields:
        return Call(each, web.of(each, settings, os.environ.get("AWS_REGION")), expected)
    return Call(each, amazon.of(each) if "action" in each.fields else other.of(each), expected)


def _value_key(given: Given, calls: Mapping[str, tuple[Call, ...]]) -> str | None:
    """The key that {{pending}} and so on mean: never the first one because it happens to be that."""
    keys = given.keys or ()
    ids = {key for call in calls["list"] for key in call.fields["values"]}
    ids |= {key for call in calls["revoke"] for key in call.keys("retired")}
    others = [key for key in keys if key not in ids]
    return given.password_key or (others[0] if len(others) == 1 else None)


def _fixed(calls: Mapping[str, tuple[Call, ...]], keys: Collection[str]) -> set[str]:
    used = {key for each in calls.values() for call in each for key in call.keys(*filling.OF_SECRET)}
    return (used - {"", *keys}) | (set(WHOSE) - set(keys))


def _check_value_key(plan: Plan) -> None:
    for call in _all(plan):
        bare = call.keys(*filling.OF_SECRET) & {""}
        if bare and plan.keys and plan.value_key is None and "target" not in call.fields:
            raise SettingError(
                f"{call} has a placeholder without a key, or 'auth' alone, and the secret has several keys that "
                f"rotate: {', '.join(plan.keys)}. Write the key, such as {{{{login.{plan.keys[0]}}}}}, or set "
                "'password_key'."
            )


def _all(plan: Plan) -> Iterator[Call]:
    for calls in plan.calls.values():
        yield from calls


def _identity(plan: Plan, credential: Credential) -> dict[str, str]:
    """What the requests use of the secret and does not rotate: whose credential it is, and where."""
    return {key: filling.peek(credential, key) or "" for key in plan.fixed_keys}


def _no_further_keys(_: Context) -> tuple[str, ...]:
    """What is issued goes into ``keys``."""
    return ()
