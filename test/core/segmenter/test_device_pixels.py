"""Pixels that are prepared where the model runs, if the bundle has a stage for it there.

Device sessions in the host's memory take the place of a GPU's.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from bundles import write_sam3_bundle
from device_sessions import CountedSession, Devices
from scenes import colour_scene

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import InferenceError
from sam3_ros.core.precision.repair import guard
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segments
from sam3_ros.core.stages.plan import REFERENCE, StageChoice, StagePlan
from sam3_ros.core.stages.session import Session, SessionOptions, Tensor

SCENE = colour_scene(240, 320, {"red": [(20, 30, 90, 110), (200, 40, 300, 180)]})
PROMPTS = (ConceptPrompt("red"), InteractivePrompt(points=((50, 60),)))
ON_GPU = StagePlan(StageChoice("cuda", "tf32"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_sam3_bundle(tmp_path_factory.mktemp("pixels") / "colours", prepares_pixels=True)


def assert_alike(found: Segments, expected: Segments) -> None:
    assert len(found) == len(expected) > 1
    for one, other in zip(found, expected, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-2)
        assert np.mean(one.mask != other.mask) < 0.002


def test_the_image_goes_to_the_device_as_it_came(bundle: Bundle) -> None:
    with Segmenter.load(bundle, threads=1) as plain:
        expected = plain.segment(SCENE, *PROMPTS)
    devices = Devices()
    with Segmenter.load(bundle, open_session=devices, plan=ON_GPU) as segmenter:
        assert "pixels" in segmenter.providers
        assert_alike(segmenter.segment(SCENE, *PROMPTS), expected)
    sent = devices.traffic.to_device
    assert ("pixels", "picture") in sent
    assert ("image_trunk", "image") not in sent
    assert devices.traffic.read_in_place("pixels") == {"row_weights", "column_weights"}


def test_the_matrices_of_a_size_go_there_once(bundle: Bundle) -> None:
    devices = Devices()
    with Segmenter.load(bundle, open_session=devices, plan=ON_GPU) as segmenter:
        for image in (SCENE, SCENE, SCENE[:200], SCENE):
            segmenter.encode_image(image)
    sent = [name for stage, name in devices.traffic.to_device if stage == "pixels"]
    assert (sent.count("picture"), sent.count("row_weights")) == (4, 2)


def test_the_image_is_read_when_it_is_encoded_and_not_kept(bundle: Bundle) -> None:
    devices = Devices()
    with Segmenter.load(bundle, open_session=devices, plan=ON_GPU) as segmenter:
        expected = segmenter.segment(SCENE, *PROMPTS)
        image = SCENE.copy()
        embedding = segmenter.encode_image(image)
        assert embedding.nbytes == embedding.device_nbytes == 3 * 96 * 128 * 4
        image[:] = 0
        assert_alike(segmenter.ask(embedding, PROMPTS), expected)
        gone = weakref.ref(image)
        del image
        gc.collect()
        assert gone() is None


def test_its_time_is_that_of_a_stage(bundle: Bundle) -> None:
    with Segmenter.load(bundle, open_session=Devices(), plan=ON_GPU) as segmenter:
        timings = segmenter.encode_image(SCENE).timings
    assert timings.keys() == {"preprocess", "pixels"}


@pytest.mark.parametrize(
    "plan",
    [
        StagePlan(),
        ON_GPU.changed(["pixels"], REFERENCE),
        ON_GPU.changed(["image_trunk"], REFERENCE),
        StagePlan(StageChoice("tensorrt", "fp32")),
    ],
)
def test_the_cpu_prepares_the_pixels_of_stages_elsewhere(bundle: Bundle, plan: StagePlan) -> None:
    devices = Devices()
    with Segmenter.load(bundle, open_session=devices, plan=plan) as segmenter:
        segmenter.encode_image(SCENE)
        assert "pixels" not in devices.traffic.runs


def test_a_changed_plan_takes_the_stage_and_leaves_it(bundle: Bundle) -> None:
    with Segmenter.load(bundle, open_session=Devices(), plan=ON_GPU) as segmenter:
        segmenter.encode_image(SCENE)
        segmenter.change_plan(StagePlan())
        assert "pixels" not in segmenter.providers
        expected = segmenter.segment(SCENE, *PROMPTS)
        segmenter.change_plan(ON_GPU)
        assert "pixels" in segmenter.providers
        assert_alike(segmenter.segment(SCENE, *PROMPTS), expected)


class Failing(CountedSession):
    def run_on_device(self, _: Mapping[str, Tensor]) -> dict[str, Tensor]:
        raise RuntimeError("out of memory")


class Brighter(CountedSession):
    def run_on_device(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: value.numpy() + 0.2 for name, value in super().run_on_device(feeds).items()}


class FaultyPixels(Devices):
    def __init__(self, session: type[CountedSession]) -> None:
        super().__init__()
        self._session = session

    def __call__(self, path: Path, backend: str, options: SessionOptions) -> Session:
        session = super().__call__(path, backend, options)
        if path.stem != "pixels":
            return session
        return self._session("pixels", self.on_device["pixels"], self.traffic)


def test_a_failure_names_the_stage(bundle: Bundle) -> None:
    with (
        Segmenter.load(bundle, open_session=FaultyPixels(Failing), plan=ON_GPU) as segmenter,
        pytest.raises(InferenceError, match=r"'pixels' failed .* out of memory"),
    ):
        segmenter.encode_image(SCENE)


@pytest.mark.parametrize("fault", [Failing, Brighter])
def test_the_guard_reverts_the_stage_alone(bundle: Bundle, fault: type[CountedSession]) -> None:
    with Segmenter.load(bundle, open_session=FaultyPixels(fault), plan=ON_GPU) as segmenter:
        guarded = guard(segmenter, on_failure="fp32")
        assert guarded is not None
        assert guarded.reverted == ("pixels",)
        assert len(segmenter.segment(SCENE, *PROMPTS)) == 3


def test_the_guard_judges_the_stage_with_the_others(bundle: Bundle) -> None:
    devices = Devices()
    with Segmenter.load(bundle, open_session=devices, plan=ON_GPU) as segmenter:
        guarded = guard(segmenter)
    assert guarded is not None and guarded.verdict is not None and guarded.verdict.passed
    assert guarded.verdict.distances["pixels"] < 0.01
    assert "pixels" in devices.traffic.runs
