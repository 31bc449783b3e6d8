"""What the plan says of described requests: the place, what is wrong, and what is allowed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from secret_rotation.catalogue import defaults
from secret_rotation.target import Given
from secret_rotation.targets import calls
from tests.calls_cases import ISSUED, KEYS, OURS, REJECTED, SET, TEST, URL, with_field
from tests.settings_cases import ADMIN, SECRET
from tests.terraform import plans
from tests.terraform.test_variables import LAYERS, NETWORK

OUTPUTS = """
output "problems" { value = concat(local.call_problems, local.call_value_problems) }
output "names" { value = local.call_problems }
output "actions" { value = local.call_iam_actions }
output "calls" { value = var.target.calls }
"""
PAGE = plans.ROOT / "docs/calls.md"
EXAMPLES = re.findall(r"```hcl\n(calls = \{.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
EXAMPLE_KEYS = [["password"], ["client_secret"], ["password"], ["secret", "id"]]
ACCEPTED = {
    "ours": OURS,
    "issued": ISSUED,
    "several": {**OURS, "set": [SET, {"action": "elasticache:DescribeUsers", "match": {"/Users/0/Status": "active"}}]},
    "tested_by_redis": {**OURS, "test": {"target": "redis", "settings": {"host": "{{login.host}}"}, "retry": 60}},
    "nested": with_field("set", OURS, body={"a": [1, True, None, {"b": "{{pending./a/b}} {{mark}}"}]}),
    "session": {**OURS, "session": TEST, "set": {**SET, "token": "{{session./access_token}}"}},
    "admin": with_field("set", OURS, token="{{admin.token}}", body="{{expires|epoch}}"),
    "paged": with_field("list", url=f"{URL}?page={{{{page|zero}}}}&from={{{{offset}}}}", where={"/a": [None, "b", 1]}),
    "next": with_field("list", url=f"{URL}?from={{{{next}}}}", next="/next"),
    "cookies": {
        **OURS,
        "session": TEST,
        "set": {
            **SET,
            "headers": {"Cookie": "{{session.cookies}}", "X": "{{session.header.X-A}} {{session.cookie.a_b}}"},
            "body": {"id": "{{login.id|number}}", "n": "{{session./n|number}}", "all": "{{session}}"},
        },
    },
    "null": {**OURS, "list": None, "set": {**SET, "status": None, "match": {"/error": None}}},
}
BY_REDIS = {**OURS, "test": {"target": "redis"}}
BY_AWS = {**OURS, "set": {"action": "iam:GetUser"}}
ALL = {**ISSUED, "list": {"url": TEST["url"], "items": "", "all": True, "values": {}}}
TWO = {"app": SECRET, "other": SECRET.replace("app", "other")}
RENAMED = {"iam:GetUser": "iam:GetUser"}
AROUND: dict[str, tuple[dict[str, Any], list[str]]] = {
    "missing": ({"target": {"type": "calls"}}, ["target.calls", "docs/calls.md"]),
    "other_type": ({"target": {"calls": OURS}}, ["target.type is none"]),
    "resources": ({"target": {"type": "calls", "calls": BY_AWS}}, ["iam:GetUser", "target.resource_arns"]),
    "no_action": (
        {"target": {"type": "calls", "calls": OURS, "resource_arns": ["*"]}},
        ["target.resource_arns", "no action"],
    ),
    "iam_actions": (
        {"target": {"type": "calls", "calls": OURS, "iam_actions": RENAMED}},
        ["target.iam_actions", "iam:GetUser"],
    ),
    "driver": (
        {"target": {"type": "calls", "calls": {**OURS, "test": {"target": "postgresql"}}}, "network": NETWORK},
        ["driver pg8000", "function.layers"],
    ),
    "network": ({"target": {"type": "calls", "calls": BY_REDIS}, "function": LAYERS}, ["network"]),
    "all": ({"target": {"type": "calls", "calls": ALL}, "secrets": TWO}, ["target.calls.list", "app, other"]),
}
"""What else a call of the module has to have → what the message names."""
SETTINGS = {"admin": {"admin_secret_arn": ADMIN, "lifetime_days": "90"}}


def call(described: Any, settings: Any = None) -> dict[str, Any]:
    target = {"type": "calls", "calls": described, "settings": settings or {}}
    keys = list(KEYS) if "issue" in (described or ISSUED) else ["value"]
    return {"name": "app", "secrets": {"app": SECRET}, "keys": keys, "target": target}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Name of a call → the outputs of its module, all in one plan."""
    folder = tmp_path_factory.mktemp("calls")
    module = plans.module_of_variables(folder / "module")
    shutil.copy2(plans.ROOT / "calls.tf", module)
    (module / "outputs.tf").write_text(OUTPUTS)
    given = {name: call(described, SETTINGS.get(name)) for name, described in ACCEPTED.items()}
    given |= {f"rejected{number}": call(described) for number, (described, _) in enumerate(REJECTED)}
    given |= {f"around_{name}": {**call(None), **arguments} for name, (arguments, _) in AROUND.items()}
    given["two_keys"] = {**call(OURS), "keys": ["token", "salt"]}
    given["unknown"] = call(with_field("set", OURS, url="${terraform_data.unknown.id}", headrs={}))
    (folder / "root").mkdir()
    for number, (text, keys) in enumerate(zip(EXAMPLES, EXAMPLE_KEYS, strict=True)):
        name = f"example{number}"
        (folder / "root" / f"{name}_calls.tf").write_text(f"locals {{\n{name}_is = {{\n{text}\n}}\n}}")
        settings = {"admin_secret_arn": ADMIN} if "{{admin" in text else {}
        given[name] = {**call(f"${{local.{name}_is.calls}}", settings), "keys": keys}
    return planned(folder / "root", given)


