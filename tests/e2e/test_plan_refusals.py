"""Mistakes that only a plan with a provider can see are rejected there: every precondition, by its message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rotation_lab.sandbox.client import Sandbox
from tests.calls_cases import OURS, with_field
from tests.settings_cases import ACCEPTED_TOGETHER, LAYER, REJECTED_TOGETHER, REQUIRED, Together
from tests.terraform import plans
from tests.terraform.plans import Refusal
from tests.terraform.test_variables import LAYERS, NETWORK

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:app-AbCdEf"
ISSUED = {"type": "iam_access_key", "settings": {"user_arn": "arn:aws:iam::123456789012:user/app"}}


def described(calls: Any, **target: Any) -> dict[str, Any]:
    """A call of the module with the target calls."""
    return {"secrets": {"app": SECRET}, "keys": ["value"], "target": {"type": "calls", "calls": calls, **target}}


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
    "one_user": {
        "secrets": {"app": SECRET, "other": SECRET.replace("app", "other")},
        "keys": ["password"],
        "target": {"type": "postgresql", "settings": {"username": "app"}},
        "network": NETWORK,
        "function": LAYERS,
    },
    "own_secret": {
        "secrets": {"app": SECRET},
        "keys": ["password"],
        "target": {"type": "redis", "settings": {"admin_secret_arn": SECRET, "username": "app"}},
        "network": NETWORK,
        "function": LAYERS,
    },
    "one_secret_for_two_uses": {
        "secrets": {"app": SECRET},
        "keys": ["password"],
        "target": {
            "type": "rds_data",
            "settings": {
                "engine": "mysql",
                "cluster_arn": "arn:aws:rds:us-east-1:123456789012:cluster:app",
                "admin_secret_arn": SECRET.replace("app", "admin"),
                "probe_secret_arn": SECRET.replace("app", "admin"),
                "allowed_usernames": "app_*",
            },
        },
    },
    "region_of_a_setting": {
        "secrets": {"app": SECRET},
        "keys": ["password"],
        "target": {
            "type": "http",
            "settings": {**REQUIRED["http"], "admin_secret_arn": SECRET.replace("us-east-1", "eu-north-1")},
        },
    },
    "region_of_a_key": {
        "secrets": {"app": SECRET},
        "generators": {"": {"type": "rsa", "kms_key_arn": "arn:aws:kms:eu-north-1:123456789012:key/1"}},
    },
    "account_of_a_user": {
        "secrets": {"app": SECRET},
        "keys": ["access_key_id", "secret_access_key"],
        "target": {"type": "iam_access_key", "settings": {"user_arn": "arn:aws:iam::999999999999:user/app"}},
    },
    "calls_names": described(with_field("set", OURS, headrs={})),
    "calls_values": described(with_field("set", OURS, body="{{pendng}}")),
    "verify_wait": {"secrets": {"app": SECRET}, "verify": {"wait": 60}},
    "verify_past": {"secrets": {"app": SECRET}, "verify": {"wait": -1}},
    "target_file": {"secrets": {"app": SECRET}, "target": {"type": "python", "file": "nowhere.py"}},
    "package_path": {"secrets": {"app": SECRET}, "package": {"path": "nowhere.zip"}},
    "layers": {"secrets": {"app": SECRET}, "function": {"layers": [LAYER] * 5}},
    "sid": {
        "secrets": {"app": SECRET},
        "role": {"statements": {"UseOwnLog": {"actions": ["s3:GetObject"], "resources": ["*"]}}},
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
    "one_user": ["username is one user for 2 secrets", "leave it out"],
    "own_secret": ["admin_secret_arn names a secret that rotates here", "of its own"],
    "one_secret_for_two_uses": ["admin_secret_arn names", "probe_secret_arn names", "of its own"],
    "region_of_a_setting": ["admin_secret_arn is in eu-north-1", "us-east-1"],
    "region_of_a_key": ['generators[""].kms_key_arn is in eu-north-1', "us-east-1"],
    "account_of_a_user": ["user_arn is in the account 999999999999", "123456789012"],
    "calls_names": ["target.calls.set.headrs is unknown", "headers"],
    "calls_values": ["target.calls.set.body", "{{pendng}}"],
    "verify_wait": ["verify.wait is 60", "0 to 55 seconds", "function.timeout"],
    "verify_past": ["verify.wait is -1", "0 to 55 seconds", "verify = null"],
    "target_file": ['target.file is "nowhere.py"', "Give the path"],
    "package_path": ['package.path is "nowhere.zip"', "must be there"],
    "layers": ["function.layers has 5", "allowed are 4"],
    "sid": ["role.statements", "UseOwnLog", "another"],
    "policy": ["10240", "role.statements", "role_name"],
}


def together(case: Together) -> dict[str, Any]:
    """A call with the settings of a case, in this region."""
    settings = json.loads(json.dumps(case.complete).replace("eu-central-1", "us-east-1"))
    target = {"type": case.target, "settings": settings}
    return {"secrets": {"app": SECRET}, "keys": case.keys, "target": target, "network": NETWORK, "function": LAYERS}


TOGETHER = {f"together-{number}": case for number, case in enumerate(REJECTED_TOGETHER)}
REJECTED = {**CALLS, **{name: together(case) for name, case in TOGETHER.items()}}
WORDS = {**MESSAGES, **{name: [*case.names] for name, case in TOGETHER.items()}}
ACCEPTED = {f"accepted-{number}": together(case) for number, case in enumerate(ACCEPTED_TOGETHER)}

# Whom an administrator may change has to be said, for each target that takes the user from the secret.
PINS = dict.fromkeys(("redis", "postgresql", "mysql", "mongodb", "rds_data"), ("allowed_usernames", "*"))
PINS["ldap"] = ("user_base", "ou=services,dc=example,dc=com")
PLACE = {"mongodb": {"auth_source": "admin"}}
"""The same name in another database is another user."""
for target, (setting, value) in PINS.items():
    known = {"admin_secret_arn": SECRET.replace("app", "admin"), **PLACE.get(target, {})}
    given = Together(target, known, (setting, "username"))
    REJECTED[f"unpinned-{target}"] = together(given)
    WORDS[f"unpinned-{target}"] = [*given.names, "admin_secret_arn"]
    ACCEPTED[f"pinned-{target}"] = together(Together(target, {**given.settings, setting: value}))
    if target in PLACE:
        anywhere = {name: text for name, text in known.items() if name not in PLACE[target]} | {"username": "app"}
        REJECTED[f"anywhere-{target}"] = together(Together(target, anywhere, tuple(PLACE[target])))
        WORDS[f"anywhere-{target}"] = [*PLACE[target], "admin_secret_arn"]


@pytest.fixture(scope="module")
def found(aws: Sandbox, environment: dict[str, str], tree: Path) -> list[Refusal]:
    """What one plan says about all calls above. Terraform does not say which call a failed precondition is of."""
    calls = {name: {"name": name, **call} for name, call in {**REJECTED, **ACCEPTED}.items()}
    refusals = plans.refusals(calls, tree, tree / "examples" / "refused", {**environment, **aws.environment})
    return [refusal for of_one in refusals.values() for refusal in of_one]


@pytest.mark.parametrize("name", REJECTED)
def test_the_message_names_the_call_and_says_what_is_wrong_and_what_to_do(name: str, found: list[Refusal]) -> None:
    texts = [refusal.text for refusal in found if f'name = "{name}": ' in refusal.text]
    assert len(texts) == 1, texts
    assert [part for part in WORDS[name] if part not in texts[0]] == []


def test_each_call_is_rejected_once_and_every_precondition_has_a_case(found: list[Refusal]) -> None:
    assert len(found) == len(REJECTED)
    assert {refusal.rule for refusal in found} == plans.rules("precondition", plans.ROOT.glob("*.tf"))
