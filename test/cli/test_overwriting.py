"""What somebody else made stays, unless --force is given: of commands without ROS and torch."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam3_ros.cli.main import main

WRITERS = [
    ("segment", "table.png", "--text", "red", "--out", "."),
    ("tune", "BUNDLE", "--out", "segments.json"),
    ("bench", "--report", "segments.json", "--bundle", "BUNDLE"),
    ("bench", "--growth", "--plot", "plot.png", "--bundle", "BUNDLE"),
]


@pytest.mark.parametrize("arguments", WRITERS)
def test_what_is_not_ours_is_refused_and_named(
    arguments: tuple[str, ...],
    sam3_bundle_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("segments.json", "plot.png"):
        Path(name).write_text("somebody's")
    words = [str(sam3_bundle_path) if word == "BUNDLE" else word for word in arguments]

    assert main(words) == 2
    (row,) = capsys.readouterr().err.splitlines()
    assert "--force" in row
    assert "plot.png" in row or "segments.json" in row
    assert {path.name for path in tmp_path.iterdir()} == {"segments.json", "plot.png"}
    for path in tmp_path.iterdir():
        assert path.read_text() == "somebody's"
