"""Rotation as Secrets Manager runs it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping

import pytest
from botocore.exceptions import ClientError

from rotation_lab.sandbox.client import Sandbox
from tests.lab.conftest import Function, Secret
from tests.lab.evidence import api, docs, guide, only_here, recorded, reported, unverified, verified

STEPS = ["createSecret", "setSecret", "testSecret", "finishSecret"]
Make = Callable[..., Function]
MakeSecret = Callable[..., Secret]


def steps(state: dict[str, object], token: str | None = None) -> list[str]:
    log = state["log"]
    assert isinstance(log, list)
    return [entry["step"] for entry in log if token in (None, entry["token"])]


@verified(guide("rotating-secrets-lambda-function-overview"))
@only_here("the log of steps")
def test_a_rotation_calls_the_four_steps_in_order(secret: Secret, template: Function) -> None:
    state = secret.rotated(template)
    assert state["result"] == "ok"
    assert steps(state) == STEPS
    assert secret.value() != "initial"


@verified(api("RotateSecret"), recorded("test_rotate_secret_with_lambda_success"))
@only_here("AWSPENDING may stay beside AWSCURRENT on AWS")
def test_the_new_version_id_is_the_token_and_labels_move(secret: Secret, template: Function) -> None:
    before = secret.holder("AWSCURRENT")
    token = secret.rotate(template)["VersionId"]
    secret.settle()
    assert secret.stages() == {token: ["AWSCURRENT"], before: ["AWSPREVIOUS"]}
    assert secret.value(VersionStage="AWSPREVIOUS") == "initial"


@verified(guide("rotating-secrets-lambda-function-overview"))
@only_here("the function's log")
def test_the_event_has_the_full_arn_and_a_rotation_token(secret: Secret, make_function: Make) -> None:
    source = "import json\ndef lambda_handler(event, context):\n    print('EVENT', json.dumps(event))\n"
    function = make_function(source, permission={})
    token = secret.rotate(function)["VersionId"]
    secret.settle()
    events = [json.loads(line[6:]) for line in function.log().splitlines() if line.startswith("EVENT")]
    assert [event["Step"] for event in events[:4]] == STEPS
    assert {event["SecretId"] for event in events} == {secret.arn}
    assert {event["ClientRequestToken"] for event in events} == {token}
    assert len({event["RotationToken"] for event in events}) == 1
    assert events[0]["RotationToken"] not in ("", token)


@verified(api("PutSecretValue"))
def test_a_rotation_token_is_accepted_by_put_secret_value(secret: Secret) -> None:
    version = secret.put("other", RotationToken=str(uuid.uuid4()))
    assert secret.value(VersionId=version) == "other"


@verified(guide("rotating-secrets-lambda-function-overview"))
def test_a_key_value_secret_rotates(make_secret: MakeSecret, make_function: Make) -> None:
    secret = make_secret(json.dumps({"username": "app", "password": "initial"}))
    assert secret.rotated(make_function(variables={"KEY": "password"}, permission={}))["result"] == "ok"
    value = json.loads(secret.value())
    assert value["username"] == "app"
    assert value["password"] != "initial"


@verified(api("RotateSecret"), guide("troubleshoot_rotation"))
@only_here("AWS retries for longer, at times that it does not publish")
@pytest.mark.parametrize("step", STEPS)
def test_a_failing_step_is_retried_with_the_same_token_and_completed_later(
    step: str, secret: Secret, template: Function
) -> None:
    current = secret.holder("AWSCURRENT")
    secret.fail(step)
    token = secret.rotate(template)["VersionId"]
    state = secret.settle()
    assert state["result"] == f"{step}: RuntimeError: deliberate failure in {step}"
    assert steps(state, token) == STEPS[: STEPS.index(step) + 1] * 2
    assert secret.stages() == {current: ["AWSCURRENT"], token: ["AWSPENDING"]}
    pending = None if step == "createSecret" else secret.value(VersionStage="AWSPENDING")

    secret.fail("-")
    with pytest.raises(ClientError, match=r"A previous rotation isn't complete. That rotation will be reattempted."):
        secret.rotate()
    assert secret.settle()["result"] == "ok"
    assert secret.stages() == {token: ["AWSCURRENT"], current: ["AWSPREVIOUS"]}
    assert pending in (None, secret.value())  # the value of the first attempt, not another


@verified(api("RotateSecret"), reported("getmoto/moto/pull/8504"))
@only_here("AWS retries for longer, at times that it does not publish")
def test_the_pending_version_is_empty_before_create(secret: Secret, template: Function) -> None:
    secret.fail("createSecret")
    secret.rotated(template)
    for which in ({"VersionStage": "AWSPENDING"}, {"VersionId": str(secret.holder("AWSPENDING"))}):
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            secret.value(**which)


@unverified("what AWS does when finishSecret moves nothing")
@only_here("AWS retries for longer, at times that it does not publish")
def test_finish_that_does_not_move_the_label_is_a_failed_rotation(secret: Secret, make_function: Make) -> None:
    state = secret.rotated(make_function(variables={"NO_MOVE": "1"}, permission={}))
    assert state["result"] == "finishSecret: it returned, but AWSCURRENT is not on the new version"
    assert secret.value() == "initial"


@unverified("that a new current value ends a rotation: CloudTrail has an event RotationAbandoned for it")
@only_here("AWS retries for longer, at times that it does not publish")
def test_a_value_put_by_hand_abandons_the_rotation(secret: Secret, template: Function) -> None:
    secret.fail("setSecret")
    token = secret.rotate(template)["VersionId"]
    secret.settle()
    secret.put("by hand")
    assert token not in secret.stages()
    assert token in secret.versions()
    secret.fail("-")
    assert secret.rotated()["result"] == "ok"


@unverified("that a new current value ends a rotation: CloudTrail has an event RotationAbandoned for it")
@only_here("the log of steps")
def test_a_value_put_by_hand_ends_a_rotation_that_runs(secret: Secret, make_function: Make) -> None:
    source = """
