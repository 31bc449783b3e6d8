"""Who imports whom: arrows go one way, and what is private stays so.

Each rule has a list of exceptions, which is to be empty: an exception that is no longer needed fails too.
"""

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "secret_rotation"
INTERFACE = f"{PACKAGE}.target"
SOURCES = ("lambda_src", "tools/rotation_lab/src", "")
"""Folders that lead sys.path; the last one is the repository, for tests and tools."""
FOLDERS = ("lambda_src", "tools", "examples", "tests")

Arrow = tuple[str, str]


@cache
def modules() -> dict[str, Path]:
    """The name that each Python file is imported by."""
    files = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py")) if ".venv" not in file.parts]
    return {name_of(file): file for file in files}


def name_of(file: Path) -> str:
    base = next(ROOT / source for source in SOURCES if file.is_relative_to(ROOT / source))
    parts = file.relative_to(base).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def arrows() -> frozenset[Arrow]:
    """Module → module that it imports, the names of other people's packages included."""
    return frozenset((name, target) for name, file in modules().items() for target in imported(name, file))


def imported(name: str, file: Path) -> Iterator[str]:
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module, names, level):
                yield from imported_from(base(package, level, module or ""), [alias.name for alias in names])
            case ast.Call(ast.Attribute(attr="import_module"), [argument, *_]):
                yield ast.unparse(argument).lstrip("f").strip("'\"").partition("{")[0].rstrip(".")


def base(package: str, level: int, module: str) -> str:
    parts = package.split(".")[: len(package.split(".")) - level + 1] if level else []
    return ".".join([*parts, *filter(None, [module])])


def imported_from(module: str, names: list[str]) -> Iterator[str]:
    """``from package import module`` is an arrow to the module, ``from module import name`` one to that."""
    inner = [f"{module}.{name}" for name in names if f"{module}.{name}" in modules()]
    yield from inner
    if len(inner) < len(names):
        yield module


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def is_core(name: str) -> bool:
    return within(name, PACKAGE) and not within(name, f"{PACKAGE}.targets", f"{PACKAGE}.kit")


def is_own_target(name: str) -> bool:
    """A file as users write it: of the examples, and what tests use as such."""
    return within(name, "examples") or name.endswith((".custom_target", ".my_target"))


FOR_TARGETS = (
    INTERFACE,
    f"{PACKAGE}.kit",
    f"{PACKAGE}.placeholders",
    f"{PACKAGE}.catalogue",
    f"{PACKAGE}.pointers",
    f"{PACKAGE}.targets",
)
Rule = Callable[[str, str], bool]

RULES: dict[str, tuple[Rule, set[Arrow]]] = {
    "the core imports no target": (
        lambda one, other: is_core(one) and within(other, f"{PACKAGE}.targets"),
        set(),
    ),
    "targets import what is for targets": (
        lambda one, other: (
            within(one, f"{PACKAGE}.targets") and within(other, PACKAGE) and not within(other, *FOR_TARGETS)
        ),
        set(),
    ),
    "own targets import the public interface only": (
        lambda one, other: is_own_target(one) and within(other, PACKAGE) and other != INTERFACE,
        set(),
    ),
    "tools and examples do not import tests": (
        lambda one, other: within(one, "tools", "examples", "rotation_lab") and within(other, "tests"),
        set(),
    ),
    "the lab does not know the function": (
        lambda one, other: within(one, "rotation_lab") and within(other, PACKAGE),
        set(),
    ),
    "the function knows nothing around it": (
        lambda one, other: (
            within(one, PACKAGE, "lambda_function") and within(other, "tests", "tools", "examples", "rotation_lab")
        ),
        set(),
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_arrows_go_one_way(rule: str) -> None:
    is_against, exceptions = RULES[rule]
    found = {arrow for arrow in arrows() if is_against(*arrow)}
    assert found - exceptions == set()
    assert exceptions - found == set(), "no longer needed: delete it from RULES"


def test_no_module_of_the_function_imports_itself_by_way_of_others() -> None:
    reached = {name: {other for one, other in arrows() if one == name} for name in modules() if within(name, PACKAGE)}
    for through in reached:
        for found in reached.values():
            if through in found:
                found |= reached[through]
    assert [name for name, found in reached.items() if name in found] == []


@pytest.mark.parametrize(
    ("service", "doors"),
    [("secretsmanager", {"store", "aws"}), ("kms", {"source"})],
    ids=["Secrets Manager", "KMS"],
)
def test_a_service_of_aws_has_one_door(service: str, doors: set[str]) -> None:
    """``aws`` knows which endpoint the client of Secrets Manager has, and calls nothing."""
    talking = {name for name, file in modules().items() if within(name, PACKAGE) and service in clients(file)}
    assert talking <= {f"{PACKAGE}.{door}" for door in doors}
    assert talking


def clients(file: Path) -> set[str]:
    """The services whose names stand in a file, as those of clients or of actions."""
    texts = [node.value for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Constant)]
    return {text.partition(":")[0] for text in texts if isinstance(text, str)}


def test_arrows_are_found() -> None:
    """The test itself: forms of imports that the rules depend on."""
    found = arrows()
    assert (f"{PACKAGE}.targets.databases.strategies", f"{PACKAGE}.kit.administrator") in found
    assert (f"{PACKAGE}.store", f"{PACKAGE}.aws") in found
    assert ("lambda_function", f"{PACKAGE}.handler") in found
    assert ("tests.unit.test_imports", "ast") in found
