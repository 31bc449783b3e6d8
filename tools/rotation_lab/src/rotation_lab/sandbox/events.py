"""Rotation events, as CloudTrail hands them to EventBridge."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from rotation_lab.model.secret import Secret
from rotation_lab.sandbox import emulator

_log = logging.getLogger("sandbox")
_SERVICE = "secretsmanager.amazonaws.com"


def publish(name: str, secret: Secret, version: str, now: float) -> None:
    """Publishes RotationStarted and the like, when a trail is logging: without one AWS publishes nothing."""
    _log.info("%s: %s, version %s", secret.name, name, version)
    if not _trail_is_logging():
        return
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    emulator.eventbridge._dispatch_event(
        {
            "EventId": emulator.new_id(),
            "Source": "aws.secretsmanager",
            "DetailType": "AWS Service Event via CloudTrail",
            "EventBusName": "default",
            "Time": moment,
            "Resources": [],
            "Account": emulator.account(),
            "Region": emulator.region(),
            "Detail": json.dumps(_detail(name, secret, version, moment)),
        }
    )


def _trail_is_logging() -> bool:
    trails = emulator.cloudtrail._trails.all_items()
    return any(trail.get("IsLogging") and key[0] == emulator.account() for key, trail in trails)


def _detail(name: str, secret: Secret, version: str, moment: str) -> dict[str, Any]:
    return {
        "eventVersion": "1.08",
        "userIdentity": {"accountId": emulator.account(), "invokedBy": _SERVICE},
        "eventTime": moment,
        "eventSource": _SERVICE,
        "eventName": name,
        "awsRegion": emulator.region(),
        "sourceIPAddress": _SERVICE,
        "userAgent": _SERVICE,
        "requestParameters": None,
        "responseElements": None,
        "additionalEventData": {"SecretId": secret.arn, "VersionId": version},
        "eventID": emulator.new_id(),
        "readOnly": False,
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": emulator.account(),
        "eventCategory": "Management",
    }