import boto3
def lambda_handler(event, context):
    if event["Step"] == "setSecret":
        boto3.client("secretsmanager").put_secret_value(SecretId=event["SecretId"], SecretString="by hand")
"""
    state = secret.rotated(make_function(source, permission={}))
    assert state["result"] == "abandoned"
    assert steps(state) == ["createSecret", "setSecret"]
    assert secret.value() == "by hand"


@verified(guide("troubleshoot_rotation"), reported("aws-samples/aws-secrets-manager-rotation-lambdas/issues/145"))
@only_here("AWS retries for longer, at times that it does not publish")
def test_clearing_pending_by_hand_allows_a_new_rotation(secret: Secret, template: Function, aws: Sandbox) -> None:
    secret.fail("testSecret")
    token = secret.rotate(template)["VersionId"]
    secret.settle()
    client = aws.client("secretsmanager")
    client.update_secret_version_stage(SecretId=secret.name, VersionStage="AWSPENDING", RemoveFromVersionId=token)
    secret.fail("-")
    assert secret.rotate()["VersionId"] != token
    assert secret.settle()["result"] == "ok"
    assert secret.versions()[token] == []  # what it held is still there


@verified(api("RotateSecret"))
def test_rotate_with_the_same_token_again_is_the_same_rotation(secret: Secret, template: Function) -> None:
    token = str(uuid.uuid4())
    secret.rotated(template, ClientRequestToken=token)
    value = secret.value()
    assert secret.rotate(ClientRequestToken=token)["VersionId"] == token
    secret.settle()
    assert secret.value() == value


@unverified("what RotateSecret answers for the token of an old version")
def test_a_token_of_another_version_is_refused(secret: Secret, template: Function) -> None:
    secret.rotated(template)
    with pytest.raises(ClientError, match="ResourceExistsException"):
        secret.rotate(ClientRequestToken=str(secret.holder("AWSPREVIOUS")))


@verified(api("RotateSecret"))
def test_tokens_need_not_be_uuids(secret: Secret, template: Function) -> None:
    token = "terraform-20261124000000000000000001"
    assert secret.rotate(template, ClientRequestToken=token)["VersionId"] == token
    assert secret.settle()["result"] == "ok"


@verified(api("CancelRotateSecret"))
@only_here("AWS retries for longer, at times that it does not publish")
def test_cancel_leaves_pending_where_it_is(secret: Secret, template: Function, aws: Sandbox) -> None:
    secret.fail("setSecret")
    token = secret.rotate(template)["VersionId"]
    secret.settle()
    client = aws.client("secretsmanager")
    assert client.cancel_rotate_secret(SecretId=secret.name)["VersionId"] == token
    assert client.describe_secret(SecretId=secret.name)["RotationEnabled"] is False
    assert secret.holder("AWSPENDING") == token


@verified(api("CancelRotateSecret"))
@only_here("the log of steps")
def test_cancel_ends_a_rotation_that_runs(secret: Secret, make_function: Make) -> None:
    source = """
