from __future__ import annotations

from pathlib import Path

import pytest

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.ros.launching import shared_files
from sam3_ros.ros.launching.shared_files import shared_file

ROOT = Path(__file__).parents[3]


def test_the_source_trees_own_comes_first() -> None:
    assert shared_file("config/segmentation.yaml") == ROOT / "config" / "segmentation.yaml"


@pytest.mark.parametrize("where", ["AMENT_PREFIX_PATH", "sys.prefix"])
def test_an_installed_file_is_found(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "share" / "sam3_ros" / "config" / "fastdds.xml"
    installed.parent.mkdir(parents=True)
    installed.touch()
    monkeypatch.setattr(shared_files, "__file__", str(tmp_path / "a" / "b" / "c" / "d" / "e.py"))
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    if where == "sys.prefix":
        monkeypatch.setattr(where, str(tmp_path))
    else:
        monkeypatch.setenv(where, f"/nowhere:{tmp_path}")

    assert shared_file("config/fastdds.xml") == installed


def test_a_package_without_its_files_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_files, "__file__", str(tmp_path / "a" / "b" / "c" / "d" / "e.py"))
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    with pytest.raises(Sam3RosError, match="install the package again"):
        shared_file("config/fastdds.xml")
