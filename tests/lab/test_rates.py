"""Quotas of requests a second."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from rotation_lab.model.actions import ACTIONS
from rotation_lab.model.errors import ServiceError
from rotation_lab.sandbox.client import Sandbox
from rotation_lab.sandbox.rates import Rates
from tests.lab.conftest import Secret
from tests.lab.evidence import guide, only_here, own, verified

LIMITS = guide("reference_limits")


def count(rates: Rates, action: str) -> int:
    """So many requests pass at once."""
    for number in range(50_000):
        try:
            rates.take("123456789012", "eu-west-1", action)
        except ServiceError as error:
            return number if error.code == "ThrottlingException" else -1
    return 50_000


@verified(LIMITS)
@only_here("a clock that stands still")
@pytest.mark.parametrize(
    ("action", "rate"),
    [("PutSecretValue", 50), ("GetRandomPassword", 50), ("ListSecrets", 100), ("GetSecretValue", 10_000)],
)
def test_a_second_s_requests_pass_and_then_more_as_time_goes_by(action: str, rate: int) -> None:
    now = 0.0
    rates = Rates(lambda: now)
    assert count(rates, action) == rate
    now = 0.5
    assert count(rates, action) == rate // 2


@verified(LIMITS)
@only_here("a clock that stands still")
def test_writes_count_together() -> None:
    rates = Rates(lambda: 0.0)
    assert count(rates, "PutSecretValue") == 50
    assert count(rates, "UpdateSecretVersionStage") == 0
    assert count(rates, "CreateSecret") == 50


@own("its list of quotas")
@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_every_action_has_a_quota(action: str) -> None:
    assert count(Rates(lambda: 0.0), action) < 50_000


@own("the flag")
def test_rates_are_on_by_a_flag_only(tmp_path: Path, make_secret: Callable[..., Secret]) -> None:
    with Sandbox.start(rates=1, log=tmp_path / "log") as limited:
        assert throttled(Secret(limited, "s", limited.client("secretsmanager").create_secret(Name="s")["ARN"]))
    assert not throttled(make_secret())


def throttled(secret: Secret) -> bool:
    """Whether one of many requests, sent from several sides at once and without retries, is refused."""
    client = secret.aws.client("secretsmanager", config=Config(retries={"total_max_attempts": 1}))

    def refused(_: int) -> bool:
        try:
            client.tag_resource(SecretId=secret.arn, Tags=[{"Key": "k", "Value": "v"}])
        except ClientError as error:
            return error.response["Error"]["Code"] == "ThrottlingException"
        return False

    with closing(client), ThreadPoolExecutor(8) as pool:
        return any(pool.map(refused, range(400)))
