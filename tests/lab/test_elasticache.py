"""ElastiCache's users in the sandbox: an API that changes what a real Redis accepts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rotation_lab.sandbox.client import Sandbox
from rotation_lab.services import elasticache, redis_server
from rotation_lab.services.base import FIRST
from rotation_lab.services.elasticache import User
from tests.lab.conftest import Function
from tests.lab.evidence import docs, only_here, own, reported, unverified, verified

pytestmark = only_here("a Redis behind its ElastiCache")

MODIFY = docs("AmazonElastiCache/latest/APIReference/API_ModifyUser.html")
NEW, NEWER = "second-Pq61xN8vTz3m", "third-Gd28sW5kLy7c"
CALLS = """
import boto3
from botocore.exceptions import ClientError

def lambda_handler(event, context):
    try:
        boto3.client("elasticache").describe_users(UserId=event["user"])
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "allowed"
"""


@pytest.fixture(scope="module")
def cache(aws: Sandbox) -> Iterator[elasticache.ElastiCache]:
    with elasticache.over(redis_server.start(tls=False)) as running:
        aws.use_elasticache(running.url.removeprefix("http://"))
        yield running
        aws.use_elasticache(None)


@pytest.fixture
def user(cache: elasticache.ElastiCache) -> User:
    return cache.credential()


@pytest.fixture
def client(aws: Sandbox) -> Any:
    return aws.client("elasticache")


def status(client: Any) -> str:
    return str(client.describe_users(UserId="app")["Users"][0]["Status"])


def settle(client: Any) -> None:
    while status(client) != "active":
        pass


@verified(MODIFY)
def test_a_user_accepts_the_passwords_that_it_was_given_last(user: User, client: Any) -> None:
    client.modify_user(UserId="app", Passwords=[NEW, FIRST])
    settle(client)
    assert [user.accepts("app", password) for password in (FIRST, NEW, NEWER)] == [True, True, False]
    client.modify_user(UserId="app", Passwords=[NEWER, NEW])
    settle(client)
    assert [user.accepts("app", password) for password in (FIRST, NEW, NEWER)] == [False, True, True]
    assert client.describe_users(UserId="app")["Users"][0]["Authentication"]["PasswordCount"] == 2


@verified(MODIFY, reported("hashicorp/terraform-provider-aws/issues/49726"))
def test_a_change_is_applied_in_the_background_and_no_other_is_accepted_meanwhile(user: User, client: Any) -> None:
    assert client.modify_user(UserId="app", Passwords=[NEW])["Status"] == "modifying"
    assert not user.accepts("app", NEW)
    with pytest.raises(ClientError, match="InvalidUserState"):
        client.modify_user(UserId="app", Passwords=[NEWER])
    assert status(client) == "modifying"
    settle(client)
    assert user.accepts("app", NEW)


@verified(reported("hashicorp/terraform-provider-aws/issues/24273"))
@pytest.mark.parametrize("password", ["x" * 15, "x" * 129], ids=["short", "long"])
def test_a_password_has_16_to_128_characters(password: str, user: User, client: Any) -> None:
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        client.modify_user(UserId="app", Passwords=[NEW, password])
    assert status(client) == "active"
    assert user.accepts("app", FIRST)


@unverified("the documentation allows two, and does not name the error for three")
def test_three_passwords_are_refused(user: User, client: Any) -> None:
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        client.modify_user(UserId="app", Passwords=[NEW, NEWER, FIRST])
    assert status(client) == "active"
    assert not user.accepts("app", NEW)


@verified(MODIFY)
def test_a_user_that_does_not_exist_is_not_found(user: User, client: Any) -> None:
    with pytest.raises(ClientError, match="UserNotFound"):
        client.modify_user(UserId=f"{user.name}-other", Passwords=[NEW])


@verified(docs("service-authorization/latest/reference/list_amazonelasticache.html"))
def test_a_role_may_call_for_the_users_that_its_policy_names(
    user: User, make_function: Callable[..., Function]
) -> None:
    function = make_function(CALLS)
    arn = f"arn:aws:elasticache:us-east-1:123456789012:user:{user.name}"
    function.allow({"Action": "elasticache:DescribeUsers", "Resource": arn})
    assert function.invoke({"user": user.name})["payload"] == "allowed"
    assert function.invoke({"user": "other"})["payload"] == "AccessDenied"


@own("its control route")
def test_a_server_that_does_not_answer_is_said(aws: Sandbox, cache: elasticache.ElastiCache, client: Any) -> None:
    aws.use_elasticache("127.0.0.1:1")
    try:
        with pytest.raises(ClientError, match="ServiceUnavailable"):
            client.describe_users()
    finally:
        aws.use_elasticache(cache.url.removeprefix("http://"))
