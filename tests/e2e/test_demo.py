"""``make demo``, as a person runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

from tools.dev.providers import ROOT

FINGERPRINT = re.compile(r"\b[0-9a-f]{8}$")


def start(*examples: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tools.dev.demo", *examples],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def descendants(process: int) -> set[int]:
    children = defaultdict(set)
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        children[int(fields[1])].add(int(status.parent.name))
    found: set[int] = set()
    todo = [process]
    while todo:
        new = children[todo.pop()] - found
        found |= new
        todo += new
    return found


def alive(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def test_the_demo_of_a_json_secret_shows_labels_and_fingerprints_and_that_one_key_changed() -> None:
    with start("key-value") as process:
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    lines = [line.strip() for line in output.splitlines()]
    versions = [line for line in lines if re.match(r"[\w-]{36,37} +(AWS|FIRST)", line)]
    assert sum("AWSCURRENT" in line for line in versions) == 4  # before and after each of two rotations
    assert all(FINGERPRINT.search(line) for line in versions)
    assert len({line[-8:] for line in versions if "AWSCURRENT" in line}) == 3
    changed = {line.split()[0]: line.split()[-1] for line in lines if line.endswith(("changed", "same"))}
    assert changed == {"host": "same", "port": "same", "username": "same", "password": "changed"}
    assert max(len(line) for line in output.splitlines()) <= 80
    assert "\x1b" not in output
    assert "\r" not in output


@pytest.mark.parametrize(
    ("moment", "examples"),
    [("terraform init", ["plaintext", "key-value"]), ("rotation 1 of 2", ["plaintext"])],
    ids=["in apply, two at once", "between rotations"],
)
def test_an_interrupt_stops_everything_that_the_demo_started(moment: str, examples: list[str]) -> None:
    with start(*examples) as process:
        assert process.stdout
        for line in process.stdout:
            if moment in line:
                break
        time.sleep(1)
        started = descendants(process.pid)
        os.kill(process.pid, signal.SIGINT)
        output = process.stdout.read()
        code = process.wait(30)
    assert code == 130, output
    assert "interrupted" in output
    assert len(started) >= 2  # at least the sandbox, and Terraform or the function
    for _ in range(100):  # killed is not yet gone
        if not any(map(alive, started)):
            break
        time.sleep(0.05)
    assert not [one for one in started if alive(one)]


def test_an_unknown_example_is_refused_with_the_names_that_there_are() -> None:
    with start("plain-text") as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "no example plain-text; there are: " in output
    assert "plaintext" in output.partition("there are")[2]
