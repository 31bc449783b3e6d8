"""Events, schedules, metrics and alarms: who is told what, and by which clock."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rotation_lab.sandbox.alarm_state import decide
from rotation_lab.sandbox.client import Sandbox
from tests.lab.conftest import Function, Secret, permit
from tests.lab.evidence import docs, only_here, own, reported, unverified, verified

pytestmark = only_here("the clock is moved, and queues are read at once")

_numbers = itertools.count(1)
EVENTS, DLQ = (
    docs("eventbridge/latest/userguide/eb-targets.html"),
    docs("eventbridge/latest/userguide/eb-rule-dlq.html"),
)
TRANSFORM = docs("eventbridge/latest/userguide/eb-transform-target-input.html")
SCHEDULER = docs("scheduler/latest/UserGuide/setting-up.html")
ALARMS = docs("AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html")
EMBEDDED = docs("AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html")
LABEL_UPDATED = {"source": ["aws.secretsmanager"], "detail-type": ["Secret Label Updated"]}
PRINTS = "def lambda_handler(event, context):\n    print('event', event)\n"


class Queue:
    """A queue; ``allow`` names the services that may send to it."""

    def __init__(self, aws: Sandbox, *allow: str) -> None:
        self._client, self.name = aws.client("sqs"), f"monitoring-{next(_numbers)}"
        self._url = self._client.create_queue(QueueName=self.name)["QueueUrl"]
        attributes = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        self.arn = attributes["Attributes"]["QueueArn"]
        if allow:
            service = [f"{name}.amazonaws.com" for name in allow]
            statement = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": self.arn}
            self.policy({**statement, "Principal": {"Service": service}})

    def policy(self, statement: dict[str, Any]) -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._client.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": document})

    def messages(self, count: int = 1, seconds: float = 20) -> list[dict[str, Any]]:
        """The messages once there are ``count``, or what there is when the time is over."""
        found: list[dict[str, Any]] = []
        end = time.monotonic() + seconds
        while len(found) < count and time.monotonic() < end:
            answer = self._client.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=600
            )
            found += answer.get("Messages", [])
            time.sleep(0.05)
        return found

    def none(self) -> bool:
        """Whether it is empty: deliveries of the sandbox to queues do not wait."""
        return not self.messages(seconds=0.3)


@pytest.fixture
def bus(aws: Sandbox) -> Iterator[Bus]:
    made = Bus(aws)
    yield made
    made.remove()


class Bus:
    """Rules that go with the test."""

    def __init__(self, aws: Sandbox) -> None:
        self.client, self._rules = aws.client("events"), list[tuple[str, list[str]]]()

    def rule(self, *targets: dict[str, Any], **options: Any) -> str:
        """Makes a rule with its targets; returns its ARN."""
        name = f"rule-{next(_numbers)}"
        self._rules.append((name, [target["Id"] for target in targets]))
        arn = str(self.client.put_rule(Name=name, **options)["RuleArn"])
        if targets:
            self.client.put_targets(Rule=name, Targets=list(targets))
        return arn

    def remove(self) -> None:
        for name, targets in self._rules:
            if targets:
                self.client.remove_targets(Rule=name, Ids=targets)
            self.client.delete_rule(Name=name)


def _label_updated(secret: Secret) -> str:
    return json.dumps({**LABEL_UPDATED, "resources": [secret.arn]})


def _role(aws: Sandbox, service: str, *statements: dict[str, Any]) -> str:
    name = f"monitoring-{next(_numbers)}"
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": f"{service}.amazonaws.com"}}
    iam = aws.client("iam")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    if statements:
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]}
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(document))
    return str(role["Role"]["Arn"])


# Events.


@verified(TRANSFORM, docs("secretsmanager/latest/userguide/monitoring-eventbridge.html"))
def test_a_path_with_an_index_finds_the_secret(aws: Sandbox, bus: Bus, secret: Secret) -> None:
    queue = Queue(aws, "events")
    transformer = {
        "InputPathsMap": {"secret": "$.resources[0]", "label": "$.detail.labelUpdated"},
        "InputTemplate": '{"secret": <secret>, "text": "<label> of <secret>"}',
    }
    bus.rule({"Id": "a", "Arn": queue.arn, "InputTransformer": transformer}, EventPattern=_label_updated(secret))
    secret.put("another")
    (message,) = queue.messages()
    assert json.loads(message["Body"]) == {"secret": secret.arn, "text": f"AWSCURRENT of {secret.arn}"}


@verified(DLQ, EVENTS)
def test_a_queue_without_a_policy_gets_nothing_and_the_dead_letter_says_why(
    aws: Sandbox, bus: Bus, secret: Secret
) -> None:
    closed, dead = Queue(aws), Queue(aws, "events")
    target = {"Id": "a", "Arn": closed.arn, "DeadLetterConfig": {"Arn": dead.arn}}
    rule = bus.rule(target, EventPattern=_label_updated(secret))
    secret.put("another")
    (letter,) = dead.messages()
    said = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert said["ERROR_CODE"] == "NO_PERMISSIONS"
    assert (said["RULE_ARN"], said["TARGET_ARN"]) == (rule, closed.arn)
    assert json.loads(letter["Body"])["resources"] == [secret.arn]
    assert closed.none()


@verified(DLQ)
def test_a_target_that_is_gone_makes_a_dead_letter(aws: Sandbox, bus: Bus, secret: Secret) -> None:
    dead = Queue(aws, "events")
    gone = dead.arn + "-gone"
    target = {"Id": "a", "Arn": gone, "DeadLetterConfig": {"Arn": dead.arn}}
    bus.rule(target, EventPattern=_label_updated(secret))
    secret.put("another")
    (letter,) = dead.messages()
    assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_RESOURCE"


@verified(DLQ)
def test_a_dead_letter_queue_needs_a_policy_that_names_the_rule(aws: Sandbox, bus: Bus, secret: Secret) -> None:
    dead = Queue(aws)
    target = {"Id": "a", "Arn": dead.arn + "-gone", "DeadLetterConfig": {"Arn": dead.arn}}
    rule = bus.rule(target, EventPattern=_label_updated(secret))
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": dead.arn,
    }
    dead.policy({**statement, "Condition": {"ArnEquals": {"aws:SourceArn": rule + "-other"}}})
    secret.put("another")
    assert dead.none()
    dead.policy({**statement, "Condition": {"ArnEquals": {"aws:SourceArn": rule}}})
    secret.put("a third")
    assert len(dead.messages()) == 1


@verified(EVENTS)
def test_a_function_needs_a_permission_for_the_rule(
    aws: Sandbox, bus: Bus, secret: Secret, make_function: Callable[..., Function]
) -> None:
    function, dead = make_function(PRINTS), Queue(aws, "events")
    target = {"Id": "a", "Arn": function.arn, "DeadLetterConfig": {"Arn": dead.arn}}
    rule = bus.rule(target, EventPattern=_label_updated(secret))
    secret.put("another")
    assert len(dead.messages()) == 1
    permit(function, "rule", Principal="events.amazonaws.com", SourceArn=rule)
    secret.put("a third")
    _wait(lambda: secret.arn in function.log())
    assert dead.none()


@verified(docs("sns/latest/dg/sns-access-policy-use-cases.html"))
def test_a_topic_with_its_default_policy_gets_no_events(aws: Sandbox, bus: Bus, secret: Secret) -> None:
    dead = Queue(aws, "events")
    topic = aws.client("sns").create_topic(Name=f"monitoring-{next(_numbers)}")["TopicArn"]
    target = {"Id": "a", "Arn": topic, "DeadLetterConfig": {"Arn": dead.arn}}
    bus.rule(target, EventPattern=_label_updated(secret))
    secret.put("another")
    assert dead.messages()[0]["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"


STATES = "arn:aws:states:us-east-1:123456789012:stateMachine:workflow"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:queue"
REFUSED_TARGETS: dict[str, tuple[dict[str, Any], str]] = {
    "a state machine without a role": ({"Arn": STATES}, "RoleArn is required"),
    "two inputs": ({"Input": "{}", "InputPath": "$.detail"}, "Only one of Input, InputPath, or InputTransformer"),
    "an unknown placeholder": ({"InputTransformer": {"InputTemplate": '{"a": <a>}'}}, "placeholder a"),
    "a path that is none": (
        {"InputTransformer": {"InputPathsMap": {"a": "detail.a"}, "InputTemplate": '"<a>"'}},
        "detail.a",
    ),
    "a template that is not quoted": (
        {"InputTransformer": {"InputPathsMap": {"a": "$.id"}, "InputTemplate": "it is <a>"}},
        "InputTemplate",
    ),
    "too many retries": ({"RetryPolicy": {"MaximumRetryAttempts": 186}}, "MaximumRetryAttempts"),
    "too old an event": ({"RetryPolicy": {"MaximumEventAgeInSeconds": 86_401}}, "MaximumEventAgeInSeconds"),
    "a FIFO queue for dead letters": ({"DeadLetterConfig": {"Arn": QUEUE + ".fifo"}}, "DeadLetterConfig"),
}


@pytest.mark.parametrize("name", REFUSED_TARGETS)
@verified(
    docs("eventbridge/latest/APIReference/API_Target.html"),
    reported("hashicorp/terraform-provider-aws/pull/19913"),
    TRANSFORM,
)
def test_a_target_that_cannot_be_right_is_refused(bus: Bus, name: str) -> None:
    target, said = REFUSED_TARGETS[name]
    rule = bus.rule(EventPattern=json.dumps(LABEL_UPDATED)).rpartition("/")[2]
    with pytest.raises(ClientError, match=said) as caught:
        bus.client.put_targets(Rule=rule, Targets=[{"Id": "a", "Arn": QUEUE, **target}])
    assert caught.value.response["Error"]["Code"] == "ValidationException"


@own("what it does not deliver to")
def test_a_target_that_would_get_nothing_here_is_refused(bus: Bus) -> None:
    rule = bus.rule(EventPattern=json.dumps(LABEL_UPDATED)).rpartition("/")[2]
    with pytest.raises(ClientError, match="The sandbox delivers to"):
        bus.client.put_targets(
            Rule=rule, Targets=[{"Id": "a", "Arn": "arn:aws:kinesis:us-east-1:123456789012:stream/a"}]
        )


@verified(docs("eventbridge/latest/userguide/eb-quota.html"))
def test_a_rule_has_five_targets_at_most(bus: Bus) -> None:
    rule = bus.rule(EventPattern=json.dumps(LABEL_UPDATED)).rpartition("/")[2]
    with pytest.raises(ClientError, match="LimitExceeded"):
        bus.client.put_targets(Rule=rule, Targets=[{"Id": str(n), "Arn": QUEUE} for n in range(6)])


# Schedules.


@verified(docs("eventbridge/latest/userguide/eb-create-rule-schedule.html"))
def test_a_rule_fires_each_time_its_hour_has_passed(aws: Sandbox, bus: Bus) -> None:
    queue = Queue(aws, "events")
    rule = bus.rule({"Id": "a", "Arn": queue.arn}, ScheduleExpression="rate(1 hour)")
    assert queue.none()
    aws.advance(hours=1)
    aws.advance(hours=1)
    events = [json.loads(message["Body"]) for message in queue.messages(2)]
    assert [event["resources"] for event in events] == [[rule], [rule]]
    assert len({event["time"] for event in events}) == 2


@verified(docs("eventbridge/latest/userguide/eb-scheduled-rule-pattern.html"))
def test_a_cron_rule_fires_at_its_moment(aws: Sandbox, bus: Bus) -> None:
    queue = Queue(aws, "events")
    bus.rule({"Id": "a", "Arn": queue.arn}, ScheduleExpression="cron(0 6 * * ? *)")
    aws.advance(hours=24)
    (message,) = queue.messages()
    assert json.loads(message["Body"])["time"].endswith("T06:00:00Z")


@verified(SCHEDULER, docs("scheduler/latest/UserGuide/managing-schedule-context-attributes.html"))
def test_a_schedule_acts_with_its_role(aws: Sandbox) -> None:
    queue, dead, client = Queue(aws), Queue(aws), aws.client("scheduler")
    sends = {"Action": "sqs:SendMessage", "Resource": [queue.arn, dead.arn]}
    for name, role in (("may", _role(aws, "scheduler", sends)), ("may-not", _role(aws, "scheduler"))):
        client.create_schedule(
            Name=name,
            ScheduleExpression="rate(1 hour)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": queue.arn, "RoleArn": role, "Input": '{"at": "<aws.scheduler.scheduled-time>"}'},
        )
    aws.advance(hours=1)
    (message,) = queue.messages()
    assert json.loads(message["Body"])["at"].endswith("Z")
    assert queue.none()
    for name in ("may", "may-not"):
        client.delete_schedule(Name=name)


@verified(docs("scheduler/latest/UserGuide/configuring-schedule-dlq.html"))
def test_a_schedule_whose_target_is_gone_makes_a_dead_letter(aws: Sandbox) -> None:
    dead, client = Queue(aws), aws.client("scheduler")
    role = _role(aws, "scheduler", {"Action": "sqs:SendMessage", "Resource": "*"})
    target = {"Arn": dead.arn + "-gone", "RoleArn": role, "Input": "{}", "DeadLetterConfig": {"Arn": dead.arn}}
    window = {"Mode": "OFF"}
    client.create_schedule(Name="gone", ScheduleExpression="rate(1 hour)", FlexibleTimeWindow=window, Target=target)
    aws.advance(hours=1)
    (letter,) = dead.messages()
    assert "ResourceNotFound" in letter["MessageAttributes"]["ERROR_CODE"]["StringValue"]
    client.delete_schedule(Name="gone")


@verified(docs("scheduler/latest/UserGuide/schedule-types.html"))
def test_a_schedule_keeps_to_its_time_zone(aws: Sandbox) -> None:
    queue, client = Queue(aws), aws.client("scheduler")
    role = _role(aws, "scheduler", {"Action": "sqs:SendMessage", "Resource": queue.arn})
    client.create_schedule(
        Name="tokyo",
        ScheduleExpression="cron(0 9 * * ? *)",
        ScheduleExpressionTimezone="Asia/Tokyo",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": queue.arn, "RoleArn": role, "Input": '"<aws.scheduler.scheduled-time>"'},
    )
    aws.advance(hours=24)
    (message,) = queue.messages()
    assert message["Body"].endswith('T00:00:00Z"')
    client.delete_schedule(Name="tokyo")


@pytest.mark.parametrize(("day", "fires"), [("27 3", True), ("28 3", False), ("29 3", True)])
@verified(docs("scheduler/latest/UserGuide/schedule-types.html"))
def test_an_hour_that_a_day_in_spring_does_not_have_is_skipped(day: str, fires: bool, tmp_path: Path) -> None:
    """In a process of its own, since no other test wants the clock moved by months."""
    code = f"""
