"""The caller's own target: the file that the module adds to the zip."""

import importlib
from types import ModuleType

from ..target import SettingError

FILE = "custom_target"
"""Name of the module in the zip's root."""


def load() -> ModuleType:
    """Import the caller's file. Raises ``SettingError`` when it is not there or cannot be imported."""
    try:
        return importlib.import_module(FILE)
    except ModuleNotFoundError as error:
        problem = _absent(error.name)
    except SyntaxError as error:
        problem = f"SyntaxError in line {error.lineno}"  # its text holds the line, which may hold anything
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a file does when it is imported
        problem = f"{type(error).__name__}{_place(error)}"
    raise SettingError(f"The target's file cannot be used: {problem}. Try it with `make try TARGET=<file>`.")


def _absent(module: str | None) -> str:
    if module == FILE:
        return f"{FILE}.py is not in the zip (give `file` of `target`, or add it to your own package)"
    return f"it imports {module!r}, which is not in the function (attach a layer with `function.layers`)"


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    own = trace is not None and trace.tb_frame.f_code.co_filename.endswith(f"{FILE}.py")
    return f" in line {trace.tb_lineno}" if own and trace is not None else ""
