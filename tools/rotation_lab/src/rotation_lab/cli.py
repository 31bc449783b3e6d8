"""``rotation-lab COMMAND``: the commands of this package."""

import importlib
import sys
from collections.abc import Mapping

COMMANDS: Mapping[str, str] = {
    "sandbox": "rotation_lab.sandbox.__main__",
    "bench": "rotation_lab.bench",
    "crash": "rotation_lab.crash.__main__",
    "try": "rotation_lab.trial.__main__",
}
"""Command → the module whose ``main`` reads the rest of the arguments and returns the exit code."""


def main() -> int:
    """Run a command; 2 when there is no such command."""
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command not in COMMANDS:
        print(f"usage: rotation-lab {{{','.join(COMMANDS)}}} [options]", file=sys.stderr)
        return 2
    del sys.argv[1]
    return int(importlib.import_module(COMMANDS[command]).main())


if __name__ == "__main__":
    sys.exit(main())
