"""How often the host waits for a device: where it reads something, and nowhere else.

Device sessions in the host's memory take the place of a GPU's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from device_sessions import Devices, Traffic
from scenes import colour_scene

from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.plan import StageChoice, StagePlan

SCENE = colour_scene(240, 320, {"red": [(20, 30, 90, 110), (200, 40, 300, 180)]})
RED, GREEN = ConceptPrompt("red"), ConceptPrompt("green")
SHOWN = ConceptPrompt("red", (Box(20, 30, 90, 110),))
CLICK = InteractivePrompt(points=((50, 60),))


@pytest.fixture
def devices() -> Devices:
    return Devices()


@pytest.fixture
def segmenter(sam3_bundle_path: Path, devices: Devices) -> Iterator[Segmenter]:
    plan = StagePlan(StageChoice("cuda", "fp32"))
    with Segmenter.load(sam3_bundle_path, open_session=devices, plan=plan) as loaded:
        for text in ("red", "green"):
            loaded.encode_text(text)
        devices.traffic.waits.clear()
        yield loaded


def waited_for(traffic: Traffic) -> list[str]:
    return [stage for stage, _ in traffic.waits]


@pytest.mark.parametrize(
    ("asked", "waits"),
    [
        ([RED], ["geometry", "scoring", "segmentation"]),
        ([GREEN], ["geometry", "scoring"]),
        ([RED, SHOWN], ["geometry", "scoring", "segmentation"]),
        ([RED, GREEN, SHOWN, RED], ["geometry", "scoring", "segmentation"]),
        ([CLICK], ["mask_decoder"]),
    ],
)
def test_a_new_frame_waits_once_for_each_thing_that_is_read(
    segmenter: Segmenter, devices: Devices, asked: list[Prompt], waits: list[str]
) -> None:
    segmenter.ask(segmenter.encode_image(SCENE), asked)
    assert waited_for(devices.traffic) == waits


def test_another_text_on_a_seen_frame_does_not_wait_for_geometry(
    segmenter: Segmenter, devices: Devices
) -> None:
    embedding = segmenter.encode_image(SCENE)
    segmenter.ask(embedding, [GREEN])
    devices.traffic.waits.clear()
    segmenter.ask(embedding, [RED])
    assert waited_for(devices.traffic) == ["scoring", "segmentation"]


def test_where_nothing_is_kept_only_scores_are_read(segmenter: Segmenter, devices: Devices) -> None:
    segmenter.ask(segmenter.encode_image(SCENE), [GREEN])
    read = {name for stage, name in devices.traffic.to_host if stage in ("decoder", "scoring")}
    assert read == {"logits", "presence"}


def test_of_filled_up_queries_only_the_kept_ones_masks_are_read(
    segmenter: Segmenter, devices: Devices
) -> None:
    sizes = []
    for prompts in ([RED], [RED, ConceptPrompt("red", id="again")]):
        devices.traffic.bytes_to_host.clear()
        found = segmenter.ask(segmenter.encode_image(SCENE), prompts)
        sizes.append(devices.traffic.bytes_to_host["segmentation", "masks"] / len(found))
    assert sizes == [48 * 64 * 4] * 2
