"""``make report``: every secret of a region for an auditor, as CSV and JSON, without a value.

    python -m tools.dev.report [--prefix prod/] [--owner-tag owner] [--days 90] [--login] [--output FILE]

Only boto3 is needed, and the permission secretsmanager:ListSecrets. With ``--login`` each function of this module is
asked whether its service refuses the former value (``diagnose`` with ``Refused``): that needs lambda:InvokeFunction.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

COLUMNS = (
    "name", "arn", "owner", "verdict", "rotation_enabled", "schedule", "function", "last_rotated", "next_rotation",
    "value_age_days", "last_read", "former_version", "former_refused", "former_valid_until",
    "SecretsManager.1", "SecretsManager.2", "SecretsManager.3", "SecretsManager.4",
)  # fmt: skip
_LATE, _UNUSED = timedelta(hours=1), timedelta(days=90)
Row = Mapping[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write both files; returns 1 when a control failed."""
    parser = argparse.ArgumentParser(prog="make report", description=__doc__)
    parser.add_argument("--prefix", default="", help="of the names of the secrets (default: all)")
    parser.add_argument("--owner-tag", default="owner", help="the tag with a secret's owner (default: %(default)s)")
    parser.add_argument("--days", type=int, default=90, help="the most days between rotations (default: %(default)s)")
    parser.add_argument("--login", action="store_true", help="also ask whether the former value is refused")
    parser.add_argument("--output", type=Path, default=Path("build/rotation-report"), help="without .csv and .json")
    given = parser.parse_args(arguments)
    import boto3

    invoke = boto3.client("lambda").invoke if given.login else None
    found = secrets(boto3.client("secretsmanager"), given.prefix)
    made = [row(one, datetime.now(UTC), given.owner_tag, timedelta(days=given.days), invoke) for one in found]
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.with_suffix(".json").write_text(as_json(made))
    with given.output.with_suffix(".csv").open("w", newline="") as file:
        write_csv(made, file)
    failed = sum("FAILED" in one.values() for one in made)
    print(f"{len(made)} secrets, {failed} with a control that failed: {given.output}.csv, {given.output}.json")
    return int(failed > 0)


def secrets(client: Any, prefix: str = "") -> Iterator[Row]:
    """What ListSecrets says of each secret, by name."""
    more: dict[str, Any] = {}
    found: list[Row] = []
    while True:
        answer = client.list_secrets(MaxResults=100, **more)
        found += [one for one in answer["SecretList"] if one["Name"].startswith(prefix)]
        if not answer.get("NextToken"):
            return iter(sorted(found, key=lambda one: str(one["Name"])))
        more = {"NextToken": answer["NextToken"]}


def row(secret: Row, now: datetime, owner_tag: str, most: timedelta, invoke: Any = None) -> dict[str, Any]:
    """The columns of one secret."""
    tags = {tag["Key"]: tag["Value"] for tag in secret.get("Tags", [])}
    former = _holder(secret, "AWSPREVIOUS")
    changed = secret.get("LastRotatedDate") or secret.get("LastChangedDate") or secret["CreatedDate"]
    verdict = _verdict(secret, now)
    refused = _refused(secret, former, invoke) if invoke and former else None
    return {
        "name": secret["Name"],
        "arn": secret["ARN"],
        "owner": tags.get(owner_tag),
        "verdict": verdict,
        "rotation_enabled": bool(secret.get("RotationEnabled")),
        "schedule": _schedule(secret.get("RotationRules") or {}),
        "function": secret.get("RotationLambdaARN"),
        "last_rotated": _date(secret.get("LastRotatedDate")),
        "next_rotation": _date(secret.get("NextRotationDate")),
        "value_age_days": (now - changed).days,
        "last_read": _date(secret.get("LastAccessedDate")),
        "former_version": former,
        "former_refused": refused,
        "former_valid_until": _valid_until(secret, refused) if former else None,
        **_controls(secret, verdict, now, most),
    }


def _holder(secret: Row, label: str) -> str | None:
    versions = secret.get("SecretVersionsToStages") or {}
    return next((version for version, labels in versions.items() if label in labels), None)


def _verdict(secret: Row, now: datetime) -> str:
    """What ListSecrets shows; ``diagnose`` finds out more."""
    if not secret.get("RotationEnabled"):
        return "paused" if secret.get("RotationLambdaARN") else "not_rotated"
    if _holder(secret, "AWSPENDING") not in (None, _holder(secret, "AWSCURRENT")):
        return "unfinished"
    if secret.get("NextRotationDate") and secret["NextRotationDate"] + _LATE < now:
        return "overdue"
    return "healthy" if secret.get("LastRotatedDate") else "not_rotated_yet"


def _controls(secret: Row, verdict: str, now: datetime, most: timedelta) -> Mapping[str, str]:
    """The controls of Security Hub for Secrets Manager."""
    rotated, read = secret.get("LastRotatedDate"), secret.get("LastAccessedDate") or secret["CreatedDate"]
    enabled = bool(secret.get("RotationEnabled"))
    results = {
        "SecretsManager.1": enabled,
        "SecretsManager.2": None if not enabled else verdict not in ("unfinished", "overdue"),
        "SecretsManager.3": now - read <= _UNUSED,
        "SecretsManager.4": now - (rotated or secret["CreatedDate"]) <= most,
    }
    return {name: {True: "PASSED", False: "FAILED", None: "NOT_APPLICABLE"}[result] for name, result in results.items()}


def _refused(secret: Row, former: str, invoke: Any) -> str:
    """Whether the service refuses the former value: "yes", "no", or "unknown"."""
    event = {"Step": "diagnose", "SecretIds": [secret["ARN"]], "Refused": former}
    try:
        answer = invoke(FunctionName=secret["RotationLambdaARN"], Payload=json.dumps(event))
        (entry,) = json.loads(answer["Payload"].read())["secrets"]
        opens = {version["version_id"]: version["opens"] for version in entry["versions"]}.get(former)
    except Exception:  # noqa: BLE001 - a function of somebody else's may answer anything, or not be ours to call
        return "unknown"
    return {True: "no", False: "yes", None: "unknown"}[opens]


def _valid_until(secret: Row, refused: str | None) -> str:
    """When the former value ends at the latest: with the last rotation, if the service refuses it, or the next one."""
    ended = secret.get("LastRotatedDate") or secret.get("LastChangedDate")
    return _date(ended if refused == "yes" else secret.get("NextRotationDate")) or "no end"


def _schedule(rules: Mapping[str, Any]) -> str | None:
    if rules.get("ScheduleExpression"):
        return str(rules["ScheduleExpression"])
    days = rules.get("AutomaticallyAfterDays")
    return f"every {days} days" if days else None


def _date(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_json(rows: Sequence[Row]) -> str:
    """The rows as JSON."""
    return json.dumps(rows, indent=1) + "\n"


def write_csv(rows: Sequence[Row], file: Any) -> None:
    """The rows as CSV. What a spreadsheet would take for a formula is written as text."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in rows:
        writer.writerow([_cell(one[name]) for name in COLUMNS])


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value


if __name__ == "__main__":
    sys.exit(main())
