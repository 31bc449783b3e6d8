"""One case: a service, the secret that opens it, and the function's environment. A module lists its ``CASES``."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from rotation_lab.model.secrets_manager import ACCOUNT, REGION
from rotation_lab.services.base import Service

from . import document
from .document import Document

Variables = Mapping[str, str]
Layout = Callable[[Sequence[str], Mapping[str, Any]], Document]


class CasesError(Exception):
    """The cases cannot be used; the message says why."""


def _no_variables(host: str, port: int) -> Variables:
    return {}


@dataclass(frozen=True)
class Case:
    """One kind of secret of one service."""

    name: str
    service: Callable[[], AbstractContextManager[Service]]
    """Starts the service until a block ends."""
    keys: tuple[str, ...] = ()
    """The keys that rotate; empty for plain text."""
    environment: Callable[[str, int], Variables] = _no_variables
    """The function's environment variables, for the host and port that it is to use."""
    more: Mapping[str, Any] | None = None
    """Further members of the secret."""
    layout: Layout = document.simple
    """How the secret's JSON is written."""
    varies: tuple[str, ...] = ()
    """Other keys that change with the value, such as the name of one of two users."""
    public: tuple[str, ...] = ("username",)
    """Keys whose values name something and open nothing."""
    folder: Path | None = None
    """A folder with further modules of the function."""
    modules: tuple[str, ...] = ()
    """Modules to import before the first run: drivers take a while, which no run has to wait for."""
    explains: str = ""
    """The class of the function's exceptions that say what to do; empty: any class that is not Python's own."""
    world: str = ""
    """One of the service's odd worlds, in which everything happens; empty: as it is when it is new."""
    goes_back: str = ""
    """A staging label that asks the function to go back to its version: it is attached to AWSPREVIOUS, after a rotation
    without a fault; empty: the function makes a new value."""
    keeps: bool = False
    """Whether it accepts two values at a time, so that AWSCURRENT is to open it at every moment."""
    quick: bool = True
    """Whether ``--quick`` includes it."""
    thin: bool = False
    """Whether ``--quick`` has one fault at each of its points, in turn, and not every fault."""

    @property
    def group(self) -> str:
        """What its name begins with: cases can be chosen by it."""
        return self.name.partition("/")[0]

    def document(self, service: Service, host: str, port: int) -> Document:
        """The secret around the values."""
        if not self.keys:
            return document.plain()
        keys = (*self.varies, *self.keys)
        members = {**service.known(host, port), **(self.more or {})}
        known = {name: value for name, value in members.items() if name not in keys}
        return replace(self.layout(keys, known), public=frozenset(self.public))


def other_arn(number: int, name: str) -> str:
    """The ARN of the ``number``-th of the service's other secrets, counted from 1."""
    return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-{number:06}"


def load(given: str) -> tuple[Case, ...]:
    """``CASES`` of a Python file, or of a module by its name. Raises ``CasesError``."""
    cases = getattr(_imported(given), "CASES", ())
    if not cases or not all(isinstance(case, Case) for case in cases):
        raise CasesError(f"{given} has no CASES, a tuple of rotation_lab.crash.case.Case.")
    return tuple(cases)


def _imported(given: str) -> ModuleType:
    try:
        return _from_file(Path(given)) if given.endswith(".py") else importlib.import_module(given)
    except CasesError:
        raise
    except Exception as error:
        raise CasesError(f"{given} cannot be imported: {type(error).__name__}: {error}") from error


def chosen(cases: Sequence[Case], names: Sequence[str]) -> list[Case]:
    """The cases with these names, else of these groups; all when there are none. Raises ``CasesError``."""
    exact, groups = {case.name for case in cases}, {case.group for case in cases}
    for name in names:
        if name not in exact | groups:
            raise CasesError(f"There is no case {name!r}. Choose from: {', '.join(sorted(exact | groups))}.")
    wanted = [name for name in names if name not in exact]
    return [case for case in cases if not names or case.name in names or case.group in wanted]


def _from_file(file: Path) -> ModuleType:
    if not file.is_file():
        raise CasesError(f"{file} is not a file.")
    name = f"rotation_lab_cases_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
