"""``make revoke SECRET=...``: after this, the value that the secret has now opens nothing any more.

It rotates, waits until the rotation has ended, and has the function try the old value, which some services accept for
as long as it is the one before the current one: then it rotates again (docs/runbooks.md). Sessions that are open stay.

``--after-consumers`` asks between two rotations: consumers that have not read the new value yet would be cut off by the
second one. Exit status: 0 the value is rejected, 1 it is not, or that is not known, 2 nothing could be done.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from tools.dev import doctor
from tools.dev.doctor import Client, DoctorError

MOST = 3
"""Rotations, if the value still works after as many as it should take."""
LOOKS = 60
"""How often the function is asked for a rotation's end."""
WAIT = 840
"""Seconds at most for a rotation: the function waits less if its timeout is shorter."""


def revoke(make: Client, secret: str, pause: Callable[[], object], tell: Callable[[str], object] = print) -> bool:
    """Rotate until the value that is AWSCURRENT now is rejected; whether it is. Raises ``DoctorError``."""
    leaked, needed = _current(make, secret), 1
    for number in range(1, MOST + 1):
        if number > 1:
            pause()
        needed = _rotate(make, secret, tell)
        tell(f"rotation {number} of {needed} is done")
        entry = _look(make, secret, Login=True, Refused=leaked)["secrets"][0]
        tell(f"{entry['verdict']}: {entry['reason']}")
        is_to_go_on = entry["verdict"] == "failed" or (entry["verdict"] == "unknown" and number < needed)
        if not is_to_go_on:
            return bool(entry["verdict"] == "healthy")
    return False


def _current(make: Client, secret: str) -> str:
    try:
        stages = make("secretsmanager").describe_secret(SecretId=secret).get("VersionIdsToStages", {})
    except (ClientError, BotoCoreError) as error:
        raise DoctorError(doctor.said(error)) from error
    found = [version for version, labels in stages.items() if "AWSCURRENT" in labels]
    if not found:
        raise DoctorError(f"{secret} has no value.")
    return str(found[0])


def _rotate(make: Client, secret: str, tell: Callable[[str], object]) -> int:
    """Rotate and wait; how many rotations it takes in all."""
    before = _current(make, secret)
    try:
        make("secretsmanager").rotate_secret(SecretId=secret)
    except (ClientError, BotoCoreError) as error:
        if "A previous rotation isn't complete" not in str(error):
            raise DoctorError(doctor.said(error)) from error
    for _ in range(LOOKS):
        report = _look(make, secret, Wait=WAIT)
        entry = report["secrets"][0]
        if entry["verdict"] not in ("healthy", "rotating", "retrying"):
            raise DoctorError("\n".join(["The rotation has not ended well.", *doctor.lines(report)]))
        if _current(make, secret) != before and entry["verdict"] == "healthy":
            return int(report["rotations_to_revoke"])
        tell(f"{entry['verdict']}: {entry['reason']}")
        time.sleep(1)
    raise DoctorError("The rotation has not ended in time. Run this again: it goes on where it was.")


def _look(make: Client, secret: str, **options: object) -> doctor.Report:
    return doctor.ask(make, None, [secret], **options)


def main(arguments: Sequence[str], make: Client | None = None) -> int:
    """Revoke, say what happens, and return the exit status."""
    parser = argparse.ArgumentParser(prog="revoke", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("secret", metavar="SECRET", help="name or ARN")
    parser.add_argument("--after-consumers", action="store_true", help="ask before each further rotation")
    given = parser.parse_args(arguments)
    question = "Press Enter once all consumers use the new value: "
    try:
        rejected = revoke(
            make or doctor.clients(given.secret),
            given.secret,
            (lambda: input(question)) if given.after_consumers else lambda: None,
        )
    except DoctorError as error:
        print(f"revoke: {error}", file=sys.stderr)
        return 2
    return 0 if rejected else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
