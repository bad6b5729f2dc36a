"""What a tracked image is made of, and how often stages run as objects and memories grow."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from scenes import colour_scene
from video_model import VideoModel, scene

from sam3_ros.bench.growth import Growth
from sam3_ros.bench.measurement import Budget
from sam3_ros.bench.setup import ObservedSessions
from sam3_ros.bench.tracking import OBJECTS, PARTS, parts_of, tracking_growths
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.segmenter.interactive import InteractiveAnswers
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.timings import CallTimings
from sam3_ros.core.tracking.asking import Asking
from sam3_ros.core.tracking.choice import following_of
from sam3_ros.core.tracking.session import TrackingSession
from sam3_ros.core.tracking.settings import TrackingSettings

# So short that nothing but the first of each growth is run to warm up.
ONCE = Budget(repeats=1, seconds=1e-6, least=1)


class SegmenterOfVideo:
    """A segmenter of the small model, which has no files."""

    def __init__(self, model: VideoModel) -> None:
        self.bundle = SimpleNamespace(manifest=model.manifest)
        self.encode_image = model.embedding
        self._timings = CallTimings()

    def track(self, settings: TrackingSettings) -> TrackingSession:
        manifest = self.bundle.manifest
        asking = Asking(
            require_own=lambda _: None,
            askable=lambda _, prompt: prompt,
            detect=lambda *_: [],
            timings=self._timings,
            bundle="small",
        )
        answers = InteractiveAnswers(manifest.interactive, self._timings)
        return TrackingSession(asking, following_of(manifest, answers, self._timings), settings)


@pytest.fixture(scope="module")
def by_memory() -> tuple[dict[str, Growth], dict[str, list[tuple[str, Any]]]]:
    """Return the growths, and what ran for each point."""
    model = VideoModel(memories=3)
    begins: dict[str, int] = {}
    found = tracking_growths(
        SegmenterOfVideo(model),
        scene(3),
        ONCE,
        lambda point: begins.setdefault(point, len(model.fed)),
    )
    growths = {growth.key: growth for growth in found}
    ends = [*begins.values(), len(model.fed)]
    runs = [model.fed[begin:end] for begin, end in pairwise(ends)]
    return growths, dict(zip(begins, runs, strict=True))


def test_objects_and_memories_grow(by_memory) -> None:
    growths, _ = by_memory
    assert [point.amount for point in growths["objects"].points] == list(OBJECTS)
    assert [point.amount for point in growths["memories"].points] == [1, 2, 3, 4]
    assert growths["objects"].title == "so many objects on a new frame, with 4 memories each"


@pytest.mark.parametrize("count", OBJECTS)
def test_objects_share_the_image_and_nothing_else(by_memory, count: int) -> None:
    growths, runs = by_memory
    stages = Counter(name for name, _ in runs[f"objects: {count}"])
    images = stages["image"]
    assert stages["memory_attention"] == count * (images - 1)  # one image had the prompts
    assert stages["memory_encoder"] == count * images
    point = next(each for each in growths["objects"].points if each.amount == count)
    assert point.followed == count


@pytest.mark.parametrize("memories", [1, 2, 3, 4])
def test_the_timed_image_has_so_many_memories(by_memory, memories: int) -> None:
    _, runs = by_memory
    of_attention = [f for name, f in runs[f"memories: {memories}"] if name == "memory_attention"]
    assert len(of_attention[-1]["memories"]) == memories


def test_an_image_s_time_is_that_of_its_parts(by_memory) -> None:
    growths, _ = by_memory
    for growth in growths.values():
        for point in growth.points:
            assert tuple(point.parts_ms) == PARTS
            # Six parts, each rounded to a microsecond.
            assert sum(point.parts_ms.values()) == pytest.approx(point.median_ms, abs=4e-3)


def test_memories_are_weighed(by_memory) -> None:
    growths, _ = by_memory
    assert all(point.object_bytes > 0 for growth in growths.values() for point in growth.points)


def test_every_stage_has_its_part() -> None:
    assert parts_of(VideoModel().manifest) == {
        "preprocess": "image",
        "postprocess": "masks",
        "image": "image",
        "mask_prompt": "decoder",
        "memory_encoder": "encoder",
        "memory_attention": "attention",
        "decoder": "decoder",
        "object_pointer": "decoder",
    }


def test_a_bundle_without_a_memory_prompts_again(mobile_sam_bundle_path: Path) -> None:
    picture = colour_scene(120, 160, {"red": (50, 40, 110, 80)})
    sessions = ObservedSessions()
    with Segmenter.load(mobile_sam_bundle_path, threads=1, open_session=sessions) as segmenter:
        (growth,) = tracking_growths(segmenter, picture, ONCE)
    assert growth.title == "so many objects on a new frame, by prompting again"
    assert [point.amount for point in growth.points] == list(OBJECTS)
    assert {point.parts_ms["attention"] for point in growth.points} == {0}


def test_a_bundle_that_follows_nothing_is_refused() -> None:
    segmenter = SimpleNamespace(
        bundle=SimpleNamespace(manifest=SimpleNamespace(name="words", interactive=None))
    )
    with pytest.raises(Sam3RosError, match="words takes no clicks"):
        next(tracking_growths(segmenter, scene(1), ONCE))
