"""Every rule of the variables of modules/alarms and modules/events, by the message that a user reads."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from tests.terraform import plans
from tests.terraform.plans import Refusal

QUEUE, STATES = "arn:aws:sqs:eu-central-1:123456789012:app", "arn:aws:states:eu-central-1:123456789012:stateMachine:app"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:alarms"


def told(**target: Any) -> dict[str, Any]:
    """A call of modules/events with one target."""
    return {"name": "app", "on_success": {"restart": {"arn": QUEUE, **target}}}


def targets(number: int) -> dict[str, Any]:
    return {f"t{n}": {"arn": QUEUE} for n in range(number)}


EVENTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "accepted": (told(input_paths={"a": "$.id"}, input_template='"<a>"', retries=0, maximum_age=60), []),
    "machine": (told(arn=STATES, role_arn="arn:aws:iam::123456789012:role/events"), []),
    "name": ({"name": "a b"}, ["a b", "48"]),
    "both": ({"name": "app", "secrets": [QUEUE], "name_prefixes": ["a"]}, ["name_prefixes", "secrets"]),
    "six": ({"name": "app", "on_success": targets(6)}, ["6 targets", "topic"]),
    "key": ({"name": "app", "on_success": {"re.start": {"arn": QUEUE}}}, ["re.start", "hyphens"]),
    "no_arn": (told(arn="app"), ["restart", "ARN"]),
    "no_role": (told(arn=STATES), ["restart", "role_arn"]),
    "paths": (told(input_paths={"a": "$.id"}), ["input_template", "restart"]),
    "retries": (told(retries=186), ["retries", "185", "restart"]),
    "age": (told(maximum_age=59), ["maximum_age", "60", "restart"]),
    "failures": ({"name": "app", "on_failure": {f"t{n}": QUEUE for n in range(6)}}, ["on_failure", "6 targets"]),
}
ALARMS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "accepted": ({"function_name": "app", "alarm_actions": [TOPIC], "interval_hours": 24}, []),
    "arn": (
        {"function_name": "arn:aws:lambda:eu-central-1:123456789012:function:app", "alarm_actions": [TOPIC]},
        ["name"],
    ),
    "nobody": ({"function_name": "app", "alarm_actions": []}, ["alarm_actions", "SNS topic"]),
    "hours": ({"function_name": "app", "alarm_actions": [TOPIC], "interval_hours": 25}, ["interval_hours", "24"]),
}
CASES = {"events": EVENTS, "alarms": ALARMS}
"""Module => case => a call of it, and what the message names; nothing for one that is accepted."""


@pytest.fixture(scope="module", params=CASES)
def planned(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, list[Refusal]]]:
    """What one plan of the module's variables says of its cases."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "module").mkdir()
    shutil.copy2(plans.ROOT / "modules" / request.param / "variables.tf", folder / "module")
    calls = {name: call for name, (call, _) in CASES[request.param].items()}
    return request.param, plans.refusals(calls, folder / "module", folder / "root", plans.alone())


def test_each_message_names_what_is_wrong(planned: tuple[str, dict[str, list[Refusal]]]) -> None:
    module, found = planned
    for name, (_, names) in CASES[module].items():
        texts = [refusal.text for refusal in found.get(name, [])]
        assert len(texts) == bool(names), (name, texts)
        assert not [word for word in names if word not in texts[0]], texts


def test_every_rule_has_a_case(planned: tuple[str, dict[str, list[Refusal]]]) -> None:
    module, found = planned
    tried = {refusal.rule for refusals in found.values() for refusal in refusals}
    assert plans.rules("validation", [plans.ROOT / "modules" / module / "variables.tf"]) == tried