from pathlib import Path
from rotation_lab.sandbox import environment
environment.prepare("127.0.0.1", 0, Path({str(tmp_path)!r}))
from rotation_lab.sandbox.timers import last_moment
start = 1803945600.0  # the beginning of March 2027
print(last_moment("cron(30 2 {day} ? 2027)", start, start, start + 86400 * 60, "Europe/Berlin") is not None)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == str(fires)


@verified(docs("scheduler/latest/UserGuide/troubleshooting.html"), SCHEDULER)
def test_a_role_that_does_not_trust_the_scheduler_is_refused(aws: Sandbox) -> None:
    with pytest.raises(ClientError, match="must allow AWS EventBridge Scheduler to assume the role"):
        aws.client("scheduler").create_schedule(
            Name="refused",
            ScheduleExpression="rate(1 hour)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": QUEUE, "RoleArn": _role(aws, "lambda")},
        )


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("rate(1 day)", True),
        ("rate(90 minutes)", True),
        ("rate(1 hours)", False),
        ("rate(2 hour)", False),
        ("rate(0 hours)", False),
        ("cron(0 9 ? * 2#1 *)", True),
        ("cron(0 9 LW * ? *)", True),
        ("cron(0/15 8-17 ? JAN,JUL MON-FRI 2030)", True),
        ("cron(0 25 * * ? *)", False),
        ("cron(0 9 ? * ? *)", False),
        ("cron(0 9 1 1 ? 1900)", False),
    ],
)
@verified(docs("eventbridge/latest/userguide/eb-scheduled-rule-pattern.html"))
def test_a_rule_has_a_schedule_that_fires(bus: Bus, expression: str, allowed: bool) -> None:
    if allowed:
        bus.rule(ScheduleExpression=expression)
        return
    with pytest.raises(ClientError, match="ScheduleExpression"):
        bus.rule(ScheduleExpression=expression)


