"""Running Terraform from the scripts."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tools.dev.terraform import Terraform, TerraformError, checkout


def test_an_error_shows_the_command_the_end_of_the_output_and_the_log(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('output "x" {\n  value = nothing.here\n}\n')
    terraform = Terraform(tmp_path, dict(os.environ), tmp_path / "work")
    with pytest.raises(TerraformError) as failed:
        terraform.validate()
    assert "terraform validate -no-color failed:" in str(failed.value)
    assert "nothing.here" in str(failed.value)
    assert str(terraform.log_path) in str(failed.value)
    assert failed.value.output in terraform.log_path.read_text()


def test_a_command_that_is_interrupted_ends_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ignores the polite request, and has a child, as Terraform has providers.
    fake = tmp_path / "terraform"
    fake.write_text(f"#!/bin/sh\ntrap '' INT\nsleep 60 & echo $! >{tmp_path}/child.new; mv child.new child; wait\n")
    fake.chmod(0o755)
    monkeypatch.setattr("tools.dev.terraform._STOP_SECONDS", 0.2)

    def interrupt() -> None:
        while not (tmp_path / "child").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    # A shell starts what it leaves in the background with SIGINT ignored.
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    terraform = Terraform(tmp_path, dict(os.environ), tmp_path / "work")
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            terraform.apply()
    finally:
        signal.signal(signal.SIGINT, former)
    child = int((tmp_path / "child").read_text())
    end = time.monotonic() + 20
    while alive(child) and time.monotonic() < end:  # killed is not yet gone, on a busy machine
        time.sleep(0.05)
    assert not alive(child)


def alive(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def test_a_checkout_has_no_traces_of_earlier_runs(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in (
        "bootstrap/function.zip",
        "lambda_src/a.py",
        "lambda_src/__pycache__/a.pyc",
        "examples/x/main.tf",
        "tests/a.tftest.hcl",
    ):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    for name in (".terraform.lock.hcl", "terraform.tfstate", ".terraform/x.zip", "saved.tfplan"):
        (source / "examples/x" / name).parent.mkdir(exist_ok=True)
        (source / "examples/x" / name).touch()
    (source / "main.tf").touch()
    copied = checkout(tmp_path / "copy", source)
    files = sorted(str(path.relative_to(copied)) for path in copied.rglob("*") if path.is_file())
    assert files == ["bootstrap/function.zip", "examples/x/main.tf", "lambda_src/a.py", "main.tf", "tests/a.tftest.hcl"]
