"""Finding Terraform's providers without a registry, and the stand-in for hashicorp/archive."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import random
import shutil
import socket
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tools.dev import providers
from tools.dev.archive_standin.zipping import zip_bytes

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
    """A machine without a registry, on which only tmp_path is searched."""
    monkeypatch.setattr(providers, "registry_answers", lambda: False)
    monkeypatch.setattr(providers, "terraform_platform", lambda cache: PLATFORM)
    monkeypatch.setattr(providers, "_candidates", lambda: providers.walk(tmp_path))
    return tmp_path


@pytest.mark.parametrize("packed", [False, True])
def test_a_mirror_is_found_by_walking(tmp_path: Path, packed: bool) -> None:
    mirror = put_provider(tmp_path / "opt/some/where", "aws", packed=packed)
    assert providers.find_mirror(PLATFORM, [tmp_path]) == mirror


def test_the_least_deep_mirror_wins(tmp_path: Path) -> None:
    put_provider(tmp_path / "a/b/c", "aws")
    shallow = put_provider(tmp_path / "z", "aws")
    assert providers.find_mirror(PLATFORM, [tmp_path]) == shallow


def test_a_mirror_without_aws_or_for_another_platform_is_passed_over(tmp_path: Path) -> None:
    put_provider(tmp_path / "a", "archive")
    mirror = put_provider(tmp_path / "b/c", "aws")
    assert providers.find_mirror(PLATFORM, [tmp_path]) == mirror
    assert providers.find_mirror("darwin_arm64", [tmp_path]) is None


def test_folders_of_other_terraform_runs_and_what_is_too_deep_are_not_searched(tmp_path: Path) -> None:
    put_provider(tmp_path / ".terraform/providers", "aws")
    put_provider(tmp_path / "1/2/3/4/5/6/7", "aws")
    assert providers.find_mirror(PLATFORM, [tmp_path]) is None


def test_the_walk_ends_after_its_time(tmp_path: Path) -> None:
    put_provider(tmp_path, "aws")
    assert list(providers.walk(tmp_path, seconds=-1)) == []


def test_the_archive_provider_of_the_mirror_is_used_where_there_is_one(machine: Path, tmp_path: Path) -> None:
    mirror = put_provider(put_provider(machine / "mirror", "aws"), "archive", "2.7.0")
    lines: list[str] = []
    environment = providers.environment(tmp_path / "cache", lines.append)
    config = Path(environment["TF_CLI_CONFIG_FILE"]).read_text()
    assert lines == [f"providers: from the mirror {mirror}"]
    assert config.count("filesystem_mirror") == 1
    assert "exclude" not in config


def test_the_stand_in_takes_the_place_of_a_missing_archive_provider(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_provider(machine / "mirror", "aws")
    monkeypatch.setattr(providers, "build_zip_program", lambda cache: None)
    cache = tmp_path / "cache"
    lines: list[str] = []
    config = Path(providers.environment(cache, lines.append)["TF_CLI_CONFIG_FILE"]).read_text()
    assert len(lines) == 2
    assert "hashicorp/archive by our own stand-in" in lines[1]
    assert str(machine / "mirror") in config
    assert str(cache / "mirror") in config
    assert providers.holds(cache / "mirror", "hashicorp/archive", PLATFORM)


def test_a_configuration_of_the_caller_is_overridden(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_provider(put_provider(machine / "mirror", "aws"), "archive", "2.7.0")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", "/nowhere/terraform.rc")
    monkeypatch.setenv("TF_CLI_ARGS_apply", "-target=nothing")
    monkeypatch.setenv("AWS_PROFILE", "production")
    environment = providers.environment(tmp_path / "cache", lambda line: None)
    assert Path(environment["TF_CLI_CONFIG_FILE"]).parent == tmp_path / "cache"
    assert not {"TF_CLI_ARGS_apply", "AWS_PROFILE"} & environment.keys()
    assert environment["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull


def test_without_registry_and_mirror_the_error_says_what_helps(machine: Path, tmp_path: Path) -> None:
    with pytest.raises(providers.ProvidersError, match="terraform providers mirror"):
        providers.environment(tmp_path / "cache", lambda line: None)


def test_the_registry_is_used_when_it_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


ENTRIES = {"b/é.py": "print('ü')\n" * 400, "a.py": "", "Z.json": "{}", "b.py": "x"}


@pytest.fixture(scope="session")
def go_program() -> str:
    if shutil.which("go") is None:
        pytest.skip("no Go on this machine: the Python zip is used")
    program = providers.build_zip_program(providers.CACHE)  # not in a temporary folder: a cold build takes long
    assert program is not None
    return str(program)


@pytest.fixture(params=["go", "python"])
def program(request: pytest.FixtureRequest) -> str | None:
    return request.getfixturevalue("go_program") if request.param == "go" else None


def read(data: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_the_zip_holds_the_entries_sorted_by_name(program: str | None) -> None:
    entries = read(zip_bytes(ENTRIES, program))
    assert entries == ENTRIES
    assert list(entries) == ["Z.json", "a.py", "b.py", "b/é.py"]


def test_the_same_entries_in_any_order_give_the_same_bytes(program: str | None) -> None:
    shuffled = dict(random.Random(1).sample(list(ENTRIES.items()), len(ENTRIES)))
    assert zip_bytes(shuffled, program) == zip_bytes(ENTRIES, program)


def test_the_zip_of_the_go_program_has_no_time_and_is_deflated(go_program: str) -> None:
    with zipfile.ZipFile(io.BytesIO(zip_bytes(ENTRIES, go_program))) as archive:
        for entry in archive.infolist():
            # What archive/zip's Create writes: no date, a data descriptor after the content, no file mode.
            assert entry.date_time == (1980, 0, 0, 0, 0, 0)
            assert (entry.compress_type, entry.flag_bits & 8, entry.external_attr) == (zipfile.ZIP_DEFLATED, 8, 0)


def test_without_go_there_is_no_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert providers.build_zip_program(tmp_path) is None
    _, remark = providers.install_standin(tmp_path, PLATFORM)
    assert "Python" in remark


CONFIGURATION = """
terraform {
  required_providers {
    archive = { source = "hashicorp/archive" }
  }
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
output "package" {
  value = data.archive_file.package
}
"""


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A configuration that uses the stand-in, initialised, and the environment of its commands."""
    folder = tmp_path_factory.mktemp("standin")
    cache = providers.CACHE
    mirror, _ = providers.install_standin(cache, providers.terraform_platform(cache))
    (folder / "terraform.rc").write_text(providers._config({mirror: None}))
    (folder / "main.tf").write_text(CONFIGURATION)
    environment = {**os.environ, "TF_CLI_CONFIG_FILE": str(folder / "terraform.rc"), "CHECKPOINT_DISABLE": "1"}
    assert terraform((folder, environment), "init").returncode == 0
    return folder, environment


def terraform(standin: tuple[Path, dict[str, str]], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["terraform", *arguments, "-no-color"]
    return subprocess.run(command, cwd=standin[0], env=standin[1], capture_output=True, text=True, check=False)


def test_terraform_reads_the_stand_in_and_sees_the_file_s_own_hashes(standin: tuple[Path, dict[str, str]]) -> None:

    applied = terraform(standin, "apply", "-auto-approve")
    assert applied.returncode == 0, applied.stderr
    shown = subprocess.run(
        ["terraform", "output", "-json"], cwd=standin[0], env=standin[1], capture_output=True, check=True
    )
    package = json.loads(shown.stdout)["package"]["value"]
    data = (standin[0] / "made/package.zip").read_bytes()
    assert read(data) == {"a.py": "", "b.py": "print('ü')"}
    assert package["output_size"] == len(data)
    assert package["id"] == package["output_sha"] == hashlib.sha1(data).hexdigest()
    assert package["output_md5"] == hashlib.md5(data).hexdigest()
    assert package["output_sha256"] == hashlib.sha256(data).hexdigest()
    assert package["output_base64sha256"] == base64.b64encode(hashlib.sha256(data).digest()).decode()
    assert package["output_sha512"] == hashlib.sha512(data).hexdigest()
    assert package["output_base64sha512"] == base64.b64encode(hashlib.sha512(data).digest()).decode()
    assert terraform(standin, "plan", "-detailed-exitcode").returncode == 0


@pytest.mark.parametrize(("variable", "reason"), [("directory=x", "source_dir"), ("type=tar.gz", "only the type zip")])
def test_the_stand_in_refuses_what_it_does_not_know(
    standin: tuple[Path, dict[str, str]], variable: str, reason: str
) -> None:
    planned = terraform(standin, "plan", f"-var={variable}")
    assert planned.returncode == 1
    assert reason in planned.stderr
