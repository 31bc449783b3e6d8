"""Alarms and events, applied: who is told of what, and that the next plan is empty."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rotation_lab.sandbox.client import Sandbox
from tests.e2e.stack import Stack, applied, local_aws


class Queue:
    """A queue, made here since Terraform waits half a minute for one; ``messages`` takes what is in it."""

    def __init__(self, aws: Sandbox, name: str, principal: str = "sns.amazonaws.com") -> None:
        self._client = aws.client("sqs")
        self._url = self._client.create_queue(QueueName=name)["QueueUrl"]
        self.arn = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        statement = {"Effect": "Allow", "Principal": {"Service": principal}, "Action": "sqs:SendMessage"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Resource": self.arn}]})
        self._client.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": policy})

    def messages(self) -> list[dict[str, Any]]:
        answer = self._client.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=600
        )
        return list(answer.get("Messages", []))


def eventually(found: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """What is found, once it is."""
    end = time.monotonic() + seconds
    while not (result := found()):
        assert time.monotonic() < end, f"{what}: it did not happen"
        time.sleep(0.1)
    return result


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A local AWS of these tests' own, since they move its clock."""
    with local_aws(tmp_path_factory.mktemp("sandbox")) as started:
        yield started


# Alarms.


@pytest.fixture(scope="module")
def watched(
    aws: Sandbox, environment: dict[str, str], tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    work = tmp_path_factory.mktemp("alarms")
    with applied(tree / "examples/alarms", aws, environment, work) as stack:
        yield stack


def test_a_failed_rotation_is_told_once_and_so_is_its_end(aws: Sandbox, watched: Stack) -> None:
    queue, topic = Queue(aws, "alarms"), watched.outputs["topic_arn"]
    aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    told: list[str] = []

    def hear() -> list[str]:
        for message in queue.messages():
            alarm = json.loads(json.loads(message["Body"])["Message"])
            told.append(f"{alarm['AlarmName'].removeprefix(watched.function + '-')} {alarm['NewStateValue']}")
        return told

    def look() -> None:
        """An hour later, the schedule fires, and the alarm sees what it has found."""
        looks = watched.log().count('"_aws"')
        aws.advance(hours=1)
        eventually(lambda: watched.log().count('"_aws"') > looks, "the schedule fires")
        aws.advance(seconds=1)

    assert aws.settle(watched.secret)["result"] == "ok"
    look()
    eventually(lambda: "not-watched OK" in hear(), "the first look")
    assert not [one for one in told if one.endswith("ALARM")]

    with watched.denied("secretsmanager:PutSecretValue"):
        assert "AccessDenied" in watched.rotate()["result"]
    look()
    eventually(lambda: "needs-attention ALARM" in hear(), "the alarm")
    assert f'"secret_arn": "{watched.secret}"' in watched.log()

    assert watched.rotate()["result"] == "ok"
    look()
    eventually(lambda: "needs-attention OK" in hear()[told.index("needs-attention ALARM") :], "its end")
    assert told.count("needs-attention ALARM") == 1

    aws.client("events").disable_rule(Name=f"{watched.function}-watch")
    aws.advance(hours=4)
    eventually(lambda: "not-watched INSUFFICIENT_DATA" in hear(), "nobody looks")
    aws.client("events").enable_rule(Name=f"{watched.function}-watch")
    assert not watched.terraform.plan()


# Events, by the module alone: it serves secrets that no function of ours rotates. The root's call of it is applied by
# `make examples` (on-success): Terraform waits a minute for the queue that it makes there.


def test_each_new_value_is_told_and_what_cannot_be_delivered_is_a_dead_letter(
    aws: Sandbox, environment: dict[str, str], tree: Path, tmp_path: Path
) -> None:
    told, dead = (Queue(aws, f"events-{name}", "events.amazonaws.com") for name in ("told", "dead"))
    closed = Queue(aws, "events-closed", "sns.amazonaws.com")
    template = {"input_paths": {"secret": "$.resources[0]"}, "input_template": '{"secret": <secret>}'}
    call = {
        "source": "../modules/events",
        "name": "events",
        "name_prefixes": ["events/"],
        "dead_letter_queue_arn": dead.arn,
        "on_success": {"told": {"arn": told.arn, **template}, "closed": {"arn": closed.arn}},
    }
    (tree / "events").mkdir()
    configuration = {"provider": {"aws": {}}, "module": {"events": call}}
    (tree / "events/main.tf.json").write_text(json.dumps(configuration))
    manager = aws.client("secretsmanager")
    with applied(tree / "events", aws, environment, tmp_path) as stack:
        assert not stack.terraform.plan()
        arn = manager.create_secret(Name="events/app", SecretString="first")["ARN"]
        first = manager.describe_secret(SecretId=arn)["VersionIdsToStages"].popitem()[0]
        assert [json.loads(message["Body"]) for message in eventually(told.messages, "a new secret")] == [
            {"secret": arn}
        ]
        second = manager.put_secret_value(SecretId=arn, SecretString="by-a-person")["VersionId"]
        eventually(told.messages, "a value put by a person")
        labels = {"MoveToVersionId": first, "RemoveFromVersionId": second}
        manager.update_secret_version_stage(SecretId=arn, VersionStage="AWSCURRENT", **labels)
        eventually(told.messages, "AWSCURRENT moved back")

        letters = dead.messages()
        assert {letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] for letter in letters} == {"NO_PERMISSIONS"}
        assert {json.loads(letter["Body"])["resources"][0] for letter in letters} == {arn}
        assert len(letters) == 3
        assert closed.messages() == []

        manager.create_secret(Name="other", SecretString="first")
        assert told.messages() == []
