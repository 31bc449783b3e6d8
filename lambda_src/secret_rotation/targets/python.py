"""The caller's own target: a file in the root of a layer, or of the zip."""

import importlib
import os
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from ..target import Given, SettingError

FILE = "custom_target"
"""Name of the module; in the zip's root, of the file too."""
_ROOT = Path(__file__).parents[2]
_IN_LAYER = "TARGET_FILE"


def load(_: Given) -> ModuleType:
    """Import the caller's file. Raises ``SettingError`` when it is not there or cannot be imported."""
    try:
        return _imported(_ROOT / os.environ[_IN_LAYER]) if _IN_LAYER in os.environ else importlib.import_module(FILE)
    except ModuleNotFoundError as error:
        problem = _absent(error.name)
    except SyntaxError as error:
        problem = f"SyntaxError in line {error.lineno}"  # its text holds the line, which may hold anything
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a file does when it is imported
        problem = f"{type(error).__name__}{_place(error)}"
    raise SettingError(f"The target's file cannot be used: {problem}. Try it with `make try TARGET=<file>`.")


def _imported(path: Path) -> ModuleType:
    """By its path: a file json.py of the caller's must not be taken for Python's own."""
    if not path.is_file():
        raise ModuleNotFoundError(name=FILE)
    module = sys.modules[FILE] = ModuleType(FILE)
    try:
        SourceFileLoader(FILE, str(path)).exec_module(module)
    except BaseException:
        del sys.modules[FILE]
        raise
    return module


def _absent(module: str | None) -> str:
    if module == FILE:
        return f"{FILE}.py is not in the zip (set target.file, or add it to your own package)"
    return f"it imports {module!r}, which is not in the function (attach a layer with `function.layers`)"


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    file = os.environ.get(_IN_LAYER, f"{FILE}.py")
    own = trace is not None and Path(trace.tb_frame.f_code.co_filename).name == file
    return f" in line {trace.tb_lineno}" if own and trace is not None else ""