@pytest.mark.parametrize(
    ("expression", "zone"), [("rate(1 week)", "UTC"), ("cron(0 9 * * * *)", "UTC"), ("rate(1 hour)", "Mars/Base")]
)
@verified(docs("scheduler/latest/UserGuide/schedule-types.html"))
def test_a_schedule_that_is_none_is_refused(aws: Sandbox, expression: str, zone: str) -> None:
    with pytest.raises(ClientError, match="Schedule Expression"):
        aws.client("scheduler").create_schedule(
            Name="refused",
            ScheduleExpression=expression,
            ScheduleExpressionTimezone=zone,
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": QUEUE, "RoleArn": _role(aws, "scheduler")},
        )


@verified(docs("lambda/latest/dg/invocation-async-error-handling.html"))
def test_an_asynchronous_call_is_tried_three_times_and_then_buried(
    aws: Sandbox, make_function: Callable[..., Function]
) -> None:
    function, dead = make_function("def lambda_handler(event, context):\n    raise ValueError('no')\n"), Queue(aws)
    function.allow({"Action": ["logs:*", "sqs:SendMessage"], "Resource": "*"})
    function.configure(DeadLetterConfig={"TargetArn": dead.arn})
    aws.client("lambda").invoke(FunctionName=function.name, InvocationType="Event", Payload="{}")
    for tries in (1, 2, 3):
        _wait(lambda: function.log().count("ValueError") >= tries)  # noqa: B023 - it is called at once
        assert tries == 3 or dead.none()
        aws.advance(seconds=121)
    assert len(dead.messages()) == 1


