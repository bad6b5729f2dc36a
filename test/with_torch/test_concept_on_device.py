"""Rounded lengths and several prompts at once on SAM 3's own stages, small.

Device sessions in the host's memory take the place of a GPU's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from device_sessions import CountedSession, Traffic, on_device
from small_sam3 import INPUT_SIZE, WIDTH, small_sam3

from sam3_ros.core.bundle.manifest import ConceptSettings, Preprocessing
from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.segmenter.concept import ConceptAnswers
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.lengths import EXACT, ROUNDED, LengthRule
from sam3_ros.core.segmenter.masks import iou
from sam3_ros.core.segmenter.prompts import ConceptPrompt
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.segmenter.text import TextEmbedding
from sam3_ros.core.segmenter.transform import ImageTransform
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.order import StageSpec
from sam3_ros.core.timings import CallTimings
from sam3_ros.export.onnx_file import write_onnx
from sam3_ros.export.stage import StageModule

pytestmark = pytest.mark.long

Files = list[tuple[StageSpec, Path]]

HALF = (0.5, 0.5, 0.5)
SIZE = ImageSize(90, 120)
BOXES = (Box(10, 10, 60, 50), Box(70, 20, 110, 80), Box(5, 60, 40, 88))
PROMPTS = (
    ConceptPrompt("one"),
    ConceptPrompt("another word", BOXES[:1]),
    ConceptPrompt("one", BOXES, (1, 0, 1)),
    ConceptPrompt("the last of the words"),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("sam3")
    stages = small_sam3().stages(("concept",))
    del stages["text"]
    return [
        (_spec(name, each), write_onnx(each, folder / name).path) for name, each in stages.items()
    ]


def _spec(name: str, stage: StageModule) -> StageSpec:
    return StageSpec(name, *({n: n for n in names} for names in (stage.inputs, stage.outputs)))


class Asker:
    """Asks concept prompts of one image, by a rule of lengths."""

    def __init__(self, files: Files, lengths: LengthRule) -> None:
        self.traffic = Traffic()
        paths = {stage.name: path for stage, path in files}

        def open_stage(stage: StageSpec) -> CountedSession:
            return CountedSession(stage.name, on_device(paths[stage.name]), self.traffic)

        graph = StageGraph([stage for stage, _ in files], open_stage)
        frame = Preprocessing(INPUT_SIZE, INPUT_SIZE, HALF, HALF)
        image = np.random.default_rng(5).integers(0, 256, (*SIZE, 3), np.uint8)
        transform = ImageTransform(SIZE, frame)
        self.image = ImageEmbedding(graph, transform, transform.pixel_values(image), lengths)
        settings = ConceptSettings(SimpleNamespace())  # type: ignore[arg-type]
        texts: Any = SimpleNamespace(encode=text_embedding)
        self._answers = ConceptAnswers(settings, texts, CallTimings())

    def ask(self, prompts: Sequence[ConceptPrompt], *thresholds: float) -> list[list[Segment]]:
        return self._answers.ask(self.image, prompts, thresholds)


def text_embedding(text: str) -> TextEmbedding:
    """Return features of 16 tokens, of which as many are valid as the text has words, and two."""
    features = np.random.default_rng(len(text)).standard_normal((1, 16, WIDTH)).astype(np.float32)
    return TextEmbedding(features, np.arange(16)[None] < 2 + len(text.split()))


def assert_same(found: list[list[Segment]], expected: list[list[Segment]]) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert one.score == pytest.approx(other.score, abs=1e-6)
            assert iou(one.mask, other.mask) > 0.999


@pytest.fixture(scope="module")
def thresholds(files: Files) -> list[float]:
    """Return for each prompt a threshold that keeps 3, 1, 5 and 2 queries."""
    every = [answer for prompt in PROMPTS for answer in Asker(files, EXACT).ask([prompt], 0.0)]
    kept = zip(every, (3, 1, 5, 2), strict=True)
    return [(answer[count - 1].score + answer[count].score) / 2 for answer, count in kept]


@pytest.fixture(scope="module")
def expected(files: Files, thresholds: list[float]) -> list[list[Segment]]:
    found = Asker(files, EXACT).ask(PROMPTS, *thresholds)
    assert [len(answer) for answer in found] == [3, 1, 5, 2]
    return found


def test_rounded_lengths_answer_alike(
    files: Files, thresholds: list[float], expected: list[list[Segment]]
) -> None:
    asker = Asker(files, ROUNDED.one_by_one)
    assert_same(asker.ask(PROMPTS, *thresholds), expected)
    assert asker.traffic.runs.count("fusion") == 4


def test_prompts_together_answer_alike_and_the_host_waits_thrice(
    files: Files, thresholds: list[float], expected: list[list[Segment]]
) -> None:
    asker = Asker(files, ROUNDED)
    assert_same(asker.ask(PROMPTS, *thresholds), expected)
    for stage in ("fusion_image", "fusion", "decoder", "scoring", "segmentation"):
        assert asker.traffic.runs.count(stage) == 1
    assert [stage for stage, _ in asker.traffic.waits] == ["geometry", "scoring", "segmentation"]
    assert asker.traffic.started_before_waits == ["fusion_image", "scoring", "segmentation"]


def test_a_prompt_that_keeps_nothing_is_left_out_of_the_segmentation(
    files: Files, thresholds: list[float], expected: list[list[Segment]]
) -> None:
    asker = Asker(files, ROUNDED)
    first, _, third, fourth = thresholds
    found = asker.ask(PROMPTS, first, 1.0, third, fourth)
    assert_same(found, [expected[0], [], *expected[2:]])
    assert asker.traffic.runs.count("segmentation") == 3
    assert "memory" in asker.traffic.read_in_place("segmentation")
    assert ("fusion", "memory") not in asker.traffic.to_host
    assert [stage for stage, _ in asker.traffic.waits] == ["geometry", "scoring", "segmentation"]
