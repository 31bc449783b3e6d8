"""A target is a file, a test, an example and an entry in the catalogue; each without the others is a defect."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from secret_rotation import catalogue
from tools.dev import examples

ROOT = Path(__file__).parents[2]
MODULES = ROOT / "lambda_src" / "secret_rotation" / "targets"
NOT_TARGETS = {"__init__"}
NOTHING_TO_TEST = {"none"}
"""No service: the other tests and examples are about it."""
CATALOGUE = catalogue.targets()
SERVICES = sorted(set(CATALOGUE) - NOTHING_TO_TEST)

FIELDS = {"summary", "needs_network", "driver", "settings", "permissions"}
OPTIONAL = {"issued_keys", "one_secret", "one_password", "rotations_to_revoke", "steps", "calls"}
"""Where the values that a target issues go, how many secrets may share it, and when a former value no longer works."""
DESCRIBED = {kind for kind, about in CATALOGUE.items() if about.get("calls")}
"""What these do stands in the requests of each user: they have tests of each kind of request in place of a contract."""


def text(*parts: str) -> str:
    path = ROOT.joinpath(*parts)
    return path.read_text("utf-8") if path.is_file() else ""


def test_every_file_in_targets_is_in_the_list() -> None:
    files = {path.stem for path in MODULES.glob("*.py")} - NOT_TARGETS
    assert files == {kind for kind, about in CATALOGUE.items() if catalogue.has_steps(kind)}


@pytest.mark.parametrize("kind", sorted(CATALOGUE))
def test_an_entry_says_everything_and_nothing_else(kind: str) -> None:
    about = CATALOGUE[kind]
    assert set(about) - OPTIONAL == FIELDS
    assert set(about.get("issued_keys", [])) <= set(about["settings"] or {})
    assert about.get("one_secret", False) in (True, False)
    assert about.get("one_password", False) in (True, False)
    assert about["summary"].endswith(".")
    assert isinstance(about["needs_network"], bool)


@pytest.mark.parametrize("kind", sorted(catalogue.generators()))
def test_a_generator_is_a_file_an_entry_and_a_test(kind: str) -> None:
    about = catalogue.generators()[kind]
    assert set(about) - {"derived"} == {"summary", "settings", "permissions"}
    assert about["summary"].endswith(".")
    if not about.get("derived"):
        assert text("lambda_src", "secret_rotation", "generators", f"{kind}.py")
        assert f'type="{kind}"' in text("tests", "unit", "generators", f"test_{kind}.py")


def test_every_file_in_generators_is_in_the_list() -> None:
    files = {path.stem for path in (MODULES.parent / "generators").glob("[!_]*.py")}
    assert files == {kind for kind, about in catalogue.generators().items() if not about.get("derived")}


@pytest.mark.parametrize("kind", sorted(set(SERVICES) - DESCRIBED))
def test_a_target_has_a_test_that_inherits_the_contract(kind: str) -> None:
    tree = ast.parse(text("tests", "targets", f"test_{kind}.py"))
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    contracts = [node for node in classes if "TargetContract" in {ast.unparse(base) for base in node.bases}]
    assert kind in {value for node in contracts for value in assigned(node, "target")}


def assigned(node: ast.ClassDef, name: str) -> Iterator[str]:
    for statement in node.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name:
            yield ast.literal_eval(statement.value)


@pytest.mark.parametrize("kind", SERVICES)
def test_a_target_has_an_example_that_uses_it_and_says_what_it_does(kind: str) -> None:
    assert re.search(rf'type\s+= "{kind}"', text("examples", example(kind), "main.tf"))
    assert text("examples", example(kind), "README.md").startswith("# ")


def example(kind: str) -> str:
    """The name of its example; of one whose requests are described, that of what is issued."""
    return f"{kind}-issued" if kind in DESCRIBED else kind


@pytest.mark.parametrize("kind", SERVICES)
def test_an_example_of_a_target_can_be_shown(kind: str) -> None:
    """``make demo EXAMPLE=<kind>`` starts a service, and logs in with the value."""
    assert example(kind) in examples.TABLE


def test_an_example_is_what_a_user_copies() -> None:
    """What starts a service is not in its folder; a service of the table has an example."""
    folders = [path for path in ROOT.glob("examples/*") if (path / "main.tf").exists()]
    assert set(examples.TABLE) <= {folder.name for folder in folders}
    files = {file.name for folder in folders for file in folder.iterdir() if not file.name.startswith((".", "__"))}
    assert files == {"main.tf", "README.md", "my_target.py", "restart.py"}


@pytest.mark.parametrize("kind", [kind for kind in SERVICES if CATALOGUE[kind]["settings"] is not None])
def test_every_setting_that_the_code_reads_is_in_the_list(kind: str) -> None:
    source = text("lambda_src", "secret_rotation", "targets", f"{kind}.py")
    read = re.findall(r"settings?(?:\.get)?[(\[]\"(\w+)\"", source)
    assert set(read) <= set(CATALOGUE[kind]["settings"])


@pytest.mark.parametrize(
    ("kind", "permission"), [(k, p) for k in sorted(CATALOGUE) for p in CATALOGUE[k]["permissions"]]
)
def test_a_permission_is_for_what_a_setting_names(kind: str, permission: dict[str, Any]) -> None:
    assert set(permission) == {"sid", "actions", "resource"}
    assert permission["resource"] in CATALOGUE[kind]["settings"]
    assert all("*" not in action for action in permission["actions"])


@pytest.mark.parametrize("kind", [kind for kind in SERVICES if CATALOGUE[kind]["driver"]])
def test_a_driver_is_in_the_layer_and_what_needs_it_says_so(kind: str) -> None:
    driver = CATALOGUE[kind]["driver"]
    assert re.search(rf"^{driver}==", text("tools/requirements/layer.txt"), re.MULTILINE | re.IGNORECASE)
    assert "drivers.zip" in text("examples", kind, "main.tf")