import boto3
def lambda_handler(event, context):
    boto3.client("secretsmanager").cancel_rotate_secret(SecretId=event["SecretId"])
"""
    function = make_function(source, permission={})
    function.allow({"Action": "secretsmanager:*", "Resource": "*"})
    state = secret.rotated(function)
    assert state["result"] == "cancelled"
    assert steps(state) == ["createSecret"]


@verified(api("RotateSecret"))
@only_here("the log of steps")
def test_rotate_immediately_false_runs_test_only_on_a_temporary_version(secret: Secret, template: Function) -> None:
    before = secret.stages()
    assert "VersionId" not in secret.rotate(template, RotateImmediately=False)
    state = secret.settle()
    assert steps(state) == ["testSecret"]
    assert state["result"] == "ok"
    assert secret.stages() == before
    assert set(secret.versions()) == set(before)


@verified(api("RotateSecret"), reported("getmoto/moto/pull/8547"))
@only_here("the log of steps")
def test_the_temporary_version_holds_the_current_value(secret: Secret, make_function: Make) -> None:
    source = """
import boto3
def lambda_handler(event, context):
    client = boto3.client("secretsmanager")
    answer = client.get_secret_value(SecretId=event["SecretId"], VersionId=event["ClientRequestToken"])
    assert answer["SecretString"] == "initial", "another value"
    assert answer["VersionStages"] == ["AWSPENDING"], answer["VersionStages"]
"""
    assert secret.rotated(make_function(source, permission={}), RotateImmediately=False)["result"] == "ok"


@unverified("what a test of a secret without a value gets")
@only_here("the log of steps")
def test_the_temporary_version_of_a_secret_without_a_value_is_empty(
    make_secret: MakeSecret, make_function: Make
) -> None:
    source = """
import boto3
def lambda_handler(event, context):
    client = boto3.client("secretsmanager")
    try:
        client.get_secret_value(SecretId=event["SecretId"], VersionId=event["ClientRequestToken"])
    except client.exceptions.ResourceNotFoundException:
        return
    raise AssertionError("it has a value")
