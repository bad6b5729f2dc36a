"""What this package starts takes no module from the folder that one happens to be in."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from sam3_ros.core.own_program import own_command

SOURCES = Path(__file__).parents[2] / "sam3_ros"
PLANTED = ("json", "argparse", "numpy", "runpy", "logging", "pathlib", "sam3_ros", "yaml")


@pytest.fixture
def strange_folder(tmp_path: Path) -> Path:
    """Return a folder whose modules leave a mark when they are imported."""
    for name in PLANTED:
        text = f"from os import mkdir\nmkdir({str(tmp_path / 'ran')!r})\n"
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


def run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    return subprocess.run(
        command, cwd=folder, env={**given, **environment}, capture_output=True, text=True
    )


def test_modules_of_the_current_folder_are_not_run(strange_folder: Path) -> None:
    done = run([*own_command("sam3_ros.cli.main"), "bundle", "list"], strange_folder)
    assert done.returncode == 0, done.stderr
    assert "tabletop" in done.stdout
    assert not (strange_folder / "ran").exists()


def test_it_would_be_so_without_that(strange_folder: Path) -> None:
    command = own_command("sam3_ros.cli.main")
    plain = [command[0], "-m", command[-1], "bundle", "list"]
    run(plain, strange_folder)
    assert (strange_folder / "ran").exists()


def test_arguments_and_the_exit_code_pass_through(tmp_path: Path) -> None:
    done = run([*own_command("sam3_ros.cli.main"), "bundle", "inspect", "a b", "-x"], tmp_path)
    assert done.returncode == 2
    assert "-x" in done.stderr


def test_python_path_is_still_heeded(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "of_ros.py").write_text("import sys; print(sys.argv[1:])")
    done = run([*own_command("of_ros"), "1"], tmp_path, PYTHONPATH=str(tmp_path / "elsewhere"))
    assert done.stdout == "['1']\n", done.stderr


def test_every_python_that_is_started_is_started_so() -> None:
    found = {
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*.py")
        if re.search(r"sys\.executable", path.read_text(encoding="utf-8"))
    }
    # The other one starts Python isolated (-I).
    assert found == {"core/own_program.py", "core/trial/child_process.py"}
