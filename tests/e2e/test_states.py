"""Broken states made for real, with Redis in the sandbox: the verdict on each, and that the printed commands mend it.

`tests/unit/test_diagnose.py` has the states that need a clock, or rules of a service that Redis has not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from botocore.exceptions import ClientError
from redis.backoff import NoBackoff
from redis.retry import Retry

from rotation_lab.sandbox.client import Sandbox
from rotation_lab.services import issuer, redis_server
from rotation_lab.trial import installed
from rotation_lab.trial.options import Options
from tests.support import cli, described, runbooks
from tools.dev import doctor, revoke
from tools.dev.providers import ROOT
from tools.dev.try_target import ACTIONS

NAME, OTHER_REGION = installed.NAME, "eu-central-1"
LOGS = {"Effect": "Allow", "Action": "logs:FilterLogEvents", "Resource": "*"}


class World:
    """A secret, its function without Terraform, and the Redis user that it opens."""

    def __init__(self, aws: Sandbox, server: redis_server.RedisServer, folder: Path) -> None:
        self.aws, self.folder, self.user = aws, folder, server.credential()
        self.server, self.manager = server, aws.client("secretsmanager")
        self.settings = {"tls_ca": self.user.ca}
        self.known = self.user.known("localhost", server.port)
        environment = {"TARGET": "redis", "SECRET_KEYS": '["password"]', "TARGET_SETTINGS": json.dumps(self.settings)}
        self.options = options = Options(
            folder=ROOT / "lambda_src",
            files={},
            environment=environment,
            secret=self.document(self.user.reset()["password"]),
            keys=["password"],
            actions=ACTIONS,
            policy=[LOGS],
        )
        self.installed = installed.Installed(aws, options)
        self.secret = self.installed.secret
        # Its wrapper, which dies on purpose, hands on no answer.
        self.configure(Handler="lambda_function.lambda_handler")
        self.layers = aws.client("lambda").get_function_configuration(FunctionName=NAME)["Layers"]
        self.installed.start()

    def document(self, password: object, **changed: Any) -> str:
        return json.dumps({**self.known, **changed, "password": password})

    def put(self, text: str, *labels: str) -> None:
        stages = {"VersionStages": list(labels)} if labels else {}
        self.manager.put_secret_value(SecretId=self.secret, SecretString=text, **stages)

    def now(self) -> str:
        """A document that opens the service."""
        self.user.set_password("app", "a-password-set-by-hand")
        return self.document("a-password-set-by-hand")

    def configure(self, **changed: Any) -> None:
        self.aws.client("lambda").update_function_configuration(FunctionName=NAME, **changed)

    def with_settings(self, **settings: str) -> None:
        self.installed.configure(TARGET_SETTINGS=json.dumps(settings))

    def deny(self, *actions: str) -> None:
        """The function's role without these actions; with all of them again without any."""
        iam = self.aws.client("iam")
        statement = [{"Effect": "Deny", "Action": action, "Resource": "*"} for action in actions]
        policy = {"Version": "2012-10-17", "Statement": statement}
        if actions:
            iam.put_role_policy(RoleName=NAME, PolicyName="deny", PolicyDocument=json.dumps(policy))
        else:
            iam.delete_role_policy(RoleName=NAME, PolicyName="deny")

    def half_way(self) -> None:
        """A rotation that ends after setSecret and loses AWSPENDING; the service accepts the newest value alone."""
        self.deny("secretsmanager:UpdateSecretVersionStage")
        self.installed.start()
        self.deny()
        version = self.installed.holder("AWSPENDING")
        text = self.manager.get_secret_value(SecretId=self.secret, VersionId=version)["SecretString"]
        self.user.set_password("app", json.loads(text)["password"])
        self.installed.clear_pending()

    def look(self, **options: object) -> dict[str, Any]:
        (entry,) = doctor.ask(self.aws.client, None, [self.secret], **{"Login": True, **options})["secrets"]
        return dict(entry)

    def copied(self, there: Callable[[str], Any]) -> str:
        """The same function in another region; its ARN."""
        client, name = there("lambda"), {"FunctionName": NAME}
        layer = client.publish_layer_version(
            LayerName=NAME, Content={"ZipFile": (ROOT / "build/drivers.zip").read_bytes()}
        )
        here = self.aws.client("lambda").get_function_configuration(**name)
        allowed = {"Effect": "Allow", "Action": "secretsmanager:*", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [allowed, LOGS]})
        self.aws.client("iam").put_role_policy(RoleName=NAME, PolicyName="there", PolicyDocument=document)
        made = client.create_function(
            **name,
            **{key: here[key] for key in ("Runtime", "Role", "Handler", "Environment", "Timeout", "MemorySize")},
            Code={"ZipFile": installed.package(self.options)},
            Layers=[layer["LayerVersionArn"]],
        )
        client.add_permission(
            **name,
            StatementId="SecretsManager",
            Action="lambda:InvokeFunction",
            Principal="secretsmanager.amazonaws.com",
        )
        return str(made["FunctionArn"])

    def run(self, commands: list[str]) -> None:
        """The printed commands, as they stand."""
        if any("file://" in command for command in commands):
            (self.folder / "secret.txt").write_text(self.now())
        for command in commands:
            with suppress(self.manager.exceptions.InvalidRequestException):  # "... will be reattempted."
                cli.run(command, self.aws.client, self.folder)
        self.aws.settle(self.secret)


