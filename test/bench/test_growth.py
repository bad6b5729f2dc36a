"""How often stages run as items grow, and the figures of a growth."""

from __future__ import annotations

import weakref
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scenes import colour_scene

from sam3_ros.bench.growth import CAMERAS, POINTS, PROMPTS, Growth, GrowthPoint, growths
from sam3_ros.bench.measurement import Budget
from sam3_ros.bench.scenarios import ScenarioPrompt, SimulatedCameras, Workload
from sam3_ros.bench.setup import ObservedSessions
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.prompts import ConceptPrompt
from sam3_ros.core.segmenter.segmenter import Segmenter

# So short that nothing but the first of each growth is run to warm up.
ONCE = Budget(repeats=1, seconds=1e-6, least=1)
SIZES = (ImageSize(48, 64), ImageSize(96, 128))

Runs = dict[str, Counter[str]]


@pytest.fixture(scope="module")
def measured(sam3_bundle_path: Path) -> tuple[list[Growth], Runs]:
    """Return the growths, and how often each stage ran for each point."""
    sessions, begins = ObservedSessions(), {}
    scene = colour_scene(120, 160, {"red": (50, 40, 110, 80)})
    with Segmenter.load(sam3_bundle_path, threads=1, open_session=sessions) as segmenter:
        workload = Workload(scene, "red")
        found = list(
            growths(
                *(segmenter, workload, SIZES, ONCE),
                lambda point: begins.setdefault(point, len(sessions.runs)),
            )
        )
    stages = [run.path.stem for run in sessions.runs]
    ends = [*begins.values(), len(stages)]
    parts = [Counter(stages[begin:end]) for begin, end in pairwise(ends)]
    return found, dict(zip(begins, parts, strict=True))


@pytest.mark.parametrize("count", PROMPTS)
def test_prompts_share_the_image_and_each_has_its_own_fusion(measured, count: int) -> None:
    runs = measured[1][f"prompts: {count}"]

    calls = 2 if count == PROMPTS[0] else 1
    assert runs["image_trunk"] == calls
    assert runs["fusion"] == runs["segmentation"] == calls * count


@pytest.mark.parametrize("count", CAMERAS)
def test_cameras_share_nothing_but_the_text(measured, count: int) -> None:
    runs = measured[1][f"cameras: {count}"]

    calls = 2 if count == CAMERAS[0] else 1
    assert runs["image_trunk"] == runs["fusion"] == calls * count
    assert runs["text"] == 0


def test_the_last_frame_of_each_camera_is_kept_while_the_next_is_encoded(
    sam3_bundle_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, made, alive = Segmenter.encode_image, [], [0]

    def counted(segmenter: Segmenter, image: np.ndarray) -> ImageEmbedding:
        alive.append(sum(each() is not None for each in made))
        embedding = encode(segmenter, image)
        made.append(weakref.ref(embedding))
        return embedding

    monkeypatch.setattr(Segmenter, "encode_image", counted)
    scene = colour_scene(120, 160, {"red": (50, 40, 110, 80)})
    with Segmenter.load(sam3_bundle_path, threads=1) as segmenter:
        cameras = SimulatedCameras(segmenter, scene, 3)
        for camera in (0, 1, 2, 0, 1):
            cameras.new_frame(camera, [ScenarioPrompt(ConceptPrompt("red"))])
        assert alive == [0, 0, 1, 2, 3, 3]
        del cameras
        made.clear()
        alive.clear()
        for growth in growths(segmenter, Workload(scene, "red"), SIZES, ONCE):
            if growth.key == "cameras":
                break

    assert max(alive) == max(CAMERAS), "all but the last, and the frame that clicks are asked of"


@pytest.mark.parametrize("count", POINTS)
def test_points_of_one_object_take_one_run_of_the_decoder(measured, count: int) -> None:
    runs = measured[1][f"points: {count}"]

    assert runs["mask_decoder"] == (2 if count == POINTS[0] else 1)
    assert runs["image_trunk"] == 0


def test_the_image_sizes_are_those_that_were_asked(measured) -> None:
    found = {growth.key: growth for growth in measured[0]}

    assert [p.label for p in found["image size"].points] == ["64x48", "128x96"]
    assert [p.amount for p in found["image size"].points] == [0.003072, 0.012288]
    assert all(point.repeats == 1 for growth in measured[0] for point in growth.points)


def test_growth_is_relative_to_the_first_point() -> None:
    one, four = GrowthPoint("1", 1, 10.0, 11.0, 5), GrowthPoint("4", 4, 25.0, 26.0, 5)
    growth = Growth("prompts", "so many texts on a new frame", "prompt", (one, four))

    assert (growth.ratio(one), growth.ratio(four)) == (1.0, 2.5)
    assert (one.per_item_ms, four.per_item_ms) == (10.0, 6.25)
    assert (growth.each_more_ms(one), growth.each_more_ms(four)) == (None, 5.0)
