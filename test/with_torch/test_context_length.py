"""A position table may be longer than the text that a model reads; then the notes say so."""

from __future__ import annotations

import pytest
import torch

from sam3_ros.core.errors import ExportError
from sam3_ros.export.families.sam3 import EFFICIENTSAM3
from sam3_ros.export.family import Notes, Shapes


@pytest.fixture(scope="module")
def shapes() -> Shapes:
    """Return the shapes of a checkpoint with 77 positions, by the original's names."""
    architecture = EFFICIENTSAM3.architecture("efficientvit-b0+mobileclip-s0@77")
    with torch.device("meta"):
        network = EFFICIENTSAM3.build(architecture, 112)
    own = network.state_dict()
    found = {}
    for binding in network.bindings():
        rows = sum(own[target].shape[0] for target in binding.targets if own[target].ndim)
        rest = tuple(own[binding.targets[0]].shape[1:])
        whole = (rows // len(binding.originals), *rest) if own[binding.targets[0]].ndim else ()
        found.update(dict.fromkeys(binding.originals, whole))
    return found


@pytest.mark.parametrize(
    ("notes", "context"),
    [
        ({}, 77),
        ({"file": "efficientsam3_efficientvit.pt"}, 77),
        ({"meta.text_context_length": 16, "file": "model.pt"}, 16),
        ({"text_context_length": "32", "file": "slim.safetensors"}, 32),
        ({"file": "sam3_litetext_mobileclip_s0_ctx16.pt"}, 16),
        ({"meta.text_context_length": 32, "file": "renamed_ctx16.pt"}, 32),
    ],
)
def test_the_context_comes_from_the_notes(shapes: Shapes, notes: Notes, context: int) -> None:
    architecture = EFFICIENTSAM3.recognise(shapes, notes)

    assert architecture.variant == f"efficientvit-b0+mobileclip-s0@{context}"
    assert EFFICIENTSAM3.settings(architecture, 1008).context_length == context
    text = EFFICIENTSAM3.build(architecture, 112).stages()["text"]
    assert text.inputs["input_ids"].shape == ("prompts", context)
    assert text.state_dict()["positions"].shape[2] == 77


def test_a_context_longer_than_the_table_is_refused(shapes: Shapes) -> None:
    with pytest.raises(ExportError, match="128 tokens requested"):
        EFFICIENTSAM3.recognise(shapes, {"meta.text_context_length": 128})