"""
    function = make_function(source, permission={})
    assert make_secret(None).rotated(function, RotateImmediately=False)["result"] == "ok"


@verified(reported("getmoto/moto/pull/3912"), recorded("test_rotate_secret_invalid_lambda_arn"))
def test_rotation_needs_a_function(secret: Secret, aws: Sandbox) -> None:
    with pytest.raises(ClientError, match="No Lambda rotation function ARN"):
        secret.rotate()
    with pytest.raises(ClientError, match="No Lambda rotation function ARN"):
        aws.client("secretsmanager").cancel_rotate_secret(SecretId=secret.name)
    arn = "arn:aws:lambda:us-east-1:123456789012:function:nowhere"
    with pytest.raises(ClientError, match=r"AccessDeniedException.*Secrets Manager cannot invoke"):
        secret.rotate(RotationLambdaARN=arn)


@verified(api("DescribeSecret"), recorded("test_rotate_secret_with_lambda_success"))
def test_describe_shows_the_rotation(secret: Secret, template: Function, aws: Sandbox) -> None:
    secret.rotated(template, RotationRules={"AutomaticallyAfterDays": 30})
    described = aws.client("secretsmanager").describe_secret(SecretId=secret.name)
    assert described["RotationEnabled"] is True
    assert described["RotationLambdaARN"] == template.arn
    assert described["RotationRules"] == {"AutomaticallyAfterDays": 30}
    assert 29 <= (described["NextRotationDate"] - described["LastRotatedDate"]).days <= 31


@verified(api("RotateSecret"), api("DeleteSecret"))
def test_a_deleted_secret_does_not_rotate(secret: Secret, template: Function, aws: Sandbox) -> None:
    aws.client("secretsmanager").delete_secret(SecretId=secret.name)
    with pytest.raises(ClientError, match="marked for deletion"):
        secret.rotate(template)


@verified(docs("lambda/latest/dg/monitoring-metrics-types.html"))
@only_here("AWS retries for longer, at times that it does not publish")
def test_a_rotation_that_fails_counts_as_an_error_of_the_function(secret: Secret, make_function: Make) -> None:
    function = make_function(variables={"FAIL": "createSecret"}, permission={})
    client = function.aws.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName=function.name, Namespace="AWS/Lambda", MetricName="Errors", Statistic="Sum", Period=60,
        Dimensions=[{"Name": "FunctionName", "Value": function.name}], EvaluationPeriods=1, Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold", TreatMissingData="notBreaching",
    )  # fmt: skip
    secret.rotated(function)
    assert client.describe_alarms(AlarmNames=[function.name])["MetricAlarms"][0]["StateValue"] == "ALARM"


@verified(guide("cloudtrail_log_entries"))
@only_here("a trail of its own")
def test_a_trail_carries_the_rotation_events(secret: Secret, template: Function, aws: Sandbox) -> None:
    queue = _queue_of_events(aws, secret.arn)
    secret.rotated(template)
    assert _received(aws, queue) == []  # no trail, no events
    trails, name = aws.client("cloudtrail"), "trail"
    aws.client("s3").create_bucket(Bucket="trail-bucket")
    trails.create_trail(Name=name, S3BucketName="trail-bucket")
    trails.start_logging(Name=name)
    try:
        secret.rotated()
    finally:
        trails.delete_trail(Name=name)
    assert _received(aws, queue) == ["RotationStarted", "RotationSucceeded"]


@verified(guide("monitoring-eventbridge"))
@only_here("an event bus of its own")
def test_a_moved_label_is_an_event_without_a_trail(secret: Secret, template: Function, aws: Sandbox) -> None:
    pattern = {"detail-type": ["Secret Label Updated"], "resources": [secret.arn]}
    queue = _queue(aws, "labels", pattern)
    token = secret.rotate(template)["VersionId"]
    secret.settle()
    messages = aws.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    details = [json.loads(message["Body"])["detail"] for message in messages]
    assert [(detail["labelUpdated"], detail["versionId"]) for detail in details] == [("AWSCURRENT", token)]


def _queue_of_events(aws: Sandbox, arn: str) -> str:
    pattern = {"source": ["aws.secretsmanager"], "detail": {"additionalEventData": {"SecretId": [arn]}}}
    return _queue(aws, "events", pattern)


def _queue(aws: Sandbox, name: str, pattern: Mapping[str, object]) -> str:
    sqs, events = aws.client("sqs"), aws.client("events")
    url = str(sqs.create_queue(QueueName=name)["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = {"Version": "2012-10-17", "Statement": [{**allow, "Resource": arn}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    return url


def _received(aws: Sandbox, queue: str) -> list[str]:
    messages = aws.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"])["detail"]["eventName"] for message in messages]
