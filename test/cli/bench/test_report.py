"""`sam3-ros bench --report` as a user types it, on the CPU."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest
from scenes import colour_scene

from sam3_ros.bench.matrix.cells import Way
from sam3_ros.cli import needs
from sam3_ros.cli.bench import report_node
from sam3_ros.cli.bench.report_node import measure_node
from sam3_ros.cli.main import main
from sam3_ros.core.image_file import write_png

pytestmark = pytest.mark.long


@pytest.fixture
def no_ros(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "find_spec", lambda name: None if name == "rclpy" else name)


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "red.png"
    write_png(path, colour_scene(120, 160, {"red": (50, 40, 110, 80)}))
    return path


def report(file: Path, *arguments: object) -> int:
    options = ("bench", "--report", file, "--frames", 3, "--threads", 1, "--text", "red")
    return main([str(argument) for argument in (*options, *arguments)])


@pytest.mark.usefixtures("no_ros")
def test_one_command_writes_one_page_of_all_bundles(
    sam3_bundle_path: Path,
    mobile_sam_bundle_path: Path,
    picture: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "new" / "report.md"
    bundles = ("--bundle", sam3_bundle_path, "--bundle", mobile_sam_bundle_path)
    assert report(file, "--backend", "cpu", *bundles, "--image", picture) == 0
    assert f"written: {file}" in capsys.readouterr().out
    lines = file.read_text(encoding="utf-8").splitlines()

    assert lines[0].startswith("# Report of backend cpu, 20")
    assert [line for line in lines if line.startswith("## ")] == [
        "## Goals",
        "## colours",
        "## mobile_colours",
        "## In the node",
        "## Left out",
    ]
    assert "|  | fp16 | fp32 |" in lines
    for row in ("text on a new frame", "8 texts on a new frame", "click on a seen frame"):
        cells = next(line for line in lines if line.startswith(f"| {row} | ") and "(" in line)
        assert cells.count("(") == 2, "median and 95th percentile of both precisions"
    guarded = next(line for line in lines if line.startswith("| precision guard, s |"))
    assert "fp32 on the CPU is the reference" in guarded
    (stage,) = [line for line in lines if line.startswith("| decoder |")]
    assert stage.count("%") == 2
    assert any(line.startswith("- the node: the node's part needs rclpy") for line in lines)


@pytest.mark.usefixtures("no_ros")
def test_a_page_on_which_nothing_could_be_measured_says_why_and_is_a_failure(
    sam3_bundle_path: Path, picture: Path, tmp_path: Path
) -> None:
    file = tmp_path / "report.md"
    options = ("--backend", "cpu", "--precision", "int4", "--bundle", sam3_bundle_path)
    assert report(file, *options, "--image", picture) == 1
    page = file.read_text(encoding="utf-8")

    assert "failed: bundle 'colours' has no 'int4'" in page
    assert "| text on a new frame | 10.0 ms |  |  | not measured |" in page


@pytest.mark.usefixtures("no_ros")
def test_what_does_not_fit_into_the_time_is_named(
    sam3_bundle_path: Path, picture: Path, tmp_path: Path
) -> None:
    file = tmp_path / "report.md"
    options = ("--backend", "cpu", "--within", 1, "--bundle", sam3_bundle_path)
    assert report(file, *options, "--image", picture) == 1
    left = file.read_text(encoding="utf-8").split("## Left out")[1]

    assert "colours, fp32: load, texts_1, second_text" in left
    assert "(no time was left)" in left


def test_without_a_gpu_it_is_refused_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(tmp_path / "report.md") == 2
    told = capsys.readouterr().err.splitlines()[-1]

    assert "nothing to report of backend 'cuda': backend 'cuda' needs" in told
    assert "`--backend cpu` measures the same on the CPU" in told
    assert not (tmp_path / "report.md").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--report", "r.md", "--size", "64x48"), "--size is not for a bench with --report"),
        (("--report", "r.md", "--against", "plain"), "--against is not for a bench with --report"),
        (("--report", "r.md", "--json"), "--json is not for a bench with --report"),
        (("--report", "r.md", "--cuda-graphs"), "--cuda-graphs is not for a bench with --report"),
        (("--report", "r.md", "--plot", "g.png"), "--plot is not for a bench with --report"),
        (("--report", "r.md", "--bundle", "absent"), "no bundle 'absent'"),
        (("--within", "9"), "--within is not for a bench without --report"),
        (("--bundle", "tabletop", "--bundle", "b"), "several --bundle are for --report"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    arguments: tuple[str, ...],
    reason: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["bench", *arguments]) == 2
    assert reason in capsys.readouterr().err


def test_the_node_answers_over_dds_and_its_cpu_time_is_told(
    sam3_bundle_path: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_node, "_FRAMES", 3)
    monkeypatch.setattr(report_node, "_CLICKS", 2)
    way = Way("cpu", "fp32")
    found = measure_node(str(sam3_bundle_path), way, "red", picture, 1, time.monotonic() + 120)

    assert found.reason == ""
    assert [case["pace"] for case in found.cases] == [
        "as fast as answered",
        "first click on a frame",
        "next click on it",
    ]
    assert found.cpu_ms_per_frame is not None
    assert found.cpu_ms_per_frame > 0


def test_a_node_that_does_not_come_up_says_why(sam3_bundle_path: Path, picture: Path) -> None:
    way = Way("cuda", "fp16")
    found = measure_node(str(sam3_bundle_path), way, "red", picture, 1, time.monotonic() + 120)

    assert found.reason.startswith("failed: ")
    assert not found.is_left_out


def test_a_node_that_takes_too_long_is_stopped(
    sam3_bundle_path: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeps = "import time; print('{}', flush=True); time.sleep(60)"
    monkeypatch.setattr(report_node, "_COMMAND", (sys.executable, "-c", sleeps))
    began = time.monotonic()
    way = Way("cpu", "fp32")
    found = measure_node(str(sam3_bundle_path), way, "red", picture, 1, began + 1)

    assert found.is_left_out
    assert time.monotonic() - began < 40
    late = measure_node(str(sam3_bundle_path), way, "red", picture, 1, began)
    assert late.reason == "no time was left"
    assert json.dumps(late.cases) == "[]"
