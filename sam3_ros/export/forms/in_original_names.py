"""Every form of a checkpoint that is read, tried one after another."""

from __future__ import annotations

from collections.abc import Callable

from sam3_ros.export.checkpoint.contents import Checkpoint
from sam3_ros.export.forms.sam3_trainer import from_trainer
from sam3_ros.export.forms.timm_tiny_vit import from_timm
from sam3_ros.export.forms.transformers_sam import from_transformers_sam
from sam3_ros.export.forms.transformers_sam3 import from_transformers

#: Returns a checkpoint with the original's names and layout, None for one in another form.
Form = Callable[[Checkpoint], Checkpoint | None]

FORMS: tuple[Form, ...] = (from_transformers, from_trainer, from_transformers_sam, from_timm)


def in_original_names(checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint with the original's names; as it is where no form is known in it."""
    for form in FORMS:
        if (found := form(checkpoint)) is not None:
            return found
    return checkpoint
