"""The mutation check: which changes of the code count."""

import shutil
from pathlib import Path

import pytest

from tools.dev import mutants_page
from tools.dev.mutants import Mutant, modules, read_mutants

ORIGINAL = """    if port < 1:
        raise SettingError(f"The setting {name!r} is wrong: " "give a port.")
    return run("SELECT Host FROM mysql.user", key="name")
"""


def mutant(old: str, new: str) -> Mutant:
    """As mutmut writes it, beside another one."""
    assert old in ORIGINAL
    bodies = {"orig": ORIGINAL, "1": ORIGINAL.replace("< 1", "<= 1"), "2": ORIGINAL.replace(old, new)}
    text = "\n".join(f"def x_f__mutmut_{number}(port, name):\n{body}" for number, body in bodies.items())
    names = ["secret_rotation.x.x_f__mutmut_1", "secret_rotation.x.x_f__mutmut_2"]
    first, second = read_mutants(text, [(name, "survived") for name in names])
    assert not first.is_wording
    return second


@pytest.mark.parametrize(
    ("old", "new"), [('"give a port."', '"XXgive a port.XX"'), ('"give a port."', '"GIVE A PORT."')]
)
def test_another_wording_does_not_count(old: str, new: str) -> None:
    assert mutant(old, new).is_wording


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('key="name"', 'key="XXnameXX"'),
        ('"SELECT Host FROM mysql.user"', '"select host from mysql.user"'),
        ('SettingError(f"The setting {name!r} is wrong: " "give a port.")', "SettingError(None)"),
        ("< 1", "< 2"),
    ],
)
def test_any_other_change_counts(old: str, new: str) -> None:
    assert not mutant(old, new).is_wording


def test_a_survivor_is_shown_by_the_lines_that_differ() -> None:
    assert str(mutant("< 1", "< 2")).splitlines() == [
        "survived: secret_rotation.x.x_f__mutmut_2",
        "    -    if port < 1:",
        "    +    if port < 2:",
    ]


# The figures.

DOCUMENTS = pytest.mark.parametrize("document", [mutants_page.SAFETY, mutants_page.README], ids=lambda path: path.name)


@DOCUMENTS
def test_the_documents_show_the_figures_that_were_kept(document: Path) -> None:
    assert mutants_page.rendered(document, mutants_page.read()) == document.read_text(), "run `make mutants DOCS=1`"


def test_the_figures_are_of_files_that_are_there() -> None:
    measured = list(mutants_page.read())
    assert measured == [file for file in modules() if file in measured]


def test_a_file_s_figures_are_kept_beside_those_of_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RESULTS", "SAFETY", "README"):
        monkeypatch.setattr(mutants_page, name, Path(shutil.copy(getattr(mutants_page, name), tmp_path)))
    mutants_page.RESULTS.write_text('{"a.py": {"mutants": 1, "killed": 1}, "gone.py": {"mutants": 5, "killed": 5}}')
    mutants_page.record("b.py", 999, 998, ["b.py", "a.py"])
    assert mutants_page.read() == {"b.py": {"mutants": 999, "killed": 998}, "a.py": {"mutants": 1, "killed": 1}}
    assert "| `b.py` | 999 | 998 (99 %) |\n| `a.py` | 1 | 1 (100 %) |" in mutants_page.SAFETY.read_text()
    assert "1,000 small changes to 2" in mutants_page.README.read_text()
