"""`sam3-ros bundle ...`, run as a user runs it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bundles import rewrite_manifest

from sam3_ros.core.bundle.bundle import Bundle

ROOT = Path(__file__).resolve().parents[3]


def sam3_ros(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sam3_ros.cli.main", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def answered(*arguments: str | Path) -> Any:
    done = sam3_ros(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def beside_a_first_run(stderr: str) -> list[str]:
    """Return the lines without those on a first run; there is none if another test had the same."""
    told = ("it runs first in a process of its own", "its first run took")
    return [line for line in stderr.splitlines() if not any(part in line for part in told)]


def refused(*arguments: str | Path) -> str:
    done = sam3_ros(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    said = beside_a_first_run(done.stderr)
    assert len(said) == 1, "one line, and no traceback"
    assert said[0].startswith("sam3-ros: error: ")
    return said[0]


@pytest.fixture
def folder(sam3_bundle_path: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sam3_bundle_path, tmp_path / "copy"))


def test_help_has_examples() -> None:
    for arguments in (("bundle",), ("bundle", "verify"), ("bundle", "list")):
        done = sam3_ros(*arguments, "--help")
        assert done.returncode == 0
        assert "examples:" in done.stdout
        assert "sam3-ros bundle" in done.stdout


def test_inspect_shows_tensors_precisions_sizes_and_checksums(sam3_bundle_path: Path) -> None:
    text = sam3_ros("bundle", "inspect", sam3_bundle_path).stdout
    assert "stage detector_neck" in text
    assert "float32[1, 8, 48, 64]" in text
    assert "fp16/text.onnx" in text
    assert text.count("sha256") == 23

    document = answered("bundle", "inspect", sam3_bundle_path, "--precision", "fp16")
    stages = {stage["name"]: stage for stage in document["stages"]}
    assert document["capabilities"] == ["concept", "interactive"]
    assert stages["decoder"]["outputs"]["queries"]["shape"] == ["prompts", 8, 8]
    assert stages["decoder"]["outputs"]["queries"]["dtype"] == "float16"
    file = stages["text"]["files"]["fp32"]
    assert file["bytes"] == (sam3_bundle_path / file["path"]).stat().st_size
    assert document["manifest"]["format"] == 1
    counts = document["operators"]["decoder"]
    assert counts.keys() == {"fp32", "fp16"}
    assert counts["fp16"]["nodes"] > counts["fp16"]["casts"] > 0
    assert "operators in each file" in text


def test_inspect_lists_the_words_of_a_closed_vocabulary(sam3_bundle_path: Path) -> None:
    text = sam3_ros("bundle", "inspect", "tabletop").stdout
    concept = Bundle.open("tabletop").manifest.concept
    assert concept is not None and concept.vocabulary is not None
    words = concept.vocabulary
    assert f"the {len(words)} words that it knows" in text
    assert ", ".join(words) in " ".join(text.split())
    assert "words that it knows" not in sam3_ros("bundle", "inspect", sam3_bundle_path).stdout


def test_inspect_knows_only_the_precisions_there_are(sam3_bundle_path: Path) -> None:
    reason = refused("bundle", "inspect", sam3_bundle_path, "--precision", "int4")
    assert "it has fp32, fp16" in reason


def test_verify_loads_every_stage_of_every_precision(sam3_bundle_path: Path) -> None:
    done = sam3_ros("bundle", "verify", sam3_bundle_path)
    assert done.returncode == 0
    assert done.stdout.count("ok ") == 22
    assert "sound" in done.stdout
    document = answered("bundle", "verify", sam3_bundle_path)
    assert document["sound"] is True
    assert {each["provider"] for each in document["sessions"]} == {"CPUExecutionProvider"}


def test_verify_refuses_a_damaged_bundle(folder: Path) -> None:
    os.truncate(folder / "fp16" / "text.onnx", 10)
    assert "fp16/text.onnx" in refused("bundle", "verify", folder)


def test_verify_refuses_tensors_that_the_files_lack(folder: Path) -> None:
    rewrite_manifest(folder, "queries: queries\n      pred", "queries: lost\n      pred")
    done = sam3_ros("bundle", "verify", folder)
    assert (done.returncode, done.stdout) == (2, "")
    # What precedes it tells of the first run, in which this is found.
    assert "output 'lost'" in done.stderr.splitlines()[-1].removeprefix("sam3-ros: error: ")


def test_verify_refuses_an_image_size_that_the_file_does_not_take(folder: Path) -> None:
    rewrite_manifest(folder, "preprocessing:\n  height: 96", "preprocessing:\n  height: 64")
    assert "preprocesses images to 64x128" in refused("bundle", "verify", folder)


def test_a_bundle_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    assert "neither a folder nor the name" in refused("bundle", "verify", tmp_path / "none")


def test_list_names_what_is_sound_and_what_is_not(
    folder: Path, mobile_sam_bundle_path: Path
) -> None:
    shutil.copytree(mobile_sam_bundle_path, folder.parent / "mobile")
    rows = answered("bundle", "list", folder.parent)["bundles"]
    assert {"colours", "mobile_colours"} <= {row["name"] for row in rows}

    rewrite_manifest(folder, "format: 1", "format: 9")
    done = sam3_ros("bundle", "list", folder.parent)
    assert done.returncode == 2
    assert "mobile_colours" in done.stdout
    assert "format 9" in done.stderr


def test_a_reader_that_leaves_early_is_no_error(sam3_bundle_path: Path) -> None:
    command = f"{sys.executable} -m sam3_ros.cli.main bundle inspect {sam3_bundle_path} | true"
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert beside_a_first_run(done.stderr) == []