# Metrics.


EMBEDS = """
import json, time
def lambda_handler(event, context):
    metrics = [{"Name": "Checked", "Unit": "Count"}]
    directive = {"Namespace": event["namespace"], "Dimensions": [["FunctionName"], []], "Metrics": metrics}
    about = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    print(json.dumps({"_aws": about, "FunctionName": event["dimension"], "Checked": event["value"]}))
"""


def _sum(aws: Sandbox, namespace: str, metric: str, **dimensions: str) -> float:
    now = aws._call("GET", "health")["now"]
    answer = aws.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=now - 86_400,
        EndTime=now + 120,
        Period=86_400,
        Statistics=["Sum"],
    )
    return float(sum(point["Sum"] for point in answer["Datapoints"]))


@verified(EMBEDDED)
def test_a_log_line_in_the_embedded_format_is_a_metric(aws: Sandbox, make_function: Callable[..., Function]) -> None:
    function = make_function(EMBEDS)
    function.invoke({"namespace": "Embedded", "dimension": function.name, "value": [3, 4]})
    assert _sum(aws, "Embedded", "Checked", FunctionName=function.name) == 7
    assert _sum(aws, "Embedded", "Checked", FunctionName="other") == 0


@verified(EMBEDDED, docs("AmazonCloudWatch/latest/logs/CloudWatch-Logs-Monitoring-CloudWatch-Metrics.html"))
def test_a_malformed_one_is_no_metric_and_counts_as_an_error(
    aws: Sandbox, make_function: Callable[..., Function]
) -> None:
    function = make_function(EMBEDS)
    function.invoke({"namespace": "Malformed", "dimension": 5, "value": 3})
    assert _sum(aws, "Malformed", "Checked") == 0
    assert _sum(aws, "AWS/Logs", "EMFValidationErrors", LogGroupName=f"/aws/lambda/{function.name}") == 1


