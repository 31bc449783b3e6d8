"""The role that `make try` makes by API calls may do what the role that the module plans may do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rotation_lab.sandbox.client import Sandbox
from rotation_lab.trial.installed import NAME
from tools.dev import try_target
from tools.dev.terraform import Terraform

PLACE = "us-east-1:123456789012"
SECRET = f"arn:aws:secretsmanager:{PLACE}:secret:app-AbCdEf"
CONFIGURATION = f"""
provider "aws" {{}}

module "rotation" {{
  source  = "../.."
  name    = "{NAME}"
  secrets = {{ app = "{SECRET}" }}
  target  = {{ type = "python" }}
  package = {{ s3 = {{ bucket = "code", key = "rotation.zip" }} }}
}}
"""
Statement = Mapping[str, Any]


def planned(terraform: Terraform, plan: Path) -> list[Statement]:
    terraform.init()
    terraform.plan(out=plan)
    changes = terraform.show(plan)["resource_changes"]
    (policy,) = [change["change"]["after"]["policy"] for change in changes if change["type"] == "aws_iam_role_policy"]
    return list(json.loads(policy)["Statement"])


def rights(statements: Sequence[Statement]) -> dict[str, tuple[str, Any]]:
    """What each action is allowed with: the resource and the condition."""
    found = {}
    for statement in statements:
        assert statement["Effect"] == "Allow"
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            found[action] = (statement["Resource"], statement.get("Condition"))
    return found


def test_make_try_grants_what_the_module_grants(
    aws: Sandbox, environment: dict[str, str], tree: Path, tmp_path: Path
) -> None:
    directory = tree / "examples" / "try-policy"
    directory.mkdir()
    (directory / "main.tf").write_text(CONFIGURATION)
    module = rights(planned(Terraform(directory, {**environment, **aws.environment}, tmp_path), tmp_path / "plan"))
    function_arn = f"arn:aws:lambda:{PLACE}:function:{NAME}"
    tried = rights(try_target.role(SECRET, function_arn))
    assert tried.keys() == module.keys() - {"logs:FilterLogEvents"}  # for diagnose, which is not tried
    for action, (resource, condition) in tried.items():
        assert condition == module[action][1], action
        # One secret where the module's role names all, of which its condition leaves those that it rotates.
        allowed: Any = module[action][0]
        assert any(fnmatchcase(resource, one) for one in ([allowed] if isinstance(allowed, str) else allowed)), action
