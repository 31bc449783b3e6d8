"""Another version of the function is deployed in the middle of a rotation: the rotation ends all the same.

The other version is that of a pinned commit. A clone without history has none, and these tests are skipped.
"""

from __future__ import annotations

import importlib
import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from unittest import mock

import pytest

from rotation_lab.model.secrets_manager import CURRENT, PENDING, PREVIOUS, STEPS, SecretsManager
from tests.support.function import LambdaContext, Service

ROOT = Path(__file__).parents[2]
COMMIT = "4d0ad9b664d6def6b716b4e996106f718908924f"
OLD = "mArKeR-old"
DOCUMENT = f'{{ "username": "app",\n  "password": "{OLD}", "n": 1e400 }}'
STARTED = {"TARGET": "python", "SECRET_KEYS": '["password"]'}
Run = Callable[[str, str, str], None]
"""Runs a step, of a secret and a token."""


class CrashError(BaseException):
    """The function is killed."""


class Deployed:
    """The function as one version has it, over a Secrets Manager and a service: its own modules, once imported."""

    def __init__(self, sources: Path) -> None:
        self._sources, self._modules = sources, dict[str, ModuleType]()
        with self._installed():
            self.handler = importlib.import_module("secret_rotation.handler")
            self.aws = importlib.import_module("secret_rotation.aws")

    def over(self, manager: SecretsManager, service: Service) -> Run:
        """Its steps."""
        client = manager.client()
        with (
            self._installed(),
            mock.patch.dict(sys.modules, {"custom_target": service}),
            mock.patch.object(self.aws, "clients", return_value=lambda _, **__: client),
        ):
            function = self.handler._function.__wrapped__()

        def run(step: str, arn: str, token: str) -> None:
            with self._installed(), mock.patch.object(self.handler, "_function", return_value=function):
                event = {"Step": step, "SecretId": arn, "ClientRequestToken": token}
                self.handler.lambda_handler(event, LambdaContext())

        return run

    @contextmanager
    def _installed(self) -> Iterator[None]:
        """In the block, this version's modules are those of the name."""
        others = {name: module for name, module in sys.modules.items() if not name.startswith("secret_rotation")}
        with (
            mock.patch.dict(sys.modules, {**others, **self._modules}, clear=True),
            mock.patch.object(sys, "path", [str(self._sources), *sys.path]),
            mock.patch.dict(os.environ, STARTED, clear=True),
        ):
            yield
            self._modules = {name: one for name, one in sys.modules.items() if name.startswith("secret_rotation")}


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Deployed]:
    archive = subprocess.run(["git", "archive", COMMIT, "lambda_src"], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"the clone has no commit {COMMIT[:7]}: git fetch --unshallow")
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return {"earlier": Deployed(folder / "lambda_src"), "today": Deployed(ROOT / "lambda_src")}


DIRECTIONS = [("earlier", "today"), ("today", "earlier")]


@pytest.fixture(params=DIRECTIONS, ids=["upgrade", "back"])
def world(request: pytest.FixtureRequest, versions: dict[str, Deployed]) -> World:
    return World(*(versions[name] for name in request.param))


class World:
    """A secret, the service that it opens, and the version that begins with the one that goes on."""

    def __init__(self, first: Deployed, then: Deployed) -> None:
        self._versions = first, then
        self.reset()

    def reset(self) -> None:
        """As before any rotation."""
        self.manager, self.service = SecretsManager(), Service(OLD)
        self.first, self.then = (one.over(self.manager, self.service) for one in self._versions)
        self.arn = self.manager.create(DOCUMENT)
        self.token = self.manager.rotate(self.arn)

    def check_rotated(self) -> None:
        """One new value, of this token, is current, opens the service, and nothing else in the document has changed."""
        secret, password = self.manager.secrets[self.arn], self.service.password
        assert (secret.holder(CURRENT), secret.holder(PENDING)) == (self.token, None)
        assert password in self.manager.made
        assert secret.text() == DOCUMENT.replace(OLD, password) != DOCUMENT
        assert secret.text(PREVIOUS) == DOCUMENT


@pytest.mark.parametrize("number", range(len(STEPS) + 1))
def test_each_step_takes_over_what_the_other_version_has_left(world: World, number: int) -> None:
    for run, steps in ((world.first, STEPS[:number]), (world.then, STEPS[number:])):
        for step in steps:
            run(step, world.arn, world.token)
    world.manager.complete(world.arn)
    world.check_rotated()


def test_a_version_that_was_killed_at_any_call_is_followed_by_the_other(world: World) -> None:
    """All four steps run again: at most what was made once may be there."""
    points = calls(world)
    assert len(points) > 20
    for number in range(len(points)):
        world.reset()
        killed_at(world, number)
        for step in STEPS:
            world.then(step, world.arn, world.token)
        world.manager.complete(world.arn)
        world.check_rotated()


def calls(world: World) -> list[str]:
    """The moments around each call of a rotation, to Secrets Manager and to the service."""
    seen: list[str] = []
    for hooks in (world.manager.hooks, world.service.hooks):
        hooks.append(lambda moment, action: seen.append(f"{moment} {action}"))
    for step in STEPS:
        world.first(step, world.arn, world.token)
    return seen


def killed_at(world: World, number: int) -> None:
    left = iter(range(number))

    def kill(*_: str) -> None:
        if next(left, None) is None:
            raise CrashError

    hooks = (world.manager.hooks, world.service.hooks)
    for each in hooks:
        each.append(kill)
    with suppress(CrashError):
        for step in STEPS:
            world.first(step, world.arn, world.token)
    for each in hooks:
        each.clear()