@verified(docs("AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html"))
def test_what_waits_in_a_queue_is_a_metric(aws: Sandbox, bus: Bus, secret: Secret) -> None:
    queue = Queue(aws, "events")
    bus.rule({"Id": "a", "Arn": queue.arn}, EventPattern=_label_updated(secret))
    secret.put("another")
    aws.advance(seconds=1)
    assert _sum(aws, "AWS/SQS", "ApproximateNumberOfMessagesVisible", QueueName=queue.name) >= 1


# Alarms.


class Alarm:
    """An alarm on a metric of its own, and the queue at which its changes arrive."""

    def __init__(self, aws: Sandbox, **options: Any) -> None:
        self._aws, self.name = aws, f"alarm-{next(_numbers)}"
        self.queue, sns = Queue(aws, "sns"), aws.client("sns")
        self.topic = sns.create_topic(Name=self.name, **options.pop("topic", {}))["TopicArn"]
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=self.queue.arn)
        defaults = {
            "Namespace": "Alarms",
            "MetricName": self.name,
            "Dimensions": [{"Name": "FunctionName", "Value": "ours"}],
            "Statistic": "Maximum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 1,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "missing",
            **{name: [self.topic] for name in ("AlarmActions", "OKActions", "InsufficientDataActions")},
        }
        aws.client("cloudwatch").put_metric_alarm(AlarmName=self.name, **{**defaults, **options})

    def put(self, value: float, dimension: str = "ours") -> None:
        data = {"MetricName": self.name, "Value": value, "Dimensions": [{"Name": "FunctionName", "Value": dimension}]}
        self._aws.client("cloudwatch").put_metric_data(Namespace="Alarms", MetricData=[data])
        self._aws.advance(seconds=0)

    def state(self) -> str:
        alarms = self._aws.client("cloudwatch").describe_alarms(AlarmNames=[self.name])["MetricAlarms"]
        return str(alarms[0]["StateValue"])

    def told(self, count: int) -> list[str]:
        bodies = [json.loads(message["Body"]) for message in self.queue.messages(count)]
        return [json.loads(body["Message"])["NewStateValue"] for body in bodies]


