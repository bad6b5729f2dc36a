"""What SAM 3's own trainer writes: its image model alone, whose names have no `detector.`.

The video model of published files holds that image model as its `detector`, beside a `tracker`.
The image model may hold the tracker for clicks, below `inst_interactive_predictor.model.`. Source:
facebookresearch/sam3, sam3/train/trainer.py and sam3/model_builder.py.
"""

from __future__ import annotations

from dataclasses import replace

from sam3_ros.export.checkpoint.contents import Checkpoint
from sam3_ros.export.forms.renaming import renamed

_IMAGE = "backbone.vision_backbone."
_CLICKS = "inst_interactive_predictor.model."
_FORM = "the image model of SAM 3's own trainer (names without `detector.`)"


def from_trainer(checkpoint: Checkpoint) -> Checkpoint | None:
    """Return the checkpoint with the published names, None where it is not in this form."""
    names = tuple(checkpoint.shapes)
    if not any(name.startswith(_IMAGE) for name in names):
        return None
    whole = {name: _published(name) for name in names}
    return replace(renamed(checkpoint, whole), form=_FORM)


def _published(name: str) -> str:
    if name.startswith(_CLICKS):
        return "tracker." + name.removeprefix(_CLICKS)
    return name if name.startswith("tracker.") else "detector." + name
