"""What the commands say of a stranger's bundle: one row, and nothing that a terminal obeys."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from bundle_spoiling import copied
from hostile_bundles import hostile_bundles, with_escapes

from sam3_ros.cli.main import main
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.exit_codes import ExitCode

OBEYED = {chr(code) for code in (*range(9), *range(11, 32), *range(127, 160), 0x202E, 0x2066)}
HOSTILE = {each.name: each for each in hostile_bundles()}


@pytest.fixture
def good() -> Path:
    return Bundle.open("tabletop").path


@pytest.mark.parametrize(
    "name",
    [
        "manifest: block sequences nested deep",
        "manifest: a name with an escape",
        "tokenizer: a catastrophic expression to split",
        "recorded answers: an index nested deep",
        "files: a path with an escape",
    ],
)
@pytest.mark.parametrize(
    "command", [("bundle", "inspect"), ("bundle", "verify"), ("tune",), ("verify",)], ids=" ".join
)
def test_a_hostile_bundle_is_refused_in_one_row(
    name: str,
    command: tuple[str, ...],
    good: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = HOSTILE[name].make(good, tmp_path / "bundle")
    assert main([*command, str(folder)]) == ExitCode.REFUSED
    said = capsys.readouterr()
    assert said.err.startswith("sam3-ros: error: ") and said.err.count("\n") == 1
    assert not OBEYED & set(said.out + said.err)


def test_a_list_of_bundles_shows_a_name_and_does_not_obey_it(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    HOSTILE["manifest: a name with an escape"].make(good, tmp_path / "\x1b[2Jbundle")
    assert main(["bundle", "list", str(tmp_path)]) == ExitCode.REFUSED
    said = capsys.readouterr()
    assert not OBEYED & set(said.out + said.err)
    assert r"\x1b[2J" in said.err


def test_inspect_shows_on_a_terminal_what_a_terminal_would_obey(good: Path, tmp_path: Path) -> None:
    folder = with_escapes(good, tmp_path / "bundle")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "sam3_ros.cli.main", "bundle", "inspect", str(folder)]
    environment = {**os.environ, "TERM": "xterm-256color", "XDG_CACHE_HOME": str(tmp_path)}
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        said = b""
        while piece := _read(ours):
            said += piece
    os.close(ours)
    assert process.returncode == ExitCode.OK, said.decode()
    text = said.decode()
    assert r"\x1b]0;title\x07" in text and r"\x9b2J" in text and r"\u202e" in text
    assert "[bold]x[/bold]" in text
    # Headings are bold, and nothing else is obeyed.
    for ours_alone in ("\x1b[1m", "\x1b[0m", "\r\n"):
        text = text.replace(ours_alone, "")
    assert not OBEYED & set(text)


def test_a_first_run_is_told_beside_the_result_and_once(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = copied(good, tmp_path / "bundle")
    command = ["bundle", "inspect", "--json", str(folder)]
    assert main(command) == ExitCode.OK
    first = capsys.readouterr()
    begun, ended = first.err.splitlines()
    assert begun.startswith(f"bundle {folder} did not come with sam3_ros: it runs first")
    assert "its first run took" in ended
    assert main(command) == ExitCode.OK
    assert capsys.readouterr() == (first.out, "")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other side is closed
        return b""
