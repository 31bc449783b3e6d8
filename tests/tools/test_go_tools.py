"""Programs that are built from the Go module proxy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.dev import go_tools

GO_MOD = """module example.com/tool

require example.com/tool/backends/s3 v0.0.0
require example.com/tool/backends/other v1.0.0

replace example.com/tool/backends/s3 => ./backends/s3
replace example.com/forked => example.com/fork v1.2.3
"""
INIT = """package init

import (
	backendHTTP "example.com/tool/backends/http"
	backendS3 "example.com/tool/backends/s3"
)

var backends = map[string]func() Backend{
	"http": func() Backend { return backendHTTP.New() },
	"s3":   func() Backend { return backendS3.New() },
}
"""


def test_backends_that_the_proxy_does_not_hold_are_left_out_and_nothing_else(tmp_path: Path) -> None:
    listed = tmp_path / "internal/backend/init/init.go"
    listed.parent.mkdir(parents=True)
    listed.write_text(INIT)
    (tmp_path / "go.mod").write_text(GO_MOD)
    go_tools.leave_out_backends(tmp_path)
    assert "s3" not in (tmp_path / "go.mod").read_text()
    left = (tmp_path / "go.mod").read_text()
    assert "backends/other v1.0.0" in left
    assert "example.com/forked =>" in left
    assert listed.read_text().count("backendHTTP") == 2
    assert "S3" not in listed.read_text()


def test_without_go_the_program_and_what_to_install_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(go_tools, "CACHE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(go_tools.ToolError, match=r"tflint.*Install Go"):
        go_tools.program("tflint")


def test_a_program_that_is_in_the_cache_needs_no_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(go_tools, "CACHE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    version = go_tools.TOOLS["tflint"].version
    (tmp_path / f"tflint-{version}").touch()
    assert go_tools.program("tflint") == tmp_path / f"tflint-{version}"
