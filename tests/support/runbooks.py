"""The commands of docs/runbooks.md, as they are printed."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/runbooks.md"


def section(heading: str) -> str:
    """The text below a heading."""
    return PAGE.read_text().split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]


def commands(heading: str, **words: str) -> list[str]:
    """The AWS CLI lines of a section, in blocks and between backticks, with the words in capitals replaced."""
    text = re.sub(r"\\\n\s*", " ", section(heading))
    found = re.findall(r"^aws .*$|`(?:aws [^`]* --[^`]*)`", text, re.MULTILINE)
    return [_replaced(" ".join(line.strip("`").split()), words) for line in found]


def statements(heading: str, service: str, **words: str) -> list[str]:
    """The statements in the row of a service, with the words in capitals replaced."""
    (row,) = [line for line in section(heading).splitlines() if line.startswith("| ") and service in line.split("|")[1]]
    found = re.findall(r"`([A-Z][^`]*)`", row.split("|")[-2])
    return [_replaced(part, words) for line in found for part in line.split("; ")]


def _replaced(text: str, words: dict[str, str]) -> str:
    for name, value in words.items():
        text = re.sub(rf"(?<![A-Z-]){name}(?![A-Z])", value.replace("\\", r"\\"), text)
    return text
