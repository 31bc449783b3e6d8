"""Checks of the documents: each link and anchor leads somewhere, and no sentence of the README is long.

python -m tools.dev.prose       (a part of `make lint`)
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORDS = 25
"""So many words a sentence of the README may have."""
_MADE = (".", "build/")  # what the commands of the Makefile leave behind; .github is among the documents all the same
_FENCES = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(<?([^)\s>]+)>?\)")
_BLOCK = re.compile(r"\n\s*\n|^\s*(?:[-*]|\d+\.|#+|>)\s*|\|", re.MULTILINE)
_SENTENCE_END = re.compile(r"(?<=[.?!:;])\s+")


def main() -> int:
    """Print what is wrong; returns the exit code."""
    found = [line for page in documents() for line in broken_links(page)]
    found += long_sentences((ROOT / "README.md").read_text("utf-8"))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


def documents() -> list[Path]:
    """All Markdown pages of the repository."""
    pages = [*ROOT.glob("**/*.md"), *ROOT.glob(".github/**/*.md")]
    names = {page.relative_to(ROOT).as_posix(): page for page in pages}
    return [names[name] for name in sorted(names) if name.startswith(".github/") or not name.startswith(_MADE)]


def broken_links(page: Path) -> Iterator[str]:
    """The links of a page to files, or headings of files, that are not there; addresses on the web are not asked."""
    for target in _LINK.findall(_FENCES.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        if not linked.exists():
            yield f"{page.relative_to(ROOT)}: {target} leads to no file"
        elif anchor and linked.suffix == ".md" and anchor not in anchors(linked):
            yield f"{page.relative_to(ROOT)}: {target} leads to no heading"


@cache
def anchors(page: Path) -> frozenset[str]:
    """The names by which the headings of a page are linked: GitHub's, and those of `<a name>`."""
    text = _FENCES.sub("", page.read_text("utf-8"))
    found: list[str] = re.findall(r'<a (?:name|id)="([^"]+)"', text)
    for heading in re.findall(r"^#+ +(.+?) *#*$", text, re.MULTILINE):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        found.append(name if name not in found else f"{name}-{found.count(name)}")
    return frozenset(found)


def long_sentences(text: str) -> Iterator[str]:
    """The sentences of a page, its list entries and cells, that have more than ``WORDS`` words."""
    text = re.sub(r"<!-- BEGIN.*?<!-- END\w* -->", "", text, flags=re.DOTALL)  # generated: not sentences but types
    text = _LINK.sub("]", re.sub(r"<[^>]+>", "", _FENCES.sub("\n\n", text)))
    for block in _BLOCK.split(text):
        for sentence in _SENTENCE_END.split(block or ""):
            words = re.findall(r"[\w`*][^\s]*", sentence)
            if len(words) > WORDS:
                yield f"README.md: {len(words)} words, at most {WORDS} are easy to read: {' '.join(sentence.split())}"


if __name__ == "__main__":
    sys.exit(main())
