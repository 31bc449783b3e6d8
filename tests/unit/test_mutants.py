"""The mutation check: which changes of the code count."""

import pytest

from tools.dev.mutants import Mutant, read_mutants

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
