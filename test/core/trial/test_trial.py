from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hostile_graphs import bombs

from sam3_ros.core.backends import open_session
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import BackendError, BundleError
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.plan import StageChoice, StagePlan
from sam3_ros.core.trial import child_process, limits, trial
from sam3_ros.core.trial.child_process import ChildEnd
from sam3_ros.core.trial.limits import TrialLimits
from sam3_ros.core.trial.record import TRUSTED, TrialRecord


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Children:
    """Stands in for run_in_child, and counts the children."""

    def __init__(self, end: ChildEnd) -> None:
        self.requests: list[Any] = []
        self._end = end

    def __call__(self, request: Any, _seconds: float) -> ChildEnd:
        self.requests.append(request)
        return self._end


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Children:
    found = Children(ChildEnd({}))
    monkeypatch.setattr(trial, "run_in_child", found)
    return found


def ended_by(end: ChildEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "run_in_child", Children(end))


def test_a_sound_bundle_runs_first_elsewhere_and_once(
    mobile_sam_bundle_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Segmenter.load(mobile_sam_bundle_path, threads=1):
        (record,) = (own_cache / "sam3_ros" / "tried").iterdir()
    assert record.stat().st_mode & 0o777 == 0o600
    never = Children(ChildEnd(None))
    monkeypatch.setattr(trial, "run_in_child", never)
    Segmenter.load(mobile_sam_bundle_path, threads=1).close()
    assert not never.requests


def test_the_shipped_bundle_and_sessions_of_ones_own_are_not_tried(
    sam3_bundle_path: Path, children: Children
) -> None:
    Segmenter.load("tabletop", threads=1).close()

    def own(path: Path, backend: str, options: Any) -> Any:
        return open_session(path, backend, options)

    Segmenter.load(sam3_bundle_path, threads=1, open_session=own).close()
    assert not children.requests


def test_another_precision_is_tried_anew_and_with_it_what_the_guard_returns_to(
    sam3_bundle_path: Path, children: Children
) -> None:
    bundle = Bundle.open(sam3_bundle_path)
    for precision in ("fp16", "fp32"):
        trial.require_tried(bundle, StagePlan(StageChoice("cpu", precision)))
    tried = [request["stages"]["image_trunk"]["files"] for request in children.requests]
    assert [Path(file).parent.name for (file,) in tried] == ["fp16", "fp32"]


def test_stages_of_a_gpu_are_tried_on_the_cpu(sam3_bundle_path: Path, children: Children) -> None:
    bundle = Bundle.open(sam3_bundle_path)
    trial.require_tried(bundle, StagePlan(StageChoice("cuda", "fp16")))
    stage = children.requests[0]["stages"]["image_trunk"]
    assert stage["backend"] == "cpu"
    assert [Path(file).parent.name for file in stage["files"]] == ["fp16", "fp32"]


def test_a_changed_bundle_is_tried_anew(
    sam3_bundle_path: Path, tmp_path: Path, children: Children
) -> None:
    copy = Path(shutil.copytree(sam3_bundle_path, tmp_path / "copy"))
    for folder in (sam3_bundle_path, copy):
        trial.require_tried(Bundle.open(folder), StagePlan())
    assert len(children.requests) == 1
    text = (copy / "bundle.yaml").read_text()
    (copy / "bundle.yaml").write_text(text.replace("multimask_max_points: 1", ""))
    (copy / "bundle.yaml").write_text(text.replace("name: colours", "name: others"))
    trial.require_tried(Bundle.open(copy), StagePlan())
    assert len(children.requests) == 2


@pytest.mark.parametrize(
    "spoil", ["writable", "link", "other", "broken", "large", "folder", "pipe"]
)
def test_a_record_that_is_not_ones_own_is_none(
    spoil: str, sam3_bundle_path: Path, children: Children, tmp_path: Path, own_cache: Path
) -> None:
    bundle = Bundle.open(sam3_bundle_path)
    trial.require_tried(bundle, StagePlan())
    (record,) = (own_cache / "sam3_ros" / "tried").iterdir()
    if spoil == "writable":
        record.chmod(0o666)
    elif spoil == "link":
        record.rename(tmp_path / "elsewhere.json")
        record.symlink_to(tmp_path / "elsewhere.json")
    elif spoil == "pipe":
        record.unlink()
        os.mkfifo(record, 0o600)
    elif spoil == "folder":
        record.parent.chmod(0o777)
    else:
        texts = {"other": json.dumps({"bundle": "x"}), "broken": "{", "large": " " * 20_000}
        record.write_text(texts[spoil])
    trial.require_tried(bundle, StagePlan())
    assert len(children.requests) == 2


def test_without_a_place_for_records_it_is_tried_at_every_start(
    sam3_bundle_path: Path,
    children: Children,
    own_cache: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    own_cache.write_text("a file where the folder should be")
    for _ in range(2):
        trial.require_tried(Bundle.open(sam3_bundle_path), StagePlan())
    assert len(children.requests) == 2
    assert "is not remembered" in caplog.text


def test_a_bundle_that_a_person_vouches_for_is_not_tried(
    sam3_bundle_path: Path, children: Children
) -> None:
    bundle = Bundle.open(sam3_bundle_path)
    TrialRecord(bundle, TRUSTED, "").write()
    trial.require_tried(bundle, StagePlan())
    assert not children.requests


@pytest.mark.parametrize(
    ("end", "kind", "reason"),
    [
        (ChildEnd(None, timed_out=True), BundleError, "did not end within"),
        (ChildEnd(None, status=-11), BundleError, "crashed .SIGSEGV."),
        (ChildEnd(None, status=-6, told="x\nterminate called"), BundleError, "terminate called"),
        (ChildEnd(None, status=-9), BundleError, "was killed"),
        (ChildEnd(None, status=-24), BundleError, "used up its time"),
        (ChildEnd(None, status=1), BundleError, "ended with 1"),
        (ChildEnd({"error": "x", "out_of_memory": True}), BundleError, "GB of memory"),
        (ChildEnd({"error": "no graph", "kind": "BackendError"}), BackendError, "^no graph$"),
        (ChildEnd({"error": "it divides", "kind": "InferenceError"}), BundleError, "it divides"),
        (ChildEnd({"error": "x", "kind": "OSError"}), BundleError, "failed: x"),
    ],
)
def test_a_run_that_does_not_end_well_is_told(
    end: ChildEnd,
    kind: type[Exception],
    reason: str,
    sam3_bundle_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    own_cache: Path,
) -> None:
    ended_by(end, monkeypatch)
    with pytest.raises(kind, match=reason):
        Segmenter.load(sam3_bundle_path)
    assert not list(own_cache.rglob("*.json"))


def test_a_file_that_only_a_gpu_runs_is_loaded_with_a_warning(
    sam3_bundle_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answer = {"error": "not implemented", "kind": "BackendError", "on_gpu_alone": True}
    ended_by(ChildEnd(answer), monkeypatch)
    trial.require_tried(Bundle.open(sam3_bundle_path), StagePlan(StageChoice("cuda", "fp32")))
    assert "only a GPU can run it" in caplog.text


@pytest.mark.parametrize("bomb", list(bombs()), ids=lambda each: str(each.name))
def test_a_bomb_goes_off_elsewhere_and_is_refused(
    bomb: Any, sam3_bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = TrialLimits(seconds=6.0, memory=600 << 20)
    monkeypatch.setattr(TrialLimits, "of", lambda *_: limits)
    folder = bomb.make(sam3_bundle_path, tmp_path / "bomb")
    with pytest.raises(BundleError, match=bomb.reason) as caught:
        Segmenter.load(folder, threads=1)
    assert "sam3-ros bundle trust" in str(caught.value)


def test_a_child_that_hangs_is_ended_with_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    start = """
import json, subprocess, sys, time
request = json.loads(sys.stdin.readline())
child = subprocess.Popen(["sleep", "100"])
print(json.dumps({"pid": child.pid}), flush=True)
time.sleep(100)
"""
    monkeypatch.setattr(child_process, "_START", start)
    end = child_process.run_in_child({}, 5.0)
    assert end.timed_out
    assert end.answer is not None
    deadline = time.monotonic() + 60
    while Path(f"/proc/{end.answer['pid']}").exists() and time.monotonic() < deadline:
        state = Path(f"/proc/{end.answer['pid']}/stat").read_text().rsplit(")", 1)[1].split()[0]
        if state == "Z":  # nobody collects it in a container without init
            break
        time.sleep(0.02)
    else:
        assert not Path(f"/proc/{end.answer['pid']}").exists()


def test_nothing_is_imported_from_the_folder_one_happens_to_be_in(
    mobile_sam_bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", *child_process._python_path()])
    trial.require_tried(Bundle.open(mobile_sam_bundle_path), StagePlan(), threads=1)
    assert not (tmp_path / "ran").exists()
    assert os.environ["XDG_CACHE_HOME"]


def test_limits_grow_with_the_model(sam3_bundle_path: Path) -> None:
    manifest = Bundle.open(sam3_bundle_path).manifest
    files = [stage.files["fp32"] for stage in manifest.stages.values()]
    small = TrialLimits.of(manifest, files)
    assert 60 < small.seconds < 61
    assert 1 << 30 < small.memory < 1.2e9


def test_limits_are_what_the_machine_has_whatever_a_manifest_declares(
    sam3_bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = Bundle.open(sam3_bundle_path).manifest
    size = replace(manifest.preprocessing, height=4096, width=4096)
    stage = manifest.stages["image_trunk"].files["fp32"]
    large = replace(stage, bytes=3 << 30)
    (tmp_path / "meminfo").write_text("MemTotal: 9000000 kB\nMemAvailable:    5000000 kB\n")
    monkeypatch.setattr(limits, "_MEMORY", tmp_path / "meminfo")
    declared = TrialLimits.of(replace(manifest, preprocessing=size), [large])
    assert declared.memory == 5_000_000 << 10
    names = [replace(large, path=f"fp32/{number}.onnx") for number in range(10)]
    assert TrialLimits.of(manifest, names).seconds == declared.seconds
