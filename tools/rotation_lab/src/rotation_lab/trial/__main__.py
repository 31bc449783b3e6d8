"""``rotation-lab try FOLDER``: tries a rotation function on one secret of a local AWS, before the real one.

The service has to run, and to accept the secret's value: this rotates it for real, several times, in this order:

1. A value that was never set: testSecret must refuse it (not with ``--no-service``).
2. Two rotations.
3. A rotation of which each step runs twice.
4. A rotation that dies after setSecret and is tried again, as Secrets Manager does.
5. A rotation that dies after setSecret, whose AWSPENDING is cleared, and a new rotation: the only working value is then
   in a version without a label.
6. The function's log holds no value of the secret.

Exit codes: 0 (every check passed), 1 (one did not), 2 (the arguments are wrong), 130 (interrupted). The secret's last
value is printed nowhere: the service is left with a password that is gone, so try it on a service made for tests.
"""

from __future__ import annotations

import sys

from rotation_lab.sandbox.client import Sandbox, SandboxError

from .checks import Trial
from .installed import Installed
from .options import Options, UsageError, read
from .shown import Shown


def main() -> int:
    """The command; returns the exit code."""
    try:
        return run(read(sys.argv[1:]))
    except UsageError as error:
        return refused(error)


def refused(error: UsageError) -> int:
    """Print why the arguments cannot be used; the exit code."""
    print(f"try: {error}", file=sys.stderr)
    return 2


def run(options: Options) -> int:
    """Try one function and print a line for each check; returns the exit code."""
    shown = Shown(sys.stdout)
    try:
        with Sandbox.start(attempts=1) as aws:
            shown.line(f"A local AWS at {aws.endpoint}; the function is made by API calls, not by Terraform.")
            return Trial(Installed(aws, options), options, shown).run()
    except KeyboardInterrupt:
        shown.line("\ntry: interrupted; everything that it started has been stopped")
        return 130
    except SandboxError as error:
        shown.line(f"try: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
