"""What verifies that AWS does what a test of the sandbox says.

Each test of this folder has one of these, or its module has (``test_evidence.py`` requires it):

    @verified(api("PutSecretValue"))        a documentation page, an answer recorded on AWS, or one that was reported
    @unverified("sources disagree")         nobody has published it
    @own("its control routes")              it is about the sandbox, not about AWS

With ROTATION_LAB_ENDPOINT=aws the same tests run in the account that boto3 finds (AWS_PROFILE), with a URL at another
endpoint. Those that are about the sandbox, and those that need its clock, its log or its faults (``only_here``) are
skipped there, and say why.
"""

from __future__ import annotations

import os

import pytest

ENDPOINT = os.environ.get("ROTATION_LAB_ENDPOINT")
_RECORDED = "localstack/localstack: tests/aws/services/secretsmanager/test_secretsmanager.py::TestSecretsManager::"


def verified(*sources: str) -> pytest.MarkDecorator:
    """AWS does so: these sources say it."""
    return pytest.mark.verified(*sources)


def unverified(why: str) -> pytest.MarkDecorator:
    """AWS may do otherwise."""
    return pytest.mark.unverified(why)


def own(what: str) -> pytest.MarkDecorator:
    """The test says nothing about AWS."""
    return pytest.mark.own(what)


def only_here(why: str) -> pytest.MarkDecorator:
    """The test needs the sandbox."""
    return pytest.mark.only_here(why)


def api(action: str) -> str:
    """A page of Secrets Manager's API reference."""
    return f"https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_{action}.html"


def guide(page: str) -> str:
    """A page of Secrets Manager's user guide."""
    return f"https://docs.aws.amazon.com/secretsmanager/latest/userguide/{page}.html"


def docs(path: str) -> str:
    """Another page of AWS's documentation."""
    return f"https://docs.aws.amazon.com/{path}"


def recorded(test: str) -> str:
    """A published test whose expectations were recorded on AWS."""
    return f"recorded on AWS by {_RECORDED}{test}"


def reported(thread: str) -> str:
    """A public thread that quotes AWS's answer."""
    return f"quoted in https://github.com/{thread}"


def elsewhere(items: list[pytest.Item]) -> None:
    """Skip what cannot run at another endpoint."""
    for item in items:
        for name in ("own", "only_here"):
            if marker := item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=f"needs the sandbox: {marker.args[0]}"))
