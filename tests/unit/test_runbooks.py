"""Each AWS CLI line of the runbooks is one: its service, action and options exist, and what is required is there."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.support import cli

ROOT = Path(__file__).parents[2]
PAGES = ("docs/runbooks.md", "docs/diagnose.md", "docs/operations.md")


def lines() -> list[str]:
    """All that begin with "aws" in a block or between backticks, with lines that go on joined."""
    found: list[str] = []
    for page in PAGES:
        text = re.sub(r"\\\n\s*", " ", (ROOT / page).read_text())
        found += re.findall(r"^(aws .*?)(?: +#.*)?$", text, re.MULTILINE)
        found += [" ".join(line.split()) for line in re.findall(r"`(aws [^`]* --[^`]*)`", text)]
    return sorted({line for line in found if not line.startswith("aws logs tail")})


class Checked:
    """A client that checks a request as boto3 does, and sends none."""

    def __init__(self, service: str) -> None:
        self._client = boto3.client(  # type: ignore[call-overload]
            service, region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        self.meta = self._client.meta

    def __getattr__(self, name: str) -> Any:
        def check(**request: Any) -> None:
            shape = self.meta.service_model.operation_model(self.meta.method_to_api_mapping[name]).input_shape
            missing = set(shape.required_members) - request.keys() - {"ClientRequestToken"}
            assert not missing, f"{name} needs {missing}"

        return check


def test_the_lines_are_found() -> None:
    assert len(lines()) > 15


@pytest.mark.parametrize("line", lines())
def test_a_line_can_be_run_as_it_stands(line: str, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("x")
    words = shlex.split(line)
    if words[1:3] == ["lambda", "invoke"]:
        event = json.loads(words[words.index("--payload") + 1])
        assert event["Step"] == "diagnose"
        assert words[-1] == "/dev/stdout"
        line = shlex.join(words[:-1])
    cli.run(line, Checked, tmp_path)
