"""Exported models take the last mask as their prompt, at the size in their bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import small_clicker
import small_sam3
from recording_sessions import Outputs, Recorder

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.export.commands.export_job import ExportJob
from sam3_ros.export.commands.exporter import export_bundle
from sam3_ros.export.family import Family
from sam3_ros.export.network import Network
from sam3_ros.export.weights.filled_network import from_seed

pytestmark = pytest.mark.long

CLICK = InteractivePrompt(points=((30, 20),))
HEIGHT, WIDTH = 48, 64


def exported(family: Family, architecture: object, network: Network, size: int, to: Path) -> Bundle:
    job = ExportJob(
        family=family,
        architecture=architecture,
        network=network,
        input_size=size,
        target=to,
        source={"origin": "made by the tests"},
        parts=("interactive",),
    )
    return export_bundle(job, lambda _: None)


def sees_something(outputs: Outputs) -> Outputs:
    """Replace the masks by a sure rectangle, so that the next request has a mask to use.

    Random weights may find nothing; the next request shows how the answer was used.
    """
    masks = outputs["sam_masks"]
    rows, columns = masks.shape[-2:]
    masks[...] = -30
    masks[..., rows // 4 : rows // 2, columns // 4 : columns // 2] = 30
    sure = (
        {"object_score": np.full_like(outputs["object_score"], 5)}
        if ("object_score" in outputs)
        else {}
    )
    return {**outputs, **sure, "sam_masks": masks, "sam_iou": np.full_like(outputs["sam_iou"], 0.9)}


@pytest.fixture(params=["clicker", "sam3"])
def bundle(request: pytest.FixtureRequest, tmp_path: Path) -> Bundle:
    target = tmp_path / "bundle"
    if request.param == "clicker":
        filled = from_seed(small_clicker.FAMILY, 1, None, None)
        made = (small_clicker.FAMILY, filled.architecture, filled.network, filled.input_size)
    else:
        network = small_sam3.small_sam3()
        made = (small_sam3.FAMILY, small_sam3.ARCHITECTURE, network, small_sam3.INPUT_SIZE)
    return exported(*made, target)


def test_the_last_mask_reaches_the_prompt_encoder(bundle: Bundle) -> None:
    recorder = Recorder({"mask_decoder": sees_something})
    image = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    with Segmenter.load(bundle, threads=2, open_session=recorder) as segmenter:
        tracking = segmenter.track()
        tracking.add(segmenter.encode_image(image), CLICK)
        unprompted = recorder.fed("mask_decoder")["dense"]
        tracking.step(segmenter.encode_image(image))
    settings = bundle.manifest.interactive
    assert settings is not None
    assert settings.mask_input is not None
    fed = recorder.fed("prompt_encoder")
    size = (settings.mask_input.height, settings.mask_input.width)
    assert fed["mask_input"].shape == (1, 1, *size)
    assert fed["has_mask"].tolist() == [1]
    assert fed["mask_input"].max() == 4
    assert fed["mask_input"].min() == -4
    assert np.abs(recorder.fed("mask_decoder")["dense"] - unprompted).max() > 1e-3
