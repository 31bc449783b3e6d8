"""Any event and any secret end in a success or in one of our own errors, which tells no value."""

import contextlib
import io
import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from rotation_lab.model.secrets_manager import STEPS, SecretsManager
from secret_rotation import errors
from tests.support.function import RotationFunction, check_harmless

any_text = st.text(st.characters(exclude_categories=()), max_size=40)
scalar = st.none() | st.booleans() | st.integers() | st.floats() | any_text
any_json = st.recursive(scalar, lambda v: st.lists(v, max_size=3) | st.dictionaries(any_text, v, max_size=3))


def handled(function: RotationFunction, event: object) -> errors.RotationError | None:
    """Run the handler; its error, after a look at what it says and what hangs on it."""
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            function.handle(event)
    except errors.RotationError as error:
        check_harmless(error)
        return error
    finally:
        assert all(json.loads(line)["level"] for line in out.getvalue().splitlines())
    return None


MANAGER = SecretsManager()
ARN = MANAGER.create("old-password")
FUNCTION = RotationFunction(MANAGER)
parts = st.fixed_dictionaries(
    {},
    optional={
        "Step": st.sampled_from(STEPS) | any_json,
        "SecretId": st.just(ARN) | any_json,
        "ClientRequestToken": st.uuids().map(str) | any_json,
        "RotationToken": st.text("abc", min_size=36, max_size=40) | any_json,
        "Other": any_json,
    },
)


@given(any_json | parts)
def test_any_event_is_a_success_or_an_error_of_our_own(event: object) -> None:
    error = handled(FUNCTION, event)
    assert error is None or type(error) is not errors.InternalError
    assert MANAGER.secrets[ARN].text() == "old-password"


documents = st.dictionaries(any_text | st.just("password"), any_json | any_text, max_size=4)
texts = any_text.filter(bool)  # Secrets Manager keeps no empty value
secrets = texts | st.binary(min_size=1, max_size=9) | documents.map(json.dumps) | any_json.map(json.dumps)


@settings(max_examples=settings().max_examples * 5 // 2)
@given(secrets, st.sampled_from([None, '["password"]', '["password", "\\u0000"]']))
@example("\x00", None)
@example('{"password": "\\ud800"}', '["password"]')
@example('{"password": "", "n": ' + "9" * 50_000 + "}", '["password"]')
@example('{"password": ""' + " " * 65_500 + "}", '["password"]')
@example("[" * 65_536, None)
@example('{"password": "", "n": ' + "[" * 30_000 + "]" * 30_000 + "}", '["password"]')
def test_any_secret_is_rotated_or_refused_and_then_unchanged(value: str | bytes, keys: str | None) -> None:
    manager = SecretsManager()
    arn = manager.create(value)
    function = RotationFunction(manager, **({"SECRET_KEYS": keys} if keys else {}))
    token = manager.rotate(arn)
    before = manager.secrets[arn].versions[str(manager.secrets[arn].holder("AWSCURRENT"))].data
    for step in STEPS:
        error = handled(function, {"Step": step, "SecretId": arn, "ClientRequestToken": token})
        if error is not None:
            assert isinstance(error, errors.SecretError)
            assert "PutSecretValue" not in manager.calls
            assert manager.secrets[arn].versions[str(manager.secrets[arn].holder("AWSCURRENT"))].data == before
            return
    assert manager.secrets[arn].holder("AWSCURRENT") == token