@verified(ALARMS)
def test_an_alarm_fires_and_returns_to_ok_without_new_data(aws: Sandbox) -> None:
    alarm = Alarm(aws, TreatMissingData="notBreaching")
    alarm.put(1)
    assert alarm.state() == "ALARM"
    aws.advance(seconds=600)
    assert alarm.state() == "OK"
    assert alarm.told(2)[-2:] == ["ALARM", "OK"]


@verified(docs("AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html"))
def test_a_metric_of_other_dimensions_is_another_metric(aws: Sandbox) -> None:
    alarm = Alarm(aws)
    alarm.put(1, "other")
    assert alarm.state() == "INSUFFICIENT_DATA"


@verified(ALARMS)
def test_two_of_three_periods_are_enough_when_the_alarm_says_so(aws: Sandbox) -> None:
    alarm = Alarm(aws, EvaluationPeriods=3, DatapointsToAlarm=2)
    states = []
    for value in (0, 1, 0, 1):
        alarm.put(value)
        states.append(alarm.state())
        aws.advance(seconds=60)
    assert states == ["OK", "OK", "OK", "ALARM"]


THREE_OF_THREE = {
    "0 - X - X": ("OK", "OK", "OK", "OK"),
    "- - - - 0": ("OK", "OK", "OK", "OK"),
    "- - - - -": ("INSUFFICIENT_DATA", "as before", "ALARM", "OK"),
    "0 X X - X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "- - X - -": ("ALARM", "as before", "ALARM", "OK"),
}
TWO_OF_THREE = {
    "0 - X - X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "0 0 X 0 X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "0 - X - -": ("OK", "OK", "ALARM", "OK"),
    "- - - - 0": ("OK", "OK", "ALARM", "OK"),
    "- - - X -": ("ALARM", "as before", "ALARM", "OK"),
}
"""The tables of the documentation: periods, oldest first, of which X breach and 0 do not; then the alarm's state with
missing data treated as missing, ignore, breaching, notBreaching."""


