"""What the scenarios ask and which stages they run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from recording_sessions import Recorder
from scenes import colour_scene

from sam3_ros.bench.scenarios import Workload, present_click, scenarios
from sam3_ros.core.segmenter.segmenter import Segmenter

SCENE = colour_scene(240, 320, {"red": [(20, 30, 90, 110), (200, 40, 300, 180)]})


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def segmenter(sam3_bundle_path: Path, recorder: Recorder) -> Iterator[Segmenter]:
    with Segmenter.load(sam3_bundle_path, threads=1, open_session=recorder) as loaded:
        yield loaded


def test_present_draws_one_mask_and_absent_none(segmenter: Segmenter, recorder: Recorder) -> None:
    workload = Workload(SCENE, "red", prompts=3, cameras=2)
    found = {each.key: each for each in scenarios(segmenter, workload)}
    # The toy has no opinion of the other phrases: all 8 queries are its best.
    expected = {"text_new_frame": [1], "text_absent": [], "prompts_new_frame": [1, 8, 8]}
    for key, drawn in expected.items():
        found[key].call()
        recorder.runs.clear()
        found[key].call()
        fed = [feeds["queries"] for name, feeds in recorder.runs if name == "segmentation"]
        assert [queries.shape[1] for queries in fed] == drawn
        assert "text" not in recorder.stages
    recorder.runs.clear()
    found["second_text_seen_frame"].call()
    assert not {"image_trunk", "detector_neck", "text"} & {*recorder.stages}


def test_cameras_take_turns_with_views_of_their_own(
    segmenter: Segmenter, recorder: Recorder
) -> None:
    workload = Workload(SCENE, "red", cameras=3)
    turns = next(s for s in scenarios(segmenter, workload) if s.key == "cameras_round_robin")
    seen = []
    for _ in range(4):
        turns.call()
        (pixels,) = recorder.fed("image_trunk").values()
        seen.append(pixels.tobytes())
    assert len({*seen}) == 3
    assert seen[3] == seen[0]


def test_a_single_prompt_or_camera_has_no_scenario_of_several(segmenter: Segmenter) -> None:
    keys = [s.key for s in scenarios(segmenter, Workload(SCENE, "red", prompts=1, cameras=1))]
    assert not {"prompts_new_frame", "cameras_round_robin"} & {*keys}


def test_the_click_is_on_something_if_there_is_anything(segmenter: Segmenter) -> None:
    seen = segmenter.encode_image(SCENE)
    ((x, y),) = present_click(segmenter, seen).points
    assert (x, y) == (200.0, 120.0)  # not (160, 120), between the two
    bare = segmenter.encode_image(colour_scene(240, 320, {}))
    assert present_click(segmenter, bare).points == ((160.0, 120.0),)
