"""Measures how well a bundle answers on scenes that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import cv2
import numpy as np

from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.training.tabletop import phrases
from sam3_ros.training.tabletop.camera_effects import photograph
from sam3_ros.training.tabletop.world import Scene, World

UNSEEN_SEED = 900_000
PRESENT_PHRASES, ABSENT_PHRASES = 3, 2
MATCH_IOU = 0.5

#: A prompt -> the masks that answer it.
Ask: TypeAlias = Callable[[Prompt], list[np.ndarray]]


@dataclass
class Tally:
    """Sums over scenes."""

    matched: list[float] = field(default_factory=list)
    wanted: int = 0
    found: int = 0
    absent: int = 0
    absent_silent: int = 0
    unknown: int = 0
    unknown_silent: int = 0
    deepest_click: list[float] = field(default_factory=list)
    random_click: list[float] = field(default_factory=list)
    box: list[float] = field(default_factory=list)
    table_clicks: int = 0
    table_silent: int = 0

    def figures(self, scenes: int) -> dict[str, object]:
        """Return the figures of docs/tabletop.md by name; shares and IoU in [0,1]."""
        return {
            "scenes": scenes,
            "size": "640x480",
            "text_mean_iou_of_matched": _mean(self.matched),
            "text_recall_at_iou_0.5": _share(len(self.matched), self.wanted),
            "text_precision_at_iou_0.5": _share(len(self.matched), self.found),
            "text_instances": self.wanted,
            "absent_phrases_answered_with_nothing": _share(self.absent_silent, self.absent),
            "absent_phrases": self.absent,
            "unknown_words_answered_with_nothing": _share(self.unknown_silent, self.unknown),
            "one_click_mean_iou": _mean(self.deepest_click),
            "one_click_anywhere_mean_iou": _mean(self.random_click),
            "box_mean_iou": _mean(self.box),
            "objects_clicked": len(self.box),
            "clicks_on_the_table_answered_with_nothing": _share(
                self.table_silent, self.table_clicks
            ),
        }


def evaluate(segmenter: Segmenter, scenes: int, seed: int = UNSEEN_SEED) -> dict[str, object]:
    """Ask phrases, clicks and boxes of `scenes` new scenes, each as a camera might see it."""
    rng = np.random.default_rng(seed)
    tally = Tally()
    with World(seed) as world:
        for _ in range(scenes):
            scene = world.draw()
            image = segmenter.encode_image(photograph(scene.image, rng))

            def ask(prompt: Prompt, image: ImageEmbedding = image) -> list[np.ndarray]:
                return [segment.mask for segment in segmenter.ask(image, [prompt])]

            _judge_phrases(ask, scene, rng, tally)
            _judge_clicks(ask, scene, rng, tally)
    return tally.figures(scenes)


def intersection_over_union(a: np.ndarray, b: np.ndarray) -> float:
    """Return the IoU of two bool masks; 1 where both are empty."""
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0


def matched_ious(found: list[np.ndarray], wanted: list[np.ndarray]) -> list[float]:
    """Return the IoU of each pair above MATCH_IOU, best first; a mask is in at most one pair."""
    pairs = sorted(
        (
            (intersection_over_union(a, b), i, j)
            for i, a in enumerate(found)
            for j, b in enumerate(wanted)
        ),
        reverse=True,
    )
    used_found, used_wanted, matched = set[int](), set[int](), []
    for iou, i, j in pairs:
        if iou >= MATCH_IOU and i not in used_found and j not in used_wanted:
            used_found.add(i)
            used_wanted.add(j)
            matched.append(iou)
    return matched


def _judge_phrases(ask: Ask, scene: Scene, rng: np.random.Generator, tally: Tally) -> None:
    objects = np.array([(item.colour, item.shape) for item in scene.objects])
    for _ in range(PRESENT_PHRASES):
        phrase = phrases.present(objects, np.ones(len(objects), bool), rng)
        wanted = [scene.labels == number + 1 for number in np.flatnonzero(phrase.matches(objects))]
        found = ask(ConceptPrompt(phrase.text))
        tally.matched += matched_ious(found, wanted)
        tally.wanted += len(wanted)
        tally.found += len(found)
    for _ in range(ABSENT_PHRASES):
        tally.absent += 1
        tally.absent_silent += not ask(ConceptPrompt(phrases.absent(objects, rng).text))
    tally.unknown += 1
    tally.unknown_silent += not ask(ConceptPrompt(phrases.with_unknown_word(rng).text))


def _judge_clicks(ask: Ask, scene: Scene, rng: np.random.Generator, tally: Tally) -> None:
    for number in range(1, len(scene.objects) + 1):
        mask = scene.labels == number
        depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        anywhere = divmod(int(rng.choice(np.flatnonzero(mask))), mask.shape[1])
        left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
        box = Box(left, top, left + width, top + height)
        for prompt, ious in (
            (_click(int(x), int(y)), tally.deepest_click),
            (_click(anywhere[1], anywhere[0]), tally.random_click),
            (InteractivePrompt(box=box), tally.box),
        ):
            answer = ask(prompt)
            ious.append(intersection_over_union(answer[0], mask) if answer else 0.0)
    nothing = scene.labels == 0
    clear = cv2.erode(nothing.astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
    y, x = divmod(int(rng.choice(np.flatnonzero(clear))), nothing.shape[1])
    tally.table_clicks += 1
    tally.table_silent += not ask(_click(x, y))


def _click(x: int, y: int) -> InteractivePrompt:
    return InteractivePrompt(points=((x + 0.5, y + 0.5),))


def _mean(values: list[float]) -> float:
    return _share(sum(values), len(values))


def _share(part: float, whole: int) -> float:
    """Return part / whole, or 0 of nothing: a model that never answers has no precision."""
    return round(float(part) / whole, 4) if whole else 0.0
