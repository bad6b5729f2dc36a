from __future__ import annotations

from pathlib import Path

import pytest

from sam3_ros.core.errors import PrecisionError
from sam3_ros.core.segmenter.loading import LoadProgress
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.session import Session, SessionOptions


def test_every_stage_is_reported_before_it_is_loaded(sam3_bundle_path: Path) -> None:
    reported: list[LoadProgress] = []
    Segmenter.load(sam3_bundle_path, threads=1, on_progress=reported.append).close()
    assert [each.number for each in reported] == [*range(1, len(reported) + 1)]
    assert {each.count for each in reported} == {len(reported)}
    for each in reported:
        file = sam3_bundle_path / "fp32" / f"{each.stage}.onnx"
        assert each.bytes == file.stat().st_size


def test_a_stage_that_cannot_be_loaded_was_reported_last(sam3_bundle_path: Path) -> None:
    reported: list[LoadProgress] = []

    def fails(path: Path, backend: str, options: SessionOptions) -> Session:
        raise RuntimeError(f"{path.stem}, {backend}, device {options.device_id}")

    with pytest.raises(RuntimeError, match=r"^\w+, cuda, device 1$") as caught:
        Segmenter.load(
            sam3_bundle_path, "cuda", device_id=1, open_session=fails, on_progress=reported.append
        )
    assert str(caught.value).startswith(reported[-1].stage)
    with pytest.raises(PrecisionError, match="int4"):
        Segmenter.load(sam3_bundle_path, precision="int4", on_progress=reported.append)


def test_progress_in_words() -> None:
    assert str(LoadProgress("image", 3, 15, 120_400_000)) == "stage 3 of 15, image, 120 MB"
    assert str(LoadProgress("image", 1, 1, 1_234_000_000)) == "stage 1 of 1, image, 1.23 GB"
