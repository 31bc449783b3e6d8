"""Recipes against what they are for: only by `make recipes`, which writes what happened for the table in the docs."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rotation_lab.model.secrets_manager import CURRENT, PREVIOUS, STEPS, SecretsManager
from tests.recipes import pages
from tests.recipes.proofs import PROOFS
from tests.recipes.running import Running
from tests.support.function import RotationFunction

RESULTS = os.environ.get("RECIPES")
"""The file to write; without it nothing is run."""
PAGES = pages.read()

pytestmark = pytest.mark.skipif(RESULTS is None, reason="`make recipes` runs it")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return pages.planned(tmp_path_factory.mktemp("recipes"))


def keep(name: str, result: dict[str, Any] | None) -> None:
    """Write down what a recipe has shown; None: nothing. Those that are not run keep what they have shown before."""
    path = Path(str(RESULTS))
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    found.pop(name, None)
    found |= {name: result} if result else {}
    path.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n")


class World:
    """A recipe's secret and function."""

    def __init__(self, given: dict[str, Any], running: Running) -> None:
        self.running, self.manager = running, SecretsManager()
        text = json.dumps(given)
        for written, here in running.written.items():
            assert written in text, f"the page has no {written}"
            text = text.replace(written, here)
        target = (here_given := json.loads(text))["target"]
        if target["type"] == "calls":
            target["settings"]["tls"] = "disable"
        if running.admin is not None:
            target["settings"]["admin_secret_arn"] = self.manager.create(running.admin)
        environment = pages.environment(here_given)
        self.function = RotationFunction(self.manager, AWS_REGION="eu-central-1", **environment)
        self.function.clients.update(running.clients)
        if running.waited is not None:
            self.function.slept = SimpleNamespace(append=running.waited)  # type: ignore[assignment]
        self.arn = self.manager.create(json.dumps(running.secret))

    def value(self, label: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(str(self.manager.secrets[self.arn].text(label)))
        return found

    def lose_the_answer(self) -> None:
        """createSecret fails where it stores what it has made, and is repeated."""

        def fail(moment: str, action: str) -> None:
            if (moment, action) == ("before", "PutSecretValue"):
                self.manager.hooks.remove(fail)
                raise ConnectionError

        token = self.manager.rotate(self.arn)
        self.manager.hooks.append(fail)
        with suppress(Exception):  # whatever it says, Secrets Manager sends the step again
            self.function("createSecret", self.arn, token)
        assert fail not in self.manager.hooks
        time.sleep(self.running.pause)
        for step in STEPS:
            self.function(step, self.arn, token)
        self.manager.complete(self.arn)


@pytest.mark.parametrize("name", PROOFS)
def test_a_recipe_rotates_and_the_value_opens_the_service(name: str, given: dict[str, Any]) -> None:
    page = PAGES[name]
    keep(name, None)
    with PROOFS[name]() as running:
        world = World(given[name], running)
        assert running.opens(running.secret)
        values = [world.value(CURRENT)]
        for rotate in (world.function.rotate, world.function.rotate, lambda _: world.lose_the_answer()):
            rotate(world.arn)
            values.append(world.value(CURRENT))
            assert running.opens(values[-1])
            assert values[-1] != values[-2]
            assert world.value(PREVIOUS) == values[-2]
            assert running.opens(values[-2]) is (page.overlap == "yes")
            assert not any(running.opens(value) for value in values[:-2])
        if running.count is not None:
            assert running.count() == 2
        keep(name, {"against": running.against, "rotations": 3, "previous": running.opens(values[-2])})