def planned(folder: Path, given_calls: dict[str, Any]) -> dict[str, Any]:
    (folder / "unknown.tf").write_text('resource "terraform_data" "unknown" {}')
    for name, arguments in given_calls.items():
        # Not as an argument: Terraform would take the placeholders' braces of JSON for its own.
        is_expression = name.startswith(("unknown", "example"))
        given = {"locals": {name: arguments}} if is_expression else {"variable": {name: {"default": arguments}}}
        of = "local" if is_expression else "var"
        module = {"source": "../module", **{each: f"${{{of}.{name}.{each}}}" for each in arguments}}
        output = {name: {"value": f"${{module.{name}{'.names' if name == 'unknown' else ''}}}"}}
        (folder / f"{name}.tf.json").write_text(json.dumps({**given, "module": {name: module}, "output": output}))
    terraform(folder, "init", "-backend=false")
    terraform(folder, "plan", "-out=plan")
    outputs = json.loads(terraform(folder, "show", "-json", "plan"))["planned_values"]["outputs"]
    return {name: about.get("value") for name, about in outputs.items()}


def terraform(folder: Path, *command: str) -> str:
    done = subprocess.run(
        ["terraform", *command], cwd=folder, env=plans.alone(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("number", range(len(REJECTED)))
def test_a_wrong_description_is_named_by_its_place_with_what_is_allowed(number: int, said: dict[str, Any]) -> None:
    described, named = REJECTED[number]
    messages = said[f"rejected{number}"]["problems"]
    assert any(all(name.strip("'`") in message for name in named) for message in messages), (described, named, messages)


@pytest.mark.parametrize("name", AROUND)
def test_what_is_missing_around_the_requests_is_named(name: str, said: dict[str, Any]) -> None:
    messages = said[f"around_{name}"]["problems"]
    assert any(all(part in message for part in AROUND[name][1]) for message in messages), messages


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_right_is_accepted(name: str, said: dict[str, Any]) -> None:
    problems = said[name]["problems"]
    assert [text for text in problems if not re.search("resource_arns is empty|function.layers|network", text)] == []


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_examples_of_the_page_are_accepted_at_plan_and_by_the_function(number: int, said: dict[str, Any]) -> None:
    found, keys = said[f"example{number}"], tuple(EXAMPLE_KEYS[number])
    problems = found["problems"]
    assert [text for text in problems if not re.search("resource_arns is empty|function.layers|network", text)] == []
    settings = {**defaults("calls"), "admin_secret_arn": ADMIN}
    calls.load(Given(keys, settings, keys[0] if len(keys) == 1 else None, found["calls"]))


def test_a_placeholder_without_a_key_needs_one_value(said: dict[str, Any]) -> None:
    messages = [text for text in said["two_keys"]["problems"] if "password_key" in text]
    assert [re.match(r"[\w.]+", text)[0] for text in messages] == [  # type: ignore[index]
        "target.calls.set.body",
        "target.calls.set",
        "target.calls.test",
    ]


def test_the_role_gets_the_actions(said: dict[str, Any]) -> None:
    assert said["several"]["actions"] == ["elasticache:DescribeUsers"]


def test_a_typo_does_not_wait_for_a_value_that_is_unknown(said: dict[str, Any]) -> None:
    assert "target.calls.set.headrs is unknown" in said["unknown"][0]
