"""How functions are run: environments, errors, limits, logs, packages."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from rotation_lab.sandbox import mounts
from rotation_lab.sandbox.client import Sandbox
from tests.lab.conftest import LOGS, Function, Secret, package
from tests.lab.evidence import docs, only_here, verified

pytestmark = [
    verified(docs("lambda/latest/dg/lambda-runtime-environment.html"), docs("lambda/latest/dg/python-handler.html")),
    only_here("what is inside its environments"),
]

Make = Callable[..., Function]
_UNSHARE = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount", "true"]
needs_mounts = pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run(_UNSHARE, capture_output=True).returncode != 0,
    reason="this machine allows no mounts of its own to the user who runs the tests",
)


def handler(body: str, before: str = "") -> str:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f"import json, os, sys, time\n{before}\ndef lambda_handler(event, context):\n{lines}\n"


def test_an_environment_stays_warm_and_survives_an_exception(make_function: Make) -> None:
    function = make_function(handler("if event: raise ValueError('no')\nreturn os.getpid()"))
    first = function.invoke()["payload"]
    failed = function.invoke({"fail": True})
    assert failed["FunctionError"] == "Unhandled"
    assert failed["payload"]["errorType"] == "ValueError"
    assert failed["payload"]["errorMessage"] == "no"
    assert failed["payload"]["stackTrace"]
    assert function.invoke()["payload"] == first


def test_changed_configuration_and_code_make_a_new_environment(make_function: Make, aws: Sandbox) -> None:
    function = make_function(handler("return [os.getpid(), os.environ.get('A')]"))
    first = function.invoke()["payload"]
    function.variables(A="1")
    second = function.invoke()["payload"]
    assert second[1] == "1"
    assert second[0] != first[0]
    zipped = package({"lambda_function.py": handler("return 'new code'")})
    aws.client("lambda").update_function_code(FunctionName=function.name, ZipFile=zipped)
    assert function.invoke()["payload"] == "new code"


def test_a_function_that_sleeps_past_its_timeout_fails_the_step(secret: Secret, make_function: Make) -> None:
    function = make_function(handler("time.sleep(60)"), permission={}, Timeout=1)
    state = secret.rotated(function)
    assert state["result"].startswith("createSecret: Sandbox.Timedout: RequestId: ")
    assert state["result"].endswith(" Error: Task timed out after 1.00 seconds")
    assert len(state["log"]) == 2  # it has been retried, in a new environment
    assert "Task timed out after 1.00 seconds" in function.log()
    assert "Status: timeout" in function.log()


def test_import_error_and_missing_handler_have_aws_s_error_types(secret: Secret, make_function: Make) -> None:
    function = make_function("import no_such_module\n", permission={})
    state = secret.rotated(function)
    assert state["result"].startswith("createSecret: Runtime.ImportModuleError: Unable to import module")
    function.configure(Handler="other.handler")
    assert function.invoke()["payload"]["errorType"] == "Runtime.ImportModuleError"


def test_a_handler_that_is_not_there(make_function: Make) -> None:
    function = make_function(handler("return 1"), Handler="lambda_function.other")
    assert function.invoke()["payload"]["errorType"] == "Runtime.HandlerNotFound"


def test_a_syntax_error_is_told(make_function: Make) -> None:
    assert make_function("def (:\n").invoke()["payload"]["errorType"] == "Runtime.UserCodeSyntaxError"


def test_an_exception_while_loading_is_told(make_function: Make) -> None:
    function = make_function("raise KeyError('SETTING')\n")
    assert function.invoke()["payload"]["errorType"] == "KeyError"


@pytest.mark.parametrize(("code", "words"), [(3, "exit status 3"), (0, "without providing a reason")])
def test_sys_exit_ends_the_environment(code: int, words: str, secret: Secret, make_function: Make) -> None:
    function = make_function(handler(f"sys.exit({code})"), permission={})
    result = secret.rotated(function)["result"]
    assert result.startswith("createSecret: Runtime.ExitError: RequestId: ")
    assert words in result


def test_sys_exit_while_loading(make_function: Make) -> None:
    function = make_function("import sys\nsys.exit(4)\n")
    assert function.invoke()["payload"]["errorType"] == "Runtime.ExitError"


def test_a_killed_process_is_told(make_function: Make) -> None:
    answer = make_function(handler("os.kill(os.getpid(), 9)")).invoke()["payload"]
    assert answer["errorType"] == "Runtime.ExitError"
    assert answer["errorMessage"].endswith("signal: killed")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_too_much_memory_kills_the_function(secret: Secret, make_function: Make) -> None:
    function = make_function(handler("x = bytearray(200_000_000); x[::4096] = b'1' * len(x[::4096])"), MemorySize=128)
    answer = function.invoke()["payload"]
    assert answer["errorType"] == "Runtime.OutOfMemory"
    assert "Max Memory Used: 128 MB" in function.log()


def test_a_value_that_json_cannot_hold_is_a_marshal_error(make_function: Make) -> None:
    answer = make_function(handler("return {1, 2}")).invoke()["payload"]
    assert answer["errorType"] == "Runtime.MarshalError"


def test_the_handler_can_be_in_a_package(make_function: Make) -> None:
    files = {"app/__init__.py": "", "app/rotate.py": handler("return 'here'"), "helper.py": "X = 1"}
    assert make_function(files, Handler="app.rotate.lambda_handler").invoke()["payload"] == "here"
    assert make_function(files, Handler="app/rotate.lambda_handler").invoke()["payload"] == "here"


def test_code_can_come_from_s3(make_function: Make, aws: Sandbox) -> None:
    aws.client("s3").create_bucket(Bucket="code")
    zipped = package({"lambda_function.py": handler("return 's3'")})
    aws.client("s3").put_object(Bucket="code", Key="f.zip", Body=zipped)
    function = make_function("", Code={"S3Bucket": "code", "S3Key": "f.zip"})
    assert function.invoke()["payload"] == "s3"


def test_a_layer_is_on_the_path_and_nothing_of_the_sandbox_is(make_function: Make, aws: Sandbox) -> None:
    content = {"ZipFile": package({"python/driver.py": "NAME = 'driver'"})}
    layer = aws.client("lambda").publish_layer_version(LayerName="drivers", Content=content)["LayerVersionArn"]
    body = "import driver\ntry:\n    import ministack\nexcept ImportError:\n    return driver.NAME"
    assert make_function(handler(body), Layers=[layer]).invoke()["payload"] == "driver"
    assert make_function(handler(body)).invoke()["payload"]["errorType"] == "ModuleNotFoundError"


def test_the_environment_is_lambda_s_and_not_the_host_s(make_function: Make, aws: Sandbox) -> None:
    function = make_function(handler("return dict(os.environ)"), variables={"MINE": "1"}, MemorySize=192)
    variables = function.invoke()["payload"]
    assert variables["MINE"] == "1"
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == function.name
    assert variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "192"
    assert variables["AWS_ENDPOINT_URL"] == aws.endpoint
    assert variables["AWS_REGION"] == "us-east-1"
    assert variables["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert variables["_HANDLER"] == "lambda_function.lambda_handler"
    host = {name for name in os.environ if name not in ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "PYTHONPATH")}
    known = {name for name in variables if name.startswith(("AWS_", "LAMBDA_", "_", "PYTHON", "LD_", "LC_"))}
    assert not (set(variables) - known) & host


def test_an_endpoint_of_aws_in_a_variable_leads_to_the_sandbox(make_function: Make, aws: Sandbox) -> None:
    outside = "https://secretsmanager.eu-west-1.amazonaws.com"
    function = make_function(
        handler("return os.environ['SECRETS_MANAGER_ENDPOINT']"), variables={"SECRETS_MANAGER_ENDPOINT": outside}
    )
    assert function.invoke()["payload"] == aws.endpoint
    assert "SECRETS_MANAGER_ENDPOINT named an endpoint of AWS" in function.log()


def test_the_context_tells_the_time_left(make_function: Make) -> None:
    function = make_function(handler("return context.get_remaining_time_in_millis()"), Timeout=20)
    assert 10_000 < function.invoke()["payload"] <= 20_000


def test_lambda_s_own_log_lines(make_function: Make) -> None:
    function = make_function(handler("print('hello')\nreturn 1"))
    tail = base64.b64decode(function.invoke(log="Tail")["LogResult"]).decode()
    lines = function.log().splitlines()
    assert [line.split(" ")[0] for line in lines] == ["START", "hello", "END", "REPORT"]
    assert "Memory Size: 256 MB" in lines[-1]
    assert "Init Duration: " in lines[-1]
    assert "hello" in tail
    function.invoke()
    assert "Init Duration: " not in function.log().splitlines()[-1]


def test_a_traceback_is_one_log_event(make_function: Make, aws: Sandbox) -> None:
    function = make_function(handler("raise ValueError('no')"))
    function.invoke()
    events = aws.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{function.name}")["events"]
    traceback = next(event["message"] for event in events if "Traceback" in event["message"])
    assert "ValueError: no" in traceback


def test_json_logs(make_function: Make) -> None:
    logging = {"LogFormat": "JSON", "ApplicationLogLevel": "INFO"}
    body = "import logging\nlogging.getLogger().info('told')\nlogging.getLogger().debug('quiet')"
    function = make_function(handler(body), LoggingConfig=logging)
    function.invoke()
    lines = [json.loads(line) for line in function.log().splitlines()]
    assert [line.get("type", line.get("message")) for line in lines] == ["platform.start", "told", "platform.report"]
    assert lines[1]["level"] == "INFO"
    assert lines[1]["requestId"] == lines[0]["record"]["requestId"]
    assert lines[2]["record"]["status"] == "success"


def test_logs_go_to_the_group_that_the_function_names(make_function: Make, aws: Sandbox) -> None:
    aws.client("logs").create_log_group(logGroupName="/shared")
    aws.client("logs").put_retention_policy(logGroupName="/shared", retentionInDays=30)
    function = make_function(handler("print('there')"), LoggingConfig={"LogGroup": "/shared"})
    function.invoke()
    assert "there" in function.log()
    assert aws.client("logs").describe_log_groups(logGroupNamePrefix="/shared")["logGroups"][0]["retentionInDays"] == 30


def test_without_permission_logs_are_lost(make_function: Make) -> None:
    function = make_function(handler("print('hello')\nreturn 1"))
    function.allow({**LOGS, "Action": ["logs:CreateLogGroup", "logs:CreateLogStream"]})
    assert function.invoke()["payload"] == 1
    assert function.log() == ""


def test_reserved_concurrency_throttles(secret: Secret, make_function: Make, aws: Sandbox) -> None:
    function = make_function(handler("time.sleep(event.get('seconds', 0))"), permission={})
    client = aws.client("lambda")
    client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        function.invoke()
    assert "TooManyRequestsException" in secret.rotated(function)["result"]


def test_the_working_folder_is_gone_with_its_environment(make_function: Make) -> None:
    function = make_function(handler("return [os.getcwd(), os.getpid()]"))
    folder, process = function.invoke()["payload"]
    function.variables(A="1")
    function.invoke()
    end = time.monotonic() + 10
    while Path(folder).exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(folder).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


@pytest.mark.parametrize("variables", [{"AWS_REGION": "x"}, {"BIG": "x" * 4096}])
def test_environment_variables_that_lambda_refuses(variables: dict[str, str], make_function: Make) -> None:
    with pytest.raises(ClientError, match=r"InvalidParameterValueException.*unable to configure your environment"):
        make_function(handler("return 1"), variables=variables)


def test_an_unknown_version_of_python_runs_in_ours_and_says_so(make_function: Make) -> None:
    function = make_function(handler("return 1"), Runtime="python3.99")
    assert function.invoke()["payload"] == 1
    assert "SANDBOX no python3.99 on this machine" in function.log()


def test_a_function_s_own_boto3_and_its_own_secrets_file_are_the_ones_it_gets(make_function: Make) -> None:
    """Where a forked process would have the module already, the function gets an interpreter that starts for it."""
    own = make_function({"lambda_function.py": handler("import boto3; return boto3.MINE"), "boto3.py": "MINE = 'mine'"})
    assert own.invoke()["payload"] == "mine"
    shadow = make_function(
        {"lambda_function.py": handler("import secrets; return secrets.MINE"), "secrets.py": "MINE = 'mine'"}
    )
    assert shadow.invoke()["payload"] == "mine"


def test_a_setting_of_the_interpreter_counts(make_function: Make) -> None:
    function = make_function(handler("return sys.flags.optimize"), variables={"PYTHONOPTIMIZE": "2"})
    assert function.invoke()["payload"] == 2


def test_a_function_has_its_own_time_zone_streams_and_arguments(make_function: Make) -> None:
    function = make_function(
        handler("print('out'); sys.stderr.write('err\\n'); return [time.tzname[0], sys.argv[1:], sys.stdin.read()]"),
        variables={"TZ": "Europe/Berlin"},
    )
    assert function.invoke()["payload"] == ["CET", ["lambda_function.lambda_handler"], ""]
    assert "out" in function.log()
    assert "err" in function.log()


@needs_mounts
@pytest.mark.parametrize("variables", [{}, {"PYTHONHASHSEED": "1"}], ids=["forked", "plain"])
def test_environments_do_not_see_each_other_s_tmp_nor_the_host_s(
    variables: dict[str, str], make_function: Make
) -> None:
    source = handler(
        "seen = [os.path.exists('/tmp/mine'), os.path.exists(event['host']), tempfile.gettempdir()]\n"
        "open('/tmp/mine', 'w').close()\nreturn seen",
        before="import tempfile",
    )
    with tempfile.NamedTemporaryFile(dir="/tmp") as host:
        event = {"host": host.name}
        first, second = make_function(source, variables), make_function(source, variables)
        assert first.invoke(event)["payload"] == [False, False, "/tmp"]
        assert first.invoke(event)["payload"] == [True, False, "/tmp"]  # it is warm
        assert second.invoke(event)["payload"] == [False, False, "/tmp"]
    assert "SANDBOX" not in first.log()


@needs_mounts
def test_emptying_tmp_does_not_take_the_code_away(make_function: Make) -> None:
    files = {"lambda_function.py": handler("shutil.rmtree('/tmp', ignore_errors=True)\nimport later\nreturn later.X")}
    files["lambda_function.py"] = "import shutil\n" + files["lambda_function.py"]
    assert make_function({**files, "later.py": "X = 1"}).invoke()["payload"] == 1


@needs_mounts
def test_certificates_are_where_lambda_s_image_has_them(make_function: Make) -> None:
    before = Path("/proc/self/mountinfo").read_text(), Path(mounts.CERTIFICATES).exists()
    source = handler(
        "context = ssl.create_default_context(cafile='/etc/pki/tls/cert.pem')\n"
        "return [context.cert_store_stats()['x509_ca'] > 0, os.path.exists('/etc/passwd')]",
        before="import ssl",
    )
    assert make_function(source).invoke()["payload"] == [True, True]
    assert (Path("/proc/self/mountinfo").read_text(), Path(mounts.CERTIFICATES).exists()) == before


def test_where_mounts_are_not_allowed_the_function_goes_on_and_its_log_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def refuse(name: str, *_: object) -> None:
        raise PermissionError(1, f"{name}: Operation not permitted")

    monkeypatch.setattr(mounts, "_call", refuse)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    mounts.isolate({"tmp": str(tmp_path), "keep": [], "etc": str(tmp_path)})
    assert os.environ["TMPDIR"] == str(tmp_path)
    assert "SANDBOX /tmp" in capsys.readouterr().out
