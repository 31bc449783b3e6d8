"""A plan that one runner saves is applied by another: a pipeline's usual way, where most zips go missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rotation_lab.sandbox.client import Sandbox
from tests.e2e.stack import Stack
from tools.dev.terraform import Terraform, checkout

EXAMPLE = "examples/plaintext"
FUNCTION = "module.rotation.aws_lambda_function.rotation"
LAYER = 'module.rotation.aws_lambda_layer_version.layer["code"]'
ZIP = "module.rotation.terraform_data.package"


@pytest.fixture(scope="module")
def runner(
    aws: Sandbox, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Terraform]]:
    """Makes runners: each with a clean checkout and nothing else, but for the state, which all share."""
    shared = tmp_path_factory.mktemp("shared")
    runners: list[Terraform] = []

    def make(source: str = "") -> Terraform:
        folder = tmp_path_factory.mktemp("runner")
        tree = checkout(folder / "tree")
        if source:
            handler = tree / "lambda_src/lambda_function.py"
            handler.write_text(f"{handler.read_text()}\n# {source}\n")
        terraform = Terraform(tree / EXAMPLE, {**environment, **aws.environment}, folder / "work")
        terraform.state_path = shared / "terraform.tfstate"
        terraform.init()
        runners.append(terraform)
        return terraform

    yield make
    runners[-1].destroy({"name": "saved-plan-2"})


@pytest.mark.parametrize(
    ("source", "name", "flags"),
    [
        pytest.param("", "saved-plan", [], id="first"),
        pytest.param("changed", "saved-plan", [], id="source changed"),
        pytest.param("changed", "saved-plan-2", [], id="another name"),
        # So is one that is tainted, was deleted, or failed to be created.
        pytest.param("changed", "saved-plan-2", [f"-replace={FUNCTION}"], id="recreated without a change"),
        pytest.param("changed", "saved-plan-2", [f"-replace={LAYER}", f"-replace={ZIP}"], id="layer recreated"),
    ],
)
def test_a_saved_plan_applies_in_another_clean_checkout(
    runner: Callable[[str], Terraform], aws: Sandbox, tmp_path: Path, source: str, name: str, flags: list[str]
) -> None:
    plan = tmp_path / "saved.tfplan"
    planner, applier = runner(source), runner(source)
    assert planner.plan({"name": name}, out=plan, flags=flags)
    shutil.rmtree(planner.directory.parents[1])  # whatever the plan wrote beside the configuration is gone
    applier.apply(plan=plan)
    stack = Stack(aws, applier, {"name": name}, applier.output())
    assert stack.function == name
    assert aws.settle(stack.secret)["result"] == "ok"
    assert stack.rotate()["result"] == "ok"
