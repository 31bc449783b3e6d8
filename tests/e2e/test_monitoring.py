"""Alarms and events, applied: who is told of what, and that the next plan is empty."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rotation_lab.sandbox.client import Sandbox
from tests.e2e.stack import Stack, applied, local_aws
from tools.dev.bench import make_function

HANDLER = "lambda_function.py"


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


class Heard:
    """What the alarms of a function have told a topic, in its order: "errors ALARM"."""

    def __init__(self, aws: Sandbox, topic: str, function: str) -> None:
        self._queue, self._function = Queue(aws, f"heard-{function}"), function
        aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=self._queue.arn)
        self.told: list[str] = []

    def __call__(self) -> list[str]:
        """All so far."""
        for message in self._queue.messages():
            alarm = json.loads(json.loads(message["Body"])["Message"])
            self.told.append(f"{alarm['AlarmName'].removeprefix(self._function + '-')} {alarm['NewStateValue']}")
        return self.told

    def wait(self, what: str, since: int = 0) -> int:
        """Until the alarm has told that, after ``since`` others; how many there are then."""
        eventually(lambda: what in self()[since:], what)
        return len(self.told)


# Alarms.


@dataclass
class Watched:
    """The example: a function that looks at its own secrets."""

    stack: Stack
    heard: Heard

    def look(self) -> None:
        """An hour later, the schedule fires, and the alarm sees what it has found."""
        looks = self._looks()
        self.stack.aws.advance(hours=1)
        eventually(lambda: self._looks() > looks, "the schedule fires")
        self.stack.aws.advance(seconds=1)

    def _looks(self) -> int:
        return self.stack.log().count('"_aws"')


@pytest.fixture(scope="module")
def watched(
    aws: Sandbox, environment: dict[str, str], tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    work = tmp_path_factory.mktemp("alarms")
    with applied(tree / "examples/alarms", aws, environment, work) as stack:
        yield Watched(stack, Heard(aws, stack.outputs["topic_arn"], stack.function))


def test_a_failed_rotation_is_told_once_and_so_is_its_end(watched: Watched) -> None:
    stack, heard = watched.stack, watched.heard
    assert stack.aws.settle(stack.secret)["result"] == "ok"
    watched.look()
    heard.wait("not-watched OK")
    assert not [one for one in heard() if one.endswith("ALARM")]

    with stack.denied("secretsmanager:PutSecretValue"):
        assert "AccessDenied" in stack.rotate()["result"]
    watched.look()
    heard.wait("errors ALARM")
    alarmed = heard.wait("needs-attention ALARM")
    assert f'"secret_arn": "{stack.secret}"' in stack.log()

    assert stack.rotate()["result"] == "ok"
    watched.look()
    heard.wait("needs-attention OK", alarmed)
    assert [heard.told.count(one) for one in ("needs-attention ALARM", "errors ALARM", "errors OK")] == [1, 1, 0]


def test_a_secret_that_is_overdue_is_told_and_so_is_its_end(watched: Watched) -> None:
    """The count is put here: the sandbox begins each rotation in time. What is counted: tests/unit/test_watch.py."""
    name = {"Name": "FunctionName", "Value": watched.stack.function}
    overdue = {"MetricName": "Overdue", "Dimensions": [name], "Value": 1}
    watched.stack.aws.client("cloudwatch").put_metric_data(Namespace="SecretRotation", MetricData=[overdue])
    watched.stack.aws.advance(seconds=1)
    alarmed = watched.heard.wait("overdue ALARM")
    watched.look()
    watched.look()
    watched.heard.wait("overdue OK", alarmed)


def test_that_nobody_looks_any_more_is_told(watched: Watched) -> None:
    rules, name = watched.stack.aws.client("events"), f"{watched.stack.function}-watch"
    before = len(watched.heard())
    rules.disable_rule(Name=name)
    watched.stack.aws.advance(hours=4)
    watched.heard.wait("not-watched INSUFFICIENT_DATA", before)
    rules.enable_rule(Name=name)
    assert not watched.stack.terraform.plan()


# Events and alarms by the modules alone, for a function that is not ours. The root's call of modules/events is applied
# by `make examples` (on-success): Terraform waits a minute for the queue that it makes there.

FAILS = b"def lambda_handler(event, context):\n    raise ValueError\n"


@dataclass
class Foreign:
    """A function that always fails, its secret, and who is told of what."""

    stack: Stack
    function: str
    heard: Heard
    told: Queue
    closed: Queue
    dead: Queue
    failed: Queue
    arn: str = field(init=False)

    def __post_init__(self) -> None:
        self.arn = self.manager.create_secret(Name="events/app", SecretString="first")["ARN"]

    @property
    def manager(self) -> Any:
        return self.stack.aws.client("secretsmanager")


@pytest.fixture(scope="module")
def foreign(
    aws: Sandbox, environment: dict[str, str], tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Foreign]:
    told, dead, failed = (Queue(aws, f"events-{name}", "events.amazonaws.com") for name in ("told", "dead", "failed"))
    closed = Queue(aws, "events-closed", "sns.amazonaws.com")
    topic, function = aws.client("sns").create_topic(Name="events")["TopicArn"], make_function(aws, {HANDLER: FAILS})
    template = {"input_paths": {"secret": "$.resources[0]"}, "input_template": '{"secret": <secret>}'}
    events = {
        "source": "../modules/events",
        "name": "events",
        "name_prefixes": ["events/"],
        "dead_letter_queue_arn": dead.arn,
        "on_success": {"told": {"arn": told.arn, **template}, "closed": {"arn": closed.arn}},
        "on_failure": {"failed": failed.arn},
    }
    alarms = {
        "source": "../modules/alarms",
        "function_name": function.rpartition(":")[2],
        "alarm_actions": [topic],
        "dead_letter_queues": {"events": "${module.events.dead_letter_queue_name}"},
    }
    (tree / "events").mkdir()
    configuration = {"provider": {"aws": {}}, "module": {"events": events, "alarms": alarms}}
    (tree / "events/main.tf.json").write_text(json.dumps(configuration))
    with applied(tree / "events", aws, environment, tmp_path_factory.mktemp("events")) as stack:
        heard = Heard(aws, topic, function.rpartition(":")[2])
        yield Foreign(stack, function, heard, told, closed, dead, failed)


def test_each_new_value_is_told_and_what_cannot_be_delivered_is_a_dead_letter(foreign: Foreign) -> None:
    manager, arn, told = foreign.manager, foreign.arn, foreign.told
    first = manager.describe_secret(SecretId=arn)["VersionIdsToStages"].popitem()[0]
    assert [json.loads(message["Body"]) for message in eventually(told.messages, "a new secret")] == [{"secret": arn}]
    second = manager.put_secret_value(SecretId=arn, SecretString="by-a-person")["VersionId"]
    eventually(told.messages, "a value put by a person")
    labels = {"MoveToVersionId": first, "RemoveFromVersionId": second}
    manager.update_secret_version_stage(SecretId=arn, VersionStage="AWSCURRENT", **labels)
    eventually(told.messages, "AWSCURRENT moved back")

    foreign.stack.aws.advance(seconds=301)
    foreign.heard.wait("dead-letters-events ALARM")
    letters = foreign.dead.messages()
    assert {letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] for letter in letters} == {"NO_PERMISSIONS"}
    assert {json.loads(letter["Body"])["resources"][0] for letter in letters} == {arn}
    assert len(letters) == 3
    assert foreign.closed.messages() == []

    manager.create_secret(Name="other", SecretString="first")
    assert told.messages() == foreign.failed.messages() == []
    assert foreign.heard() == ["dead-letters-events ALARM"]


def test_a_failed_rotation_of_another_s_function_is_told_where_a_trail_logs(foreign: Foreign) -> None:
    aws, before = foreign.stack.aws, len(foreign.heard())
    aws.client("s3").create_bucket(Bucket="trail")
    aws.client("cloudtrail").create_trail(Name="trail", S3BucketName="trail")
    aws.client("cloudtrail").start_logging(Name="trail")
    foreign.manager.rotate_secret(SecretId=foreign.arn, RotationLambdaARN=foreign.function)
    assert aws.settle(foreign.arn)["result"] != "ok"
    (event,) = eventually(foreign.failed.messages, "the event")
    assert json.loads(event["Body"])["detail"]["additionalEventData"]["SecretId"] == foreign.arn
    aws.advance(seconds=301)
    foreign.heard.wait("errors ALARM", before)


def test_that_lambda_refuses_to_run_a_function_is_told(foreign: Foreign) -> None:
    aws, before = foreign.stack.aws, len(foreign.heard())
    name = foreign.function.rpartition(":")[2]
    aws.client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match="A previous rotation isn't complete"):
        foreign.manager.rotate_secret(SecretId=foreign.arn)
    assert aws.settle(foreign.arn)["result"] != "ok"
    aws.advance(seconds=301)
    foreign.heard.wait("throttles ALARM", before)
    assert not foreign.stack.terraform.plan()
