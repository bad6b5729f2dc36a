from __future__ import annotations

import pytest

from sam3_ros.core.bundle.verification import NOT_VERIFIED, described_verification


@pytest.mark.parametrize(
    ("verification", "words"),
    [
        ({}, NOT_VERIFIED),
        ({"onnx_against_pytorch": {}, "peak_memory_bytes": 5}, NOT_VERIFIED),
        (
            {
                "onnx_against_pytorch": {
                    "image": {"outputs": {"a": {"limit": 1e-4}, "b": {"limit": 1e-3}}},
                    "text": {"outputs": {"c": {"limit": 1e-3}}},
                },
                "end_to_end": {"fp32": {"questions": 16}},
            },
            "2 stages against PyTorch, tolerance 0.0001 to 0.001; fp32 end to end",
        ),
        (
            {"precisions": {"fp16": {"end_to_end": {"mean_mask_iou": 0.9987}}, "int8": {}}},
            "fp16 against fp32, mean mask IoU 0.999; int8 against fp32",
        ),
        (
            {
                "verified": {"reference": {"figures": 46, "failed": [{}, {}]}},
                "not_written": {"a": 1},
            },
            "reference: 44 of 46 figures in tolerance",
        ),
        ({"onnx_against_pytorch": {"largest": {"a": 1.0}}}, "stages against PyTorch"),
        ({"unseen_scenes": {"scenes": 500}}, "unseen scenes"),
        ({"verified": {"mine": "yes"}, "end_to_end": "yes"}, "mine"),
    ],
)
def test_what_was_verified_in_words(verification: dict[str, object], words: str) -> None:
    assert described_verification(verification) == words
