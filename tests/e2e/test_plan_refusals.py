"""Mistakes that only a plan with a provider can see are rejected there: every precondition, by its message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rotation_lab.sandbox.client import Sandbox
from tests.settings_cases import LAYER, REQUIRED
from tests.terraform import plans
from tests.terraform.plans import Refusal
from tests.terraform.test_variables import LAYERS, NETWORK

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:app-AbCdEf"
ISSUED = {"type": "iam_access_key", "settings": {"user_arn": "arn:aws:iam::123456789012:user/app"}}

CALLS: dict[str, dict[str, Any]] = {
    "region": {"secrets": {"app": SECRET.replace("us-east-1", "ap-south-2")}},
    "account": {"secrets": {"app": SECRET.replace("123456789012", "999999999999")}},
    "partition": {"secrets": {"app": SECRET.replace("arn:aws:", "arn:aws-cn:")}},
    "environment": {"secrets": {"app": SECRET}, "keys": [f"password_{number}" for number in range(400)]},
    "issued_keys": {"secrets": {"app": SECRET}, "keys": ["secret_access_key"], "target": ISSUED},
    "password_key": {
        "secrets": {"app": SECRET},
        "keys": ["api_token", "secret"],
        "target": {"type": "postgresql"},
        "network": NETWORK,
        "function": LAYERS,
    },
    "password_key_unknown": {
        "secrets": {"app": SECRET},
        "keys": ["password"],
        "target": {"type": "http", "settings": {**REQUIRED["http"], "password_key": "pass"}},
    },
    "one_secret": {
        "secrets": {"app": SECRET, "other": SECRET.replace("app", "other")},
        "keys": ["access_key_id", "secret_access_key"],
        "target": ISSUED,
    },
    "target_file": {"secrets": {"app": SECRET}, "target": {"type": "python", "file": "nowhere.py"}},
    "package_path": {"secrets": {"app": SECRET}, "package": {"path": "nowhere.zip"}},
    "layers": {"secrets": {"app": SECRET}, "function": {"layers": [LAYER] * 5}},
    "sid": {
        "secrets": {"app": SECRET},
        "role": {"statements": {"WriteLogs": {"actions": ["s3:GetObject"], "resources": ["*"]}}},
    },
    "policy": {
        "secrets": {"app": SECRET},
        "role": {
            "statements": {
                "ReadIt": {"actions": ["s3:GetObject"], "resources": [f"arn:aws:s3:::bucket-{n}/*" for n in range(500)]}
            }
        },
    },
}

MESSAGES = {
    "region": ['secrets["app"] is in ap-south-2', "providers = {"],
    "account": ['secrets["app"] is in the account 999999999999', "providers = {"],
    "partition": ['secrets["app"] is in the partition aws-cn', "a provider for that partition"],
    "environment": ["environment has", "4096", "Shorten keys"],
    "issued_keys": ['keys must be ["access_key_id","secret_access_key"]', 'keys is ["secret_access_key"]'],
    "password_key": ["target postgresql", "target.settings.password_key", 'keys is ["api_token","secret"]'],
    "password_key_unknown": ["target http", 'password_key is "pass"', 'keys is ["password"]'],
    "one_secret": ["secrets has 2: app, other", "once for each"],
    "target_file": ['target.file is "nowhere.py"', "Give the path"],
    "package_path": ['package.path is "nowhere.zip"', "must be there"],
    "layers": ["function.layers has 5", "allowed are 4"],
    "sid": ["role.statements", "WriteLogs", "another"],
    "policy": ["10240", "role.statements", "role_name"],
}


@pytest.fixture(scope="module")
def found(aws: Sandbox, environment: dict[str, str], tree: Path) -> list[Refusal]:
    """What one plan says about all calls above. Terraform does not say which call a failed precondition is of."""
    calls = {name: {"name": name, **call} for name, call in CALLS.items()}
    refusals = plans.refusals(calls, tree, tree / "examples" / "refused", {**environment, **aws.environment})
    return [refusal for of_one in refusals.values() for refusal in of_one]


@pytest.mark.parametrize("name", CALLS)
def test_the_message_says_what_is_wrong_and_what_to_do(name: str, found: list[Refusal]) -> None:
    texts = [refusal.text for refusal in found]
    assert len([text for text in texts if all(part in text for part in MESSAGES[name])]) == 1, texts


def test_each_call_is_rejected_once_and_every_precondition_has_a_case(found: list[Refusal]) -> None:
    assert len(found) == len(CALLS)
    assert {refusal.rule for refusal in found} == plans.rules("precondition", plans.ROOT.glob("*.tf"))
