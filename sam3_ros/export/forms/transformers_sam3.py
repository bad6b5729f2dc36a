"""SAM 3 as transformers names it: Sam3Model, Sam3VideoModel, Sam3Tracker*Model, LiteText.

transformers keeps q, k and v apart, has one table for the four kinds of points, leaves out the
class token's row of the position table, which the original does not use either, and stores CLIP's
text projection transposed. Both sides of every rule are names that their code gives; the classes
are those of transformers 5.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sam3_ros.export.checkpoint.contents import Checkpoint
from sam3_ros.export.forms.renaming import renamed
from sam3_ros.export.forms.rewriting import rewritten
from sam3_ros.export.forms.transformers_config import require_usual
from sam3_ros.export.forms.transformers_detector import DETECTOR
from sam3_ros.export.forms.transformers_image import IMAGE
from sam3_ros.export.forms.transformers_text import CLIP_TEXT, LITE_TEXT
from sam3_ros.export.forms.transformers_tracker import TRACKER

_DETECTOR, _TRACKER, _NECK = "detector_model.", "tracker_model.", "tracker_neck."
_BACKBONE = "vision_encoder.backbone."


@dataclass(frozen=True)
class _Kind:
    """One of transformers' classes."""

    #: The class.
    model: str
    title: str
    #: The text encoder is MobileCLIP's.
    is_lite: bool = False


def from_transformers(checkpoint: Checkpoint) -> Checkpoint | None:
    """Return the checkpoint with the original's names, None where it is not in this form.

    Raises CheckpointError where the config.json beside it says that it computes something else.
    """
    names = _as_in_video_model(tuple(checkpoint.shapes))
    kind = _kind(names.values())
    if kind is None:
        return None
    require_usual(checkpoint.path)
    form = f"{kind.title} as transformers names it ({kind.model})"
    text = LITE_TEXT if kind.is_lite else CLIP_TEXT
    rules = (*IMAGE, *text, *DETECTOR, *TRACKER)
    return rewritten(renamed(checkpoint, names), rules, form)


def _as_in_video_model(names: tuple[str, ...]) -> dict[str, str]:
    """Return for each name the one that Sam3VideoModel has for it.

    Its detector, tracker and tracker's neck are models of their own as well. save_pretrained
    writes `tracker_model.` before all names of a Sam3TrackerModel, those of the detector's image
    encoder included, and twice before those of a Sam3VideoModel's tracker.
    """
    bare = {name: name.replace(_TRACKER + _TRACKER, _TRACKER, 1) for name in names}
    if all(name.startswith(_TRACKER) for name in names):
        bare = {name: name.removeprefix(_TRACKER) for name in names}
    found = bare.values()
    if _has(found, _DETECTOR + "detr_decoder.") or _has(found, _TRACKER + "mask_decoder."):
        return bare
    if _has(found, "detr_decoder."):
        return {name: _DETECTOR + one for name, one in bare.items()}
    return {name: _of_tracker(one) for name, one in bare.items()}


def _of_tracker(name: str) -> str:
    if name.startswith(_BACKBONE):
        return _DETECTOR + name
    if name.startswith("vision_encoder.neck."):
        return _NECK + name.removeprefix("vision_encoder.neck.")
    return name if name.startswith((_DETECTOR, _NECK)) else _TRACKER + name


def _kind(names: Iterable[str]) -> _Kind | None:
    """Return the class with these names of Sam3VideoModel."""
    names = tuple(names)
    if not _has(names, _DETECTOR + _BACKBONE + "layers."):
        return None
    detects = _has(names, _DETECTOR + "detr_decoder.")
    clicks = _has(names, _TRACKER + "mask_decoder.") and _has(names, _NECK)
    is_lite = _has(names, _DETECTOR + "text_encoder.layers.")
    if detects:
        title = "SAM3-LiteText" if is_lite else "SAM 3"
        model = "Sam3LiteTextModel" if is_lite else "Sam3Model"
        return _Kind("Sam3VideoModel" if clicks else model, title, is_lite)
    if clicks:
        remembers = _has(names, _TRACKER + "memory_")
        model = "Sam3TrackerVideoModel" if remembers else "Sam3TrackerModel"
        return _Kind(model, "SAM 3's tracker")
    return None


def _has(names: Iterable[str], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in names)