@pytest.mark.parametrize(("needed", "table"), [(3, THREE_OF_THREE), (2, TWO_OF_THREE)])
@verified(ALARMS)
def test_missing_data_is_treated_as_the_tables_of_the_documentation_say(
    needed: int, table: dict[str, tuple[str, ...]]
) -> None:
    for shown, states in table.items():
        points = [{"X": True, "0": False, "-": None}[one] for one in reversed(shown.split())]
        for treatment, state in zip(("missing", "ignore", "breaching", "notBreaching"), states, strict=True):
            assert decide(points, 3, needed, treatment, "as before") == state, (shown, treatment)


@unverified("the number of periods that CloudWatch looks at beyond those of the alarm is not documented")
def test_silence_of_three_periods_is_insufficient_data_and_told(aws: Sandbox) -> None:
    alarm = Alarm(aws)
    alarm.put(0)
    aws.advance(seconds=60)
    assert alarm.state() == "OK"
    aws.advance(seconds=120)
    assert alarm.state() == "INSUFFICIENT_DATA"
    assert alarm.told(2)[-1] == "INSUFFICIENT_DATA"


@verified(docs("AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html"))
def test_a_topic_encrypted_by_the_key_of_sns_gets_no_alarms(aws: Sandbox) -> None:
    alarm = Alarm(aws, topic={"Attributes": {"KmsMasterKeyId": "alias/aws/sns"}})
    alarm.put(1)
    assert alarm.state() == "ALARM"
    assert alarm.queue.none()


REFUSED_ALARMS: dict[str, tuple[dict[str, Any], str]] = {
    "more periods needed than there are": ({"EvaluationPeriods": 1, "DatapointsToAlarm": 2}, "DatapointsToAlarm"),
    "more than a week": ({"EvaluationPeriods": 8, "Period": 86_400}, "EvaluationPeriods"),
    "an unknown treatment": ({"TreatMissingData": "nothing"}, "TreatMissingData"),
}


@pytest.mark.parametrize("name", REFUSED_ALARMS)
@verified(docs("AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"))
def test_an_alarm_that_cannot_be_right_is_refused(aws: Sandbox, name: str) -> None:
    options, said = REFUSED_ALARMS[name]
    with pytest.raises(ClientError, match=said):
        Alarm(aws, **options)


@own("what it does not evaluate")
def test_metric_math_and_other_actions_than_topics_are_refused(aws: Sandbox) -> None:
    query = {"Id": "a", "Expression": "1 + 1", "ReturnData": True}
    with pytest.raises(ClientError, match="metric math"):
        aws.client("cloudwatch").put_metric_alarm(
            AlarmName="math",
            Metrics=[query],
            EvaluationPeriods=1,
            ComparisonOperator="GreaterThanThreshold",
            Threshold=1,
        )
    with pytest.raises(ClientError, match="topics only"):
        Alarm(aws, AlarmActions=["arn:aws:lambda:us-east-1:123456789012:function:page"])


def _wait(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
