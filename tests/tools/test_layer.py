"""The layer of database drivers is the same bytes on every machine and fits every runtime."""

from __future__ import annotations

import importlib.util
import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools.dev import layer


def wheel(path: Path, files: dict[str, str], year: int = 2020) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), content)
    return path


def test_the_layer_holds_the_packages_below_python_sorted_without_what_an_installer_writes(tmp_path: Path) -> None:
    second = wheel(tmp_path / "b.whl", {"b/__init__.py": "2", "b/x.pyc": "", "b-1.dist-info/RECORD": "r"})
    first = wheel(tmp_path / "a.whl", {"a.py": "1", "a-1.dist-info/METADATA": "m"})
    with zipfile.ZipFile(io.BytesIO(layer.layer_bytes([second, first]))) as made:
        assert made.namelist() == ["python/a-1.dist-info/METADATA", "python/a.py", "python/b/__init__.py"]
        assert made.read("python/a.py") == b"1"
        assert all(entry.external_attr >> 16 == 0o644 for entry in made.infolist())


def test_what_every_runtime_brings_is_at_the_end_of_the_path(tmp_path: Path) -> None:
    wheels = [
        wheel(tmp_path / "six-1.17.0-py3.whl", {"six.py": "6"}),
        wheel(tmp_path / "sixty-1.whl", {"sixty.py": ""}),
    ]
    with zipfile.ZipFile(io.BytesIO(layer.layer_bytes(wheels))) as made:
        assert made.namelist() == ["python/sixty.py", "six.py"]


def test_bytecode_is_on_request_and_is_taken_whatever_the_time_of_its_source(tmp_path: Path) -> None:
    driver = wheel(tmp_path / "a.whl", {"a/__init__.py": "name = __file__"})
    data = layer.layer_bytes([driver], [sys.executable])
    assert data == layer.layer_bytes([driver], [sys.executable])
    with zipfile.ZipFile(io.BytesIO(data)) as made:
        made.extractall(tmp_path / "opt")
    source = tmp_path / "opt/python/a/__init__.py"
    source.write_text("raise AssertionError('compiled again')")
    code = "import a; print(a.name)"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=source.parents[1], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == str(source)


@pytest.mark.parametrize(("python", "content"), [("/no/python3.99", ""), (sys.executable, "1 +")])
def test_an_interpreter_that_cannot_compile_is_named(tmp_path: Path, python: str, content: str) -> None:
    with pytest.raises(layer.LayerError, match=re.escape(python)):
        layer.layer_bytes([wheel(tmp_path / "a.whl", {"a.py": content})], [python])


def test_times_and_order_of_the_wheels_do_not_change_the_bytes(tmp_path: Path) -> None:
    old = wheel(tmp_path / "old.whl", {"a.py": "1", "b.py": "2"}, year=1990)
    new = wheel(tmp_path / "new.whl", {"b.py": "2", "a.py": "1"}, year=2026)
    assert layer.layer_bytes([old]) == layer.layer_bytes([new])


def test_compiled_code_is_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path / "c.whl", {"c/fast.cpython-311-x86_64-linux-gnu.so": ""})
    with pytest.raises(layer.LayerError, match=re.escape("c/fast.cpython-311")):
        layer.layer_bytes([path])


def test_a_clone_without_an_environment_can_build_it() -> None:
    command = [sys.executable, "-I", "-S", "-c", f"import runpy; runpy.run_path({layer.__file__!r})"]
    subprocess.run(command, check=True)  # -I -S: only the standard library is there


def test_a_python_without_pip_is_named_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(layer.LayerError, match=rf"{re.escape(sys.executable)}.*python3-pip"):
        layer.download(tmp_path)


def test_the_tests_use_the_drivers_of_the_layer() -> None:
    def pins(path: Path) -> set[str]:
        return set(re.findall(r"^[\w.-]+==[\w.]+", path.read_text(), re.MULTILINE))

    assert pins(layer.REQUIREMENTS) <= pins(layer.REQUIREMENTS.with_name("demo.txt"))
