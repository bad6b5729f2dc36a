"""Where Ray is not installed, as in the environment of these tests, --ray says what to do."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from sam3_ros.cli.main import main
from sam3_ros.core.exit_codes import ExitCode


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed here")
def test_ray_that_is_not_there_is_one_line_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "labels"
    code = main(["label", str(tmp_path), "--text", "cube", "--ray", "--out", str(out)])
    (line,) = capsys.readouterr().err.splitlines()
    assert code == ExitCode.REFUSED
    assert line.startswith("sam3-ros: error: --ray needs ray, not installed here: pip install")
    assert not out.exists()
