"""The target calls over AWS APIs: ElastiCache sets the password, which Redis then accepts, and Redis tests it."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.model import OperationModel

from rotation_lab.model.secrets_manager import SecretsManager
from rotation_lab.services import redis_server
from rotation_lab.services.redis_server import RedisServer
from secret_rotation.catalogue import defaults
from secret_rotation.errors import (
    AccessDeniedError,
    AuthenticationError,
    AwsError,
    ConfigurationError,
    NetworkError,
    RotationError,
    ValueRefusedError,
)
from secret_rotation.target import Given
from secret_rotation.targets import calls
from tests.messages import refused
from tests.support import contexts
from tests.support.function import RotationFunction

SET: list[dict[str, Any]] = [
    {
        "action": "elasticache:ModifyUser",
        "parameters": {"UserId": "app", "Passwords": ["{{pending.password}}", "{{current.password}}"]},
    },
    {
        "action": "elasticache:DescribeUsers",
        "parameters": {"UserId": "app"},
        "match": {"/Users/0/Status": "active"},
        "retry": 60,
    },
]
ISSUE = {
    "issue": {
        "action": "iam:CreateServiceSpecificCredential",
        "parameters": {"UserName": "bot", "ServiceName": "bedrock.amazonaws.com"},
        "values": {
            "secret": "/ServiceSpecificCredential/ServiceCredentialSecret",
            "id": "/ServiceSpecificCredential/ServiceSpecificCredentialId",
        },
    },
    "test": {"url": "https://localhost/", "auth": "bearer", "token": "{{login.secret}}"},
    "revoke": {
        "action": "iam:DeleteServiceSpecificCredential",
        "parameters": {"UserName": "bot", "ServiceSpecificCredentialId": "{{retired.id}}"},
        "status": "200,NoSuchEntity",
    },
}


class Aws:
    """A service of AWS whose operations are the methods of a subclass; ``asked`` has what it was asked."""

    def __init__(self, service: str) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.errors: dict[str, str] = {}
        self.client = boto3.client(service, region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")  # type: ignore[call-overload]
        self.client.meta.events.register("provide-client-params.*.*", self._ask)
        self.client.meta.events.register("before-call", self._answer)

    def _ask(self, params: Any, model: OperationModel, **_: object) -> None:
        self.asked.append((model.name, params))

    def _answer(self, model: OperationModel, **_: object) -> Any:
        if model.name in self.errors:
            return SimpleNamespace(status_code=400), {"Error": {"Code": self.errors[model.name], "Message": "no"}}
        return SimpleNamespace(status_code=200), getattr(self, model.name)(self.asked[-1][1])


class Cache(Aws):
    """ElastiCache over a Redis: it takes a few looks until a change is applied."""

    def __init__(self, user: Any) -> None:
        super().__init__("elasticache")
        self.user, self.looks = user, 0

    def ModifyUser(self, params: Any) -> Any:  # noqa: N802
        self.user.set_password(self.user.name, params["Passwords"][0])
        self.looks = 3
        return {"UserId": "app", "Status": "modifying"}

    def DescribeUsers(self, _: Any) -> Any:  # noqa: N802
        self.looks -= 1
        return {"Users": [{"UserId": "app", "Status": "modifying" if self.looks > 0 else "active"}]}


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server.start(tls=False) as running:
        yield running


class World:
    def __init__(self, server: RedisServer, user_id: str = "app", **given: str) -> None:
        self.user = server.credential()
        first = self.user.reset()
        self.cache, self.manager = Cache(self.user), SecretsManager()
        self.arn = self.manager.create(json.dumps({"username": self.user.name, "password": first["password"]}))
        settings = {"host": "localhost", "port": str(server.port), "username": "{{login.username}}", "tls": "disable"}
        modify = {**SET[0], "parameters": {**SET[0]["parameters"], "UserId": user_id}}
        described = {"set": [modify, *SET[1:]], "test": {"target": "redis", "settings": settings}}
        self.function = RotationFunction(
            self.manager,
            TARGET="calls",
            TARGET_CALLS=json.dumps(described),
            TARGET_SETTINGS=json.dumps(given),
            SECRET_KEYS='["password"]',
        )
        self.function.clients["elasticache"] = self.cache.client


@pytest.fixture
def world(server: RedisServer) -> World:
    return World(server)


def test_an_operation_sets_what_another_target_tests(world: World) -> None:
    for _ in range(2):
        world.function.rotate(world.arn)
        text = world.manager.client().get_secret_value(SecretId=world.arn)["SecretString"]
        assert world.user.opens(text)
    (name, sent), *_ = world.cache.asked
    assert name == "ModifyUser"
    assert len(set(sent["Passwords"])) == 2


def test_the_role_changes_only_users_that_a_setting_allows(server: RedisServer) -> None:
    world = World(server, "{{current.username}}", allowed_usernames="app_*")
    token = world.manager.rotate(world.arn)
    world.function("createSecret", world.arn, token)
    with refused(ConfigurationError, "'allowed_usernames'", world.user.name):
        world.function("setSecret", world.arn, token)
    assert not world.cache.asked
    allowed = World(server, "{{current.username}}", allowed_usernames=f"app_*, {world.user.name[:1]}*")
    allowed.function.rotate(allowed.arn)
    assert allowed.cache.asked


def test_it_waits_until_the_change_is_applied(world: World) -> None:
    world.function.rotate(world.arn)
    assert [name for name, _ in world.cache.asked] == ["ModifyUser", *["DescribeUsers"] * 3]


def test_a_value_that_the_other_target_refuses_is_not_made_current(world: World) -> None:
    token = world.manager.rotate(world.arn)
    world.function("createSecret", world.arn, token)
    with refused(AuthenticationError):
        world.function("testSecret", world.arn, token)


@pytest.mark.parametrize(("code", "kind"), [("AccessDenied", AccessDeniedError), ("UserNotFound", AwsError)])
def test_an_error_of_the_operation_is_named(world: World, code: str, kind: type[RotationError]) -> None:
    token = world.manager.rotate(world.arn)
    world.function("createSecret", world.arn, token)
    world.cache.errors["ModifyUser"] = code
    with refused(kind, "elasticache:ModifyUser"):
        world.function("setSecret", world.arn, token)


@pytest.mark.parametrize("code", ["InvalidParameterValue", "ValidationException", "InvalidPasswordException"])
def test_an_operation_that_refuses_the_value_by_its_rules_says_so(world: World, code: str) -> None:
    token = world.manager.rotate(world.arn)
    world.function("createSecret", world.arn, token)
    world.cache.errors["ModifyUser"] = code
    with refused(ValueRefusedError, code, "`password`"):
        world.function("setSecret", world.arn, token)


def test_an_operation_that_rejects_its_repetition_is_done_when_the_value_works(world: World) -> None:
    token = world.manager.rotate(world.arn)
    world.function("createSecret", world.arn, token)
    world.function("setSecret", world.arn, token)
    world.cache.errors["ModifyUser"] = "InvalidParameterValue"
    world.function("setSecret", world.arn, token)
    assert world.cache.asked[-1][0] == "DescribeUsers"


def test_what_issues_is_sent_by_a_client_that_does_not_repeat_it() -> None:
    attempts: list[int] = []

    def client(service: str, **options: Any) -> Any:
        attempts.append(options.get("attempts", 3))
        raise NetworkError("no answer")

    target = calls.load(Given(("secret", "id"), defaults("calls"), None, ISSUE))
    with refused(NetworkError):
        target.create_secret(contexts.of("calls")(None, None, client=client))
    assert attempts == [1]
