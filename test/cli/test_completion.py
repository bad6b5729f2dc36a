"""Completion, asked of real shells."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sam3_ros.cli import needs
from sam3_ros.cli.main import main

#: Completes the last word of the line that the arguments are, and prints what is offered.
ASK_BASH = """
source "$SCRIPT"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
complete -p sam3-ros >/dev/null
_shtab_sam3_ros 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scripts")
    for shell in ("bash", "zsh"):
        command = [sys.executable, "-m", "sam3_ros.cli.main", "completion", shell]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        (folder / shell).write_text(done.stdout)
    return folder


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("seg", {"segment"}),
        ("completion ", {"bash", "zsh"}),
        ("bundle in", {"inspect"}),
        ("bundle inspect t", {"tabletop"}),
        ("bundle verify my", {"my bundles"}),
        ("tune ta", {"tabletop"}),
        ("export --model mob", {"mobilesam"}),
        ("segment table.png --bundle ta", {"tabletop"}),
        ("bench --bundle tabletop --bundle ta", {"tabletop"}),
        ("replay bag --bundle my", {"my bundles"}),
        ("segment ta", {"table.png"}),
        ("segment table.png --out my", {"my bundles"}),
        ("segment table.png --tog", {"--together"}),
        ("segment --json --masks r", {"rle"}),
        ("segment table.png --backend openv", {"openvino"}),
        ("segment table.png --precision b", {"bf16"}),
        ("replay --rate 1 ta", {"table.png"}),
    ],
)
def test_bash_completes(line: str, offered: set[str], scripts: Path, tmp_path: Path) -> None:
    (tmp_path / "my bundles").mkdir()
    (tmp_path / "table.png").touch()
    done = subprocess.run(
        ["bash", "--norc", "-c", ASK_BASH, "bash", "sam3-ros", *line.split(" ")],
        env={**os.environ, "SCRIPT": str(scripts / "bash")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert set(done.stdout.splitlines()) == offered


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh here")
def test_zsh_takes_the_script_for_this_command(scripts: Path, tmp_path: Path) -> None:
    shutil.copy(scripts / "zsh", tmp_path / "_sam3-ros")
    ask = f'fpath=("{tmp_path}" $fpath); autoload -Uz compinit; compinit -u -D; '
    ask += 'print -- "$_comps[sam3-ros]"; zsh -n "$fpath[1]/_sam3-ros"'
    done = subprocess.run(["zsh", "-f", "-c", ask], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["_sam3-ros"]
    assert done.stderr == ""


def test_the_script_for_zsh_is_of_this_command(scripts: Path) -> None:
    script = (scripts / "zsh").read_text()

    assert script.startswith("#compdef sam3-ros\n")
    assert "embedded bundle:(tabletop)" in script


def test_without_shtab_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(needs, "find_spec", lambda _: None)

    assert main(["completion", "bash"]) == 2
    assert "needs shtab, which is not here: pip install 'shtab>=1.10'" in capsys.readouterr().err


def test_help_loads_nothing_heavy() -> None:
    heavy = ("numpy", "cv2", "onnxruntime", "rclpy", "PIL", "rich", "shtab", "yaml")
    code = (
        "import sys; from sam3_ros.cli.main import _parser; _parser().format_help(); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
