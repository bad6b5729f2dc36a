"""One object in one image, as the model's stages answer it; what was seen before comes as arrays.

Source: facebookresearch/sam3, sam3/model/sam3_tracker_base.py, track_step and what it calls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sam3_ros.core.bundle.manifest import InteractiveSettings, VideoSettings
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.checks import require_finite
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.interactive import (
    PADDING,
    choose_mask,
    is_ambiguous,
    mask_feeds,
    prompt_feeds,
)
from sam3_ros.core.segmenter.masks import Floats, Mask
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.session import Array, Tensor
from sam3_ros.core.tracking.memory.memory_masks import ABSENT, GIVEN, given_mask

_ANSWER = ("sam_masks", "sam_iou", "object_score", "pointers")
#: Of a given mask: its own IoU, and the object score of one with and without a pixel.
_GIVEN_IOU, _GIVEN_SCORE = 1.0, 10.0
_NOT_THERE = np.full((1, 1), -_GIVEN_SCORE, np.float32)
#: `chosen` of a mask that was given.
NONE_CHOSEN = -1
# Logits of an answer that come back as a prompt reach no further.
_MOST_LOGIT = 32.0
_NO_PROMPT = "no prompt"
# Of more points the first and the last count, half of this each.
_MOST_POINTS = 16


@dataclass(frozen=True, eq=False)
class FrameAnswer:
    """An object in an image, or that it is not there."""

    #: f32[h,w]; ABSENT everywhere where the object is not there
    mask_logits: Floats
    #: The model's estimate for the mask, also where the object is not there.
    iou: float
    #: f32[4], of every mask.
    ious: Floats
    #: Which of the masks answers, NONE_CHOSEN for a given one.
    chosen: int
    #: Whether the best-rated of masks 1:4 was taken.
    several: bool
    #: A logit; the object is there where it is above 0.
    object_score: float
    #: The decoder's own, also for a given mask.
    decoder_score: float
    #: f32[D]
    pointer: Floats
    #: f32[1,4,D], from which pointers are; None but of a tracked object.
    tokens: Floats | None = None

    @property
    def is_there(self) -> bool:
        """Whether the model sees the object."""
        return self.object_score > 0

    @property
    def quality(self) -> float:
        """The certainty that the object is there, times the highest IoU of the masks offered."""
        return self.certainty * self.best_iou

    @property
    def certainty(self) -> float:
        """From 0, for an object that is not there, to 1."""
        return 2 / (1 + float(np.exp(-self.object_score))) - 1 if self.is_there else 0.0

    @property
    def best_iou(self) -> float:
        """The highest IoU of the masks offered."""
        return float(self.ious[1:].max()) if self.several else self.iou


class VideoStages:
    """Runs the stages of following for one object at a time.

    Every method raises InferenceError when a stage fails or returns numbers that are not finite.
    """

    def __init__(self, interactive: InteractiveSettings, video: VideoSettings) -> None:
        if interactive.mask_input is None:
            raise ValueError("following needs a model that takes a mask as a prompt")
        self.interactive = interactive
        self.video = video
        self.mask_size: ImageSize = interactive.mask_input

    def prompted(
        self,
        image: ImageEmbedding,
        prompt: InteractivePrompt,
        last_logits: Floats | None = None,
        conditioned: Tensor | None = None,
    ) -> FrameAnswer:
        """Answer clicks or a box.

        last_logits: the answer before on the same frame, f32[h,w]. conditioned: features in place
        of those without any memory.
        """
        bounded = None
        if last_logits is not None:
            bounded = np.clip(last_logits, -_MOST_LOGIT, _MOST_LOGIT)
        feeds = prompt_feeds(prompt, image.transform, self.interactive, bounded)
        feeds |= _first_and_last(feeds["point_coords"], feeds["point_labels"])
        several = is_ambiguous(prompt, self.interactive)
        if conditioned is None:
            return self._answer(image.compute(_ANSWER, feeds), several)
        values = {**feeds, "sam_embed": conditioned}
        return self._answer(image.compute_apart(_ANSWER, values), several)

    def given(self, image: ImageEmbedding, mask: Mask) -> FrameAnswer:
        """Take a mask, bool [H,W] at the image's size, for the object.

        Its logits are those of the mask; only the pointer is the model's.
        """
        fitted = given_mask(mask, image.transform, self.video, self.mask_size)
        prompt = image.compute(("mask_prompt",), {"object_mask": fitted.object_mask})
        features = image.compute_in_place(("frame_features",), {})["frame_features"]
        feeds = {**self._no_points(), "sam_embed": features, "mask_input": prompt["mask_prompt"]}
        feeds["has_mask"] = np.ones(1, np.float32)
        there = bool(mask.any())
        if there:
            computed = image.compute_apart(_ANSWER, feeds)
        else:
            computed = image.compute_apart(("sam_tokens", *_ANSWER[:3]), feeds)
            computed["pointers"] = self._pointers_of_nothing(image, computed["sam_tokens"])
        _require_finite(computed)
        return FrameAnswer(
            mask_logits=fitted.logits if there else np.full_like(fitted.logits, -GIVEN),
            iou=_GIVEN_IOU,
            ious=np.array(computed["sam_iou"][0], np.float32),
            chosen=NONE_CHOSEN,
            several=False,
            object_score=_GIVEN_SCORE if there else -_GIVEN_SCORE,
            decoder_score=float(computed["object_score"].reshape(-1)[0]),
            pointer=np.array(computed["pointers"][0, 0], np.float32),
        )

    def conditioned(self, image: ImageEmbedding, memory: dict[str, Array]) -> Tensor:
        """Return the image's features f32[1,D,g,g] conditioned on a memory's `feeds`."""
        return image.compute_in_place(("tracked_embed",), memory)["tracked_embed"]

    def tracked(self, image: ImageEmbedding, conditioned: Tensor) -> FrameAnswer:
        """Find the object in features that are conditioned on its memory."""
        values = {**self._no_prompt(image.graph), "sam_embed": conditioned}
        computed = image.compute_apart((*_ANSWER, "sam_tokens"), values)
        return self._answer(computed, several=self.video.tracked_mask == "best")

    def disbelieved(self, image: ImageEmbedding, answer: FrameAnswer) -> FrameAnswer:
        """Return an answer of `tracked` as if the model had not seen the object."""
        assert answer.tokens is not None
        pointers = self._pointers_of_nothing(image, answer.tokens)
        require_finite("object pointers", pointers)
        return replace(
            answer,
            mask_logits=np.full_like(answer.mask_logits, ABSENT),
            object_score=-_GIVEN_SCORE,
            pointer=np.array(pointers[0, answer.chosen if answer.several else 0], np.float32),
        )

    def remembered(
        self, image: ImageEmbedding, masks: Floats, object_scores: list[float]
    ) -> Floats:
        """Return the memories f32[P,m,g,g] of P objects in this image.

        masks: memory_masks f32[P,1,h,w]. object_scores: a logit for each.
        """
        scores = np.array(object_scores, np.float32).reshape(-1, 1)
        feeds = {"memory_mask": masks, "object_score": scores}
        memories = image.compute_apart(("mask_memory",), feeds)["mask_memory"]
        require_finite("memories", memories)
        return np.asarray(memories, np.float32)

    def _answer(self, computed: dict[str, Any], several: bool) -> FrameAnswer:
        _require_finite(computed)
        masks, ious = computed["sam_masks"][0], computed["sam_iou"][0]
        chosen = choose_mask(masks, ious, several, self.interactive.single_mask)
        score = float(computed["object_score"].reshape(-1)[0])
        there = score > 0
        logits = masks[chosen] if there else np.full(masks.shape[1:], ABSENT, np.float32)
        return FrameAnswer(
            mask_logits=np.array(logits, np.float32),
            iou=float(ious[chosen]),
            ious=np.array(ious, np.float32),
            chosen=chosen,
            several=several,
            object_score=score,
            decoder_score=score,
            # The stability rule may choose another mask than 0, whose pointer it still is.
            pointer=np.array(computed["pointers"][0, chosen if several else 0], np.float32),
            tokens=computed.get("sam_tokens"),
        )

    def _pointers_of_nothing(self, image: ImageEmbedding, tokens: Array) -> Array:
        named = {"sam_tokens": tokens, "object_score": _NOT_THERE}
        pointers: Array = image.compute_apart(("pointers",), named)["pointers"]
        return pointers

    def _no_prompt(self, graph: StageGraph) -> dict[str, Tensor]:
        """Return the prompt of a frame without any, and its encoding.

        That is the same for every object in every image: the graph keeps it.
        """
        asked = {**self._no_points(), **mask_feeds(None, self.mask_size)}
        encoded = graph.derived_from(asked)
        values: dict[str, Tensor] = {**asked}
        for stage in graph.stages_reading(encoded):
            read = encoded.intersection(graph.specs(stage)[0])

            def encode(read: frozenset[str] = read) -> dict[str, Array]:
                computed = graph.compute(read, asked)
                return {name: computed[name] for name in read}

            values |= graph.kept(stage, _NO_PROMPT, encode)
        return values

    def _no_points(self) -> dict[str, Array]:
        """Return the prompt of a frame without any: one point that is none."""
        return {
            "point_coords": np.zeros((1, 1, 2), np.float32),
            "point_labels": np.full((1, 1), PADDING, np.int64),
        }


def _first_and_last(coords: Array, labels: Array) -> dict[str, Array]:
    """Return the points without those in the middle of too many."""
    half = _MOST_POINTS // 2
    if coords.shape[1] <= _MOST_POINTS:
        return {"point_coords": coords, "point_labels": labels}
    return {
        "point_coords": np.concatenate([coords[:, :half], coords[:, -half:]], axis=1),
        "point_labels": np.concatenate([labels[:, :half], labels[:, -half:]], axis=1),
    }


def _require_finite(computed: dict[str, Any]) -> None:
    require_finite("masks", computed["sam_masks"])
    require_finite("mask scores", computed["sam_iou"])
    require_finite("object score", computed["object_score"])
    require_finite("object pointers", computed["pointers"])
