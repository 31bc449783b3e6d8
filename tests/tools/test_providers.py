"""Finding Terraform's providers without a registry, and the stand-in for hashicorp/archive."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import socket
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tools.dev import providers

PLATFORM = "linux_amd64"
NO_REGISTRY = "http://127.0.0.1:9/"


def put_provider(mirror: Path, name: str, version: str = "5.100.0", packed: bool = False) -> Path:
    """An empty provider in ``mirror``, in one of the two layouts that Terraform documents; returns the mirror."""
    folder = mirror / "registry.terraform.io/hashicorp" / name
    path = folder / version / PLATFORM / f"terraform-provider-{name}_v{version}_x5"
    if packed:
        path = folder / f"terraform-provider-{name}_{version}_{PLATFORM}.zip"
    path.parent.mkdir(parents=True)
    path.touch()
    return mirror


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without a registry, a CLI configuration or a mirror."""
    monkeypatch.setattr(providers, "registry_answers", lambda: False)
    monkeypatch.setattr(providers, "terraform_platform", lambda cache: PLATFORM)
    monkeypatch.setattr(providers, "_SHARED", (str(tmp_path / "opt"),))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name, value in {"XDG_DATA_HOME": "data", "XDG_DATA_DIRS": "shared", "TF_PLUGIN_CACHE_DIR": "cached"}.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    for name in ("TF_CLI_CONFIG_FILE", "TF_PLUGIN_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def configured(machine: Path, lines: list[str] | None = None) -> tuple[Path, str]:
    """The CLI configuration of our Terraform commands: its path and text."""
    report = (lines if lines is not None else []).append
    path = Path(providers.environment(machine / "cache", report)["TF_CLI_CONFIG_FILE"])
    return path, path.read_text()


PLACES = [
    "home/.terraform.d/plugins",
    "data/terraform/plugins",
    "shared/terraform/plugins",
    "cached",
    "opt",
    "opt/mirror",
    "opt/terraform/plugins",
]


@pytest.mark.parametrize("packed", [False, True], ids=["unpacked", "packed"])
@pytest.mark.parametrize("place", PLACES)
def test_a_mirror_is_found_in_terraform_s_own_and_in_the_usual_places(machine: Path, place: str, packed: bool) -> None:
    mirror = put_provider(machine / place, "aws", packed=packed)
    assert json.dumps(str(mirror)) in configured(machine)[1]


def test_terraform_s_own_places_come_first(machine: Path) -> None:
    put_provider(machine / "opt/mirror", "aws")
    first = put_provider(machine / PLACES[0], "aws")
    assert json.dumps(str(first)) in configured(machine)[1]


def test_a_mirror_without_aws_or_for_another_platform_is_passed_over(machine: Path) -> None:
    put_provider(machine / "opt/a", "archive")
    mirror = put_provider(machine / "opt/b", "aws")
    assert providers.find_mirror(PLATFORM, providers.known_places()) == mirror
    assert providers.find_mirror("darwin_arm64", providers.known_places()) is None


def test_no_other_folder_is_searched(machine: Path) -> None:
    put_provider(machine / "opt/a/b/c", "aws")
    put_provider(machine / "elsewhere", "aws")
    with pytest.raises(providers.ProvidersError, match="terraform providers mirror"):
        configured(machine)


def test_the_variable_names_a_mirror_that_goes_before_all_found_ones(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_provider(machine / PLACES[0], "aws")
    mirror = put_provider(machine / "elsewhere", "aws")
    monkeypatch.setenv("TF_PLUGIN_MIRROR", str(mirror))
    assert json.dumps(str(mirror)) in configured(machine)[1]


def test_a_variable_that_names_no_mirror_is_an_error(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_provider(machine / PLACES[0], "aws")
    monkeypatch.setenv("TF_PLUGIN_MIRROR", str(machine / "nowhere"))
    with pytest.raises(providers.ProvidersError, match=r"TF_PLUGIN_MIRROR is .*nowhere.*hashicorp/aws"):
        configured(machine)


def write_configuration(machine: Path, text: str) -> Path:
    path = machine / "home/.terraformrc"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_the_caller_s_configuration_is_used_before_all_else(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_provider(machine / PLACES[0], "aws")
    monkeypatch.setenv("TF_PLUGIN_MIRROR", str(put_provider(machine / "elsewhere", "aws")))
    mirror = put_provider(put_provider(machine / "own", "aws"), "archive", "2.7.0")
    own = write_configuration(machine, providers.installation({mirror: None}))
    assert configured(machine)[0] == own
    named = own.rename(machine / "named.rc")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(named))
    assert configured(machine)[0] == named


def test_a_caller_s_mirror_without_archive_gets_the_stand_in(machine: Path) -> None:
    mirror = put_provider(machine / "own", "aws")
    write_configuration(machine, providers.installation({mirror: None}))
    _, text = configured(machine)
    assert json.dumps(str(mirror)) in text
    assert json.dumps(str(machine / "cache/mirror")) in text


def test_a_caller_s_network_mirror_is_left_to_terraform(machine: Path) -> None:
    network = 'provider_installation {\n  network_mirror {\n    url = "https://example.com/"\n  }\n}\n'
    own = write_configuration(machine, network)
    assert configured(machine)[0] == own


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(None, id="missing"),
        pytest.param("disable_checkpoint = true\n", id="says nothing of providers"),
        pytest.param("}{ provider_installation", id="broken"),
        pytest.param(providers.installation({Path("/nowhere"): None}), id="names no mirror"),
    ],
)
def test_a_configuration_of_no_use_is_passed_over(
    machine: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    mirror = put_provider(machine / "opt/mirror", "aws")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(machine / "named.rc"))
    if text is not None:
        (machine / "named.rc").write_text(text)
    path, found = configured(machine)
    assert path.parent == machine / "cache"
    assert json.dumps(str(mirror)) in found


def test_the_archive_provider_of_the_mirror_is_used_where_there_is_one(machine: Path) -> None:
    mirror = put_provider(put_provider(machine / "opt/mirror", "aws"), "archive", "2.7.0")
    lines: list[str] = []
    _, text = configured(machine, lines)
    assert lines == [f"providers: from the mirror {mirror}"]
    assert text.count("filesystem_mirror") == 1
    assert "exclude" not in text


def test_the_stand_in_takes_the_place_of_a_missing_archive_provider(machine: Path) -> None:
    mirror = put_provider(machine / "opt/mirror", "aws")
    lines: list[str] = []
    _, text = configured(machine, lines)
    assert len(lines) == 2
    assert "hashicorp/archive by our own stand-in" in lines[1]
    assert str(mirror) in text
    assert str(machine / "cache/mirror") in text
    assert providers.holds(machine / "cache/mirror", "hashicorp/archive", PLATFORM)


def test_other_settings_of_the_caller_do_not_reach_terraform(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_provider(machine / "opt/mirror", "aws")
    monkeypatch.setenv("TF_CLI_ARGS_apply", "-target=nothing")
    monkeypatch.setenv("AWS_PROFILE", "production")
    environment = providers.environment(machine / "cache", lambda line: None)
    assert not {"TF_CLI_ARGS_apply", "AWS_PROFILE"} & environment.keys()
    assert environment["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull


def test_the_registry_is_used_when_it_answers(machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "registry_answers", lambda: True)
    lines: list[str] = []
    environment = providers.environment(tmp_path, lines.append)
    assert lines == ["providers: from registry.terraform.io"]
    assert "provider_installation" not in Path(environment["TF_CLI_CONFIG_FILE"]).read_text()
    assert Path(environment["TF_PLUGIN_CACHE_DIR"]).is_dir()


class Discovery(BaseHTTPRequestHandler):
    """A registry's discovery document, or a proxy's page in its place."""

    def do_GET(self) -> None:
        body = b'{"providers.v1": "/v1/providers/"}' if self.path == "/registry" else b"<html>blocked</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


@pytest.fixture
def http() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Discovery) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_only_a_discovery_document_counts_as_an_answer(http: str) -> None:
    assert providers.registry_answers(f"{http}/registry")
    assert not providers.registry_answers(f"{http}/page")
    assert not providers.registry_answers(NO_REGISTRY)


def test_a_registry_that_does_not_answer_costs_no_more_than_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        assert not providers.registry_answers(f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout=0.2)
        assert time.monotonic() - start < 5


def read(data: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


CONFIGURATION = """
terraform {
  required_providers {
    archive = { source = "hashicorp/archive" }
  }
}
variable "file" {
  type    = string
  default = null
}
variable "directory" {
  type    = string
  default = null
}
variable "type" {
  default = "zip"
}
data "archive_file" "package" {
  type        = var.type
  output_path = "${path.root}/made/package.zip"
  source_file = var.file
  source_dir  = var.directory
  source {
    filename = "b.py"
    content  = "print('ü')"
  }
  source {
    filename = "a.py"
    content  = ""
  }
}
data "archive_file" "folder" {
  type             = "zip"
  output_path      = "${path.root}/made/folder.zip"
  source_dir       = "${path.root}/code"
  excludes         = ["**/__pycache__/**", "**/*.pyc", "drafts"]
  output_file_mode = "0640"
}
output "package" {
  value = data.archive_file.package
}
output "folder" {
  value = data.archive_file.folder
}
"""
CODE = {"a.py": "1", "pkg/b.py": "2", "pkg/deep/c.json": "{}"}
LEFT_OUT = ["x.pyc", "__pycache__/a.pyc", "pkg/__pycache__/b.txt", "pkg/deep/y.pyc", "drafts/d.py"]
Configured = tuple[Path, dict[str, str]]


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Configured:
    """A configuration that uses the stand-in, initialised, and the environment of its commands."""
    folder = tmp_path_factory.mktemp("standin")
    cache = providers.CACHE
    cache.mkdir(exist_ok=True)
    mirror = providers.install_standin(cache, providers.terraform_platform(cache))
    (folder / "terraform.rc").write_text(providers.installation({mirror: None}))
    (folder / "main.tf").write_text(CONFIGURATION)
    for name in [*CODE, *LEFT_OUT]:
        path = folder / "code" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CODE.get(name, "left out"))
    environment = {**os.environ, "TF_CLI_CONFIG_FILE": str(folder / "terraform.rc"), "CHECKPOINT_DISABLE": "1"}
    assert terraform((folder, environment), "init").returncode == 0
    return folder, environment


def terraform(standin: Configured, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["terraform", *arguments, *([] if arguments[0] == "output" else ["-no-color"])]
    return subprocess.run(command, cwd=standin[0], env=standin[1], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def made(standin: Configured) -> dict[str, Any]:
    """The outputs after an apply."""
    applied = terraform(standin, "apply", "-auto-approve")
    assert applied.returncode == 0, applied.stderr
    return {name: output["value"] for name, output in json.loads(terraform(standin, "output", "-json").stdout).items()}


def test_terraform_reads_the_stand_in_and_sees_the_file_s_own_hashes(standin: Configured, made: dict[str, Any]) -> None:
    package, data = made["package"], (standin[0] / "made/package.zip").read_bytes()
    assert read(data) == {"a.py": "", "b.py": "print('ü')"}
    assert package["output_size"] == len(data)
    assert package["id"] == package["output_sha"] == hashlib.sha1(data).hexdigest()
    assert package["output_md5"] == hashlib.md5(data).hexdigest()
    assert package["output_sha256"] == hashlib.sha256(data).hexdigest()
    assert package["output_base64sha256"] == base64.b64encode(hashlib.sha256(data).digest()).decode()
    assert package["output_sha512"] == hashlib.sha512(data).hexdigest()
    assert package["output_base64sha512"] == base64.b64encode(hashlib.sha512(data).digest()).decode()
    assert terraform(standin, "plan", "-detailed-exitcode").returncode == 0


def test_a_folder_is_zipped_without_what_is_excluded(standin: Configured, made: dict[str, Any]) -> None:
    data = (standin[0] / "made/folder.zip").read_bytes()
    assert read(data) == CODE
    assert made["folder"]["output_sha256"] == hashlib.sha256(data).hexdigest()


@pytest.mark.usefixtures("made")
def test_the_modes_of_the_files_do_not_change_the_zip(standin: Configured) -> None:
    before = (standin[0] / "made/folder.zip").read_bytes()
    with zipfile.ZipFile(io.BytesIO(before)) as archive:
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o640}
    (standin[0] / "code/a.py").chmod(0o700)
    (standin[0] / "code/z.pyc").touch()
    assert terraform(standin, "plan", "-detailed-exitcode").returncode == 0
    assert (standin[0] / "made/folder.zip").read_bytes() == before


@pytest.mark.parametrize(
    ("variable", "reason"),
    [("file=x", "source_file"), ("directory=x", "source_dir"), ("type=tar.gz", "only the type zip")],
)
def test_the_stand_in_refuses_what_it_does_not_know(standin: Configured, variable: str, reason: str) -> None:
    planned = terraform(standin, "plan", f"-var={variable}")
    assert planned.returncode == 1
    assert reason in planned.stderr