@pytest.fixture(scope="module")
def world(aws: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with redis_server.start() as server:
        made = World(aws, server, tmp_path_factory.mktemp("states"))
        yield made
        aws.client("lambda").delete_function(FunctionName=NAME)


def nothing(world: World) -> None:
    pass


def stuck(world: World) -> None:
    world.put(world.document("a-password-nobody-set"), "AWSPENDING")


def custom_label(world: World) -> None:
    world.half_way()
    versions = world.manager.list_secret_version_ids(SecretId=world.secret, IncludeDeprecated=True)["Versions"]
    newest = max(versions, key=lambda one: one["CreatedDate"])["VersionId"]
    world.manager.update_secret_version_stage(SecretId=world.secret, VersionStage="MINE", MoveToVersionId=newest)


def denied(world: World) -> None:
    world.deny("secretsmanager:PutSecretValue")
    world.installed.start()


def no_key(world: World) -> None:
    """The value is encrypted with a key that the role may not use."""
    key = world.aws.client("kms").create_key()["KeyMetadata"]["KeyId"]
    world.manager.update_secret(SecretId=world.secret, KmsKeyId=key, SecretString=world.now())


def usual_key(world: World) -> None:
    world.manager.update_secret(SecretId=world.secret, KmsKeyId="alias/aws/secretsmanager", SecretString=world.now())


def unreachable(world: World) -> None:
    world.server.stop()
    world.installed.start()


def started(world: World) -> None:
    world.server.start()


def wrong_password(world: World) -> None:
    world.user.set_password("app", "changed-behind-our-back")
    world.installed.start()


def distrusted(world: World) -> None:
    world.with_settings()


def trusted(world: World) -> None:
    world.with_settings(**world.settings)


def no_driver(world: World) -> None:
    """Redis needs none."""
    world.installed.configure(TARGET="postgresql")
    world.configure(Layers=[])


def driver(world: World) -> None:
    world.installed.configure()
    world.configure(Layers=[layer["Arn"] for layer in world.layers])


def paused(world: World) -> None:
    world.manager.cancel_rotate_secret(SecretId=world.secret)


def deleted(world: World) -> None:
    world.manager.delete_secret(SecretId=world.secret, RecoveryWindowInDays=7)


def put(make: Callable[[World], str]) -> Callable[[World], None]:
    return lambda world: world.put(make(world))


STATES: dict[str, tuple[Callable[[World], None], str, Callable[[World], None]]] = {
    "healthy": (nothing, "healthy", nothing),
    "AWSPENDING stuck": (stuck, "stuck", nothing),
    "AWSPENDING cleared, the live value without a label": (World.half_way, "locked_out", nothing),
    "the live value under a label of somebody's own": (custom_label, "locked_out", nothing),
    "permission missing": (denied, "failed", World.deny),
    "KMS key denied": (no_key, "failed", usual_key),
    "rotation disabled": (paused, "paused", nothing),
    "wrong key name": (put(lambda world: '{"pw": "x"}'), "failed", nothing),
    "number instead of string": (put(lambda world: world.document(5)), "failed", nothing),
    "host unreachable": (unreachable, "unreachable", started),
    "wrong password": (wrong_password, "locked_out", nothing),
    "certificate not trusted": (distrusted, "failed", trusted),
    "driver missing": (no_driver, "failed", driver),
    "scheduled for deletion": (deleted, "failed", nothing),
}


@pytest.mark.parametrize("state", STATES)
def test_each_state_has_its_verdict_and_the_printed_commands_mend_it(world: World, state: str) -> None:
    breaks, expected, mends = STATES[state]
    breaks(world)
    found = world.look(Quiet=0)
    assert found["verdict"] == expected, found
    mends(world)
    if found["commands"]:
        world.run(found["commands"])
    assert world.look()["verdict"] == "healthy", (found, world.look())


def test_a_kms_key_that_is_pending_deletion_is_a_state_of_its_own_and_the_runbook_mends_it(world: World) -> None:
    kms, policy = world.aws.client("kms"), {"RoleName": NAME, "PolicyName": "kms"}
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    allowed = {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [allowed]}
    world.aws.client("iam").put_role_policy(**policy, PolicyDocument=json.dumps(document))
    world.manager.update_secret(SecretId=world.secret, KmsKeyId=key, SecretString=world.now())
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    found = world.look()
    assert (found["verdict"], "DecryptionFailure" in found["reason"]) == ("failed", True), found
    lines = runbooks.commands("The KMS key is disabled or pending deletion", SECRET=world.secret, KEY=key)
    world.run(lines[:3])
    assert world.look()["verdict"] == "healthy"
    world.run([lines[3].replace(key, "alias/aws/secretsmanager")])
    world.aws.client("iam").delete_role_policy(**policy)


def test_a_value_that_the_service_refuses_is_a_state_of_its_own(world: World) -> None:
    with issuer.start() as service:
        account = service.credential("strict", ours=True)
        calls = json.dumps(described.ours(service.url, "strict")).replace("pending.value", "pending.password")
        world.put(world.document(account.reset()["value"]))
        world.installed.configure(TARGET="calls", TARGET_SETTINGS='{"tls": "disable"}', TARGET_CALLS=calls)
        service.put("strict", replace(service.state("strict"), shortest=100))
        world.installed.start()
        found = world.look()
        assert (found["verdict"], "422" in found["reason"]) == ("value_refused", True), found
        service.put("strict", replace(service.state("strict"), shortest=0))
        world.run(found["commands"])
        assert world.look()["verdict"] == "healthy"
    world.put(world.now())
    world.installed.configure()


def test_a_leaked_value_opens_nothing_after_revoke(world: World) -> None:
    world.put(world.now())
    leaked = str(world.manager.get_secret_value(SecretId=world.secret)["SecretString"])
    assert world.user.opens(leaked)
    assert revoke.main([world.secret], world.aws.client) == 0
    assert not world.user.opens(leaked)


def test_service_and_secret_go_back_together(world: World) -> None:
    old = world.now()
    world.put(old)
    version = world.installed.holder("AWSCURRENT")
    world.installed.start()
    world.installed.start()
    assert not world.user.opens(old)
    world.run(runbooks.commands("Go back to an older value", SECRET=world.secret, VERSION=str(version)))
    assert world.user.opens(old)
    assert world.manager.get_secret_value(SecretId=world.secret)["SecretString"] == old
    assert world.installed.holder("ROLLBACK") is None
    assert world.look()["verdict"] == "healthy"


def test_a_service_that_was_restored_from_a_snapshot_is_found_again(world: World) -> None:
    world.put(world.now())
    for _ in range(3):
        world.installed.start()
    world.now()  # what the service accepted three rotations ago
    assert world.look()["verdict"] == "locked_out"
    world.run(runbooks.commands("The service was restored from a snapshot", SECRET=world.secret))
    assert world.look()["verdict"] == "healthy"


def test_a_secret_that_was_put_back_is_found_again(world: World) -> None:
    old = world.now()
    world.put(old)
    for _ in range(2):
        world.installed.start()
    world.put(old)
    assert world.look()["verdict"] == "locked_out"
    world.run(runbooks.commands("The service was restored from a snapshot", SECRET=world.secret))
    assert world.look()["verdict"] == "healthy"


def test_sessions_of_a_leaked_value_end(world: World) -> None:
    world.put(world.now())
    with redis.Redis(
        host="localhost", port=world.server.port, username="app", password="a-password-set-by-hand",
        ssl=True, ssl_ca_certs=str(world.server.made and world.server.made.ca), retry=Retry(NoBackoff(), 0),
    ) as session:  # fmt: skip
        session.ping()
        world.installed.start()
        world.installed.start()
        session.ping()  # it has outlived two rotations
        (kill,) = runbooks.statements("A value has leaked", "Redis", NAME="app")
        world.server.run(*kill.split())
        with pytest.raises((redis.AuthenticationError, redis.ConnectionError)):
            session.ping()


def test_a_replica_that_was_promoted_rotates_by_a_function_of_its_region(world: World) -> None:
    def there(service: str) -> Any:
        return world.aws.client(service, region_name=OTHER_REGION)

    world.put(world.now())
    world.manager.replicate_secret_to_regions(SecretId=world.secret, AddReplicaRegions=[{"Region": OTHER_REGION}])
    (promote,) = runbooks.commands("A replica was promoted", SECRET=NAME, REPLICA_REGION=OTHER_REGION)
    cli.run(promote, there)
    promoted = there("secretsmanager").describe_secret(SecretId=NAME)["ARN"]
    report = doctor.ask(there, None, [promoted])  # it names the function of the region that was left
    assert (report["verdict"], report["secrets"][0]["commands"]) == ("failed", ["terraform apply"])
    function = world.copied(there)
    there("secretsmanager").rotate_secret(
        SecretId=promoted, RotationLambdaARN=function, RotationRules={"AutomaticallyAfterDays": 30}
    )
    world.aws.settle(promoted)
    (found,) = doctor.ask(there, None, [promoted], Login=True)["secrets"]
    assert found["verdict"] == "healthy", found
    assert world.user.opens(there("secretsmanager").get_secret_value(SecretId=promoted)["SecretString"])
    there("lambda").delete_function(FunctionName=NAME)


def test_a_function_that_was_deleted_is_a_verdict(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [world.secret, "--function", "no-such-function"]
    assert doctor.main(arguments, world.aws.client) == doctor.STATUS["failed"]
    assert "terraform apply" in capsys.readouterr().out


def test_a_denied_log_is_said(world: World) -> None:
    world.deny("logs:FilterLogEvents")
    stuck(world)
    assert "logs:FilterLogEvents" in world.look()["log"]
    world.deny()
    with suppress(ClientError):
        world.installed.start()
    assert world.look()["verdict"] == "healthy"
