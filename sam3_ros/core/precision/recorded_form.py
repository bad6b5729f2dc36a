"""Whether recorded answers have the form that the comparison with them relies on.

Shapes and types as in core/stages/tensor_names.py and core/precision/answers.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sam3_ros.core.checked_json import parse_json
from sam3_ros.core.precision.answers import Question, RawAnswer
from sam3_ros.core.schema_fault import first_fault
from sam3_ros.core.stages.session import Array

_SCHEMA = Path(__file__).with_name("index_schema.json")
# A full-size bundle's index has 5000 values.
_MOST_VALUES = 200_000
# Axes, the last one's size or None for any, and the kinds of numpy.dtype.
_Form = tuple[int, int | None, str]
_WORDS: Mapping[str, _Form] = {
    "input_ids": (2, None, "i"),
    "boxes": (3, 4, "f"),
    "box_labels": (2, None, "i"),
    "box_mask": (2, None, "b"),
}
_CLICK: Mapping[str, _Form] = {"point_coords": (3, 2, "f"), "point_labels": (2, None, "if")}
_CLICK_WITH_MASK: Mapping[str, _Form] = {
    **_CLICK,
    "mask_input": (4, None, "f"),
    "has_mask": (1, 1, "f"),
}
_FOLLOWED: Mapping[str, _Form] = {
    **_CLICK_WITH_MASK,
    "object_mask": (4, None, "f"),
    "memory_mask": (4, None, "f"),
    "object_score": (2, 1, "f"),
    "memory_ages": (1, None, "i"),
    "pointer_ages": (1, None, "f"),
}
_ANSWERS: Mapping[str, _Form] = {
    "logits": (2, None, "f"),
    "pred_boxes": (3, 4, "f"),
    "presence": (2, 1, "f"),
    "sam_iou": (2, None, "f"),
    "object_score": (2, 1, "f"),
}


def parse_index(text: str) -> Any:
    """Return the images, their questions and figures. Raises ValueError."""
    index = parse_json(text.encode(errors="replace"), _MOST_VALUES)
    if (fault := first_fault(index, _SCHEMA)) is not None:
        place, reason = fault
        raise ValueError(f"index, {'/'.join(map(str, place)) or 'top level'}: {reason}")
    return index


def check_pixels(pixels: Array) -> Array:
    """Return an image. Raises ValueError unless it is uint8 [H, W, 3] with some pixels."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ValueError(f"expected an image, uint8 [H, W, 3], got {described(pixels)}")
    return pixels


def check_answer(question: Question, answer: RawAnswer) -> None:
    """Raise ValueError for feeds, tensors or masks of another form."""
    place = f"question {question.name[:80]!r}"
    if question.is_concept:
        forms, needed = [_WORDS], {"logits", "pred_boxes", "presence"}
    else:
        forms, needed = [_CLICK, _CLICK_WITH_MASK, _FOLLOWED], {"sam_iou"}
    if not any(question.feeds.keys() == form.keys() for form in forms):
        raise ValueError(f"{place}: expected feeds {' or '.join(', '.join(f) for f in forms)}")
    if answer.tensors.keys() - {"object_score"} != needed:
        raise ValueError(f"{place}: expected the tensors {', '.join(sorted(needed))}")
    for form, arrays in ((forms[-1], question.feeds), (_ANSWERS, answer.tensors)):
        for name, array in arrays.items():
            axes, last, kinds = form[name]
            fits = array.ndim == axes and array.dtype.kind in kinds
            if not fits or (last is not None and array.shape[-1] != last):
                raise ValueError(f"{place}: {name} has another form, {described(array)}")
    if answer.masks.ndim != 3 or answer.masks.dtype.kind != "f" or not answer.masks.size:
        raise ValueError(f"{place}: expected masks f32 [K, h, w], got {described(answer.masks)}")
    if question.is_concept:
        _check_queries(place, answer)


def _check_queries(place: str, answer: RawAnswer) -> None:
    count = answer.tensors["logits"].shape[1]
    if answer.tensors["pred_boxes"].shape[1] != count:
        raise ValueError(f"{place}: expected as many boxes as logits, {count}")
    if len(answer.masks) != len(answer.queries) or max(answer.queries) >= count:
        raise ValueError(f"{place}: expected a mask for each of its queries, below {count}")


def described(array: Array) -> str:
    """Return type and shape as a message shows them."""
    return f"{array.dtype} {list(array.shape)}"
