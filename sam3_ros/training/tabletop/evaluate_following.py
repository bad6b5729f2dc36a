"""Measures how well a bundle follows objects through films, by its tracking session.

Each object is clicked at its inmost point in the film's first frame. Of the frames every one, every
third or every sixth is answered.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np

from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.training.tabletop.evaluate import intersection_over_union
from sam3_ros.training.tabletop.films import Film, films

PACES = (1, 3, 6)
#: An object is in view while over this share of the most of it is seen, and so many pixels.
IN_VIEW, LEAST_PIXELS = 1 / 3, 350
#: A mask is of another object that it overlaps by this, and better than its own.
ANOTHER = 0.3
FOUND = 0.5


@dataclass
class FollowingTally:
    """Sums over the tracks of one pace."""

    tracks: int = 0
    leaving: int = 0
    overlaps: list[float] = field(default_factory=list)
    to_another: int = 0
    by_the_click: int = 0
    after_it_left: int = 0
    lost: int = 0
    returned: int = 0
    found_again: int = 0
    crossing: int = 0
    switched: int = 0

    def figures(self) -> dict[str, object]:
        """Return the figures by name."""
        return {
            "tracks": self.tracks,
            "leave_the_view": self.leaving,
            "mean_iou_in_view": round(float(np.mean(self.overlaps or [0.0])), 4),
            "to_another_object": self.to_another,
            "by_the_click": self.by_the_click,
            "answers_after_it_left": self.after_it_left,
            "lost_in_view": self.lost,
            "came_back": self.returned,
            "found_again": self.found_again,
            "alike_that_crossed": self.crossing,
            "id_switches": self.switched,
        }


def evaluate_following(
    segmenter: Segmenter, shown: Iterable[Film] | None = None
) -> dict[str, dict[str, object]]:
    """Return the figures by pace: `every_1`, `every_3`, `every_6`."""
    tallies = {pace: FollowingTally() for pace in PACES}
    for film in films() if shown is None else shown:
        for pace, tally in tallies.items():
            _judge(segmenter, film, pace, tally)
    return {f"every_{pace}": tally.figures() for pace, tally in tallies.items()}


def _judge(segmenter: Segmenter, film: Film, pace: int, tally: FollowingTally) -> None:
    labels = film.labels[::pace]
    answers = follow(segmenter, film.images[::pace], film.labels[0], film.followed)
    for number, masks in answers.items():
        _Track(number, masks, labels, film).add_to(tally)


def follow(
    segmenter: Segmenter, images: list[np.ndarray], labels: np.ndarray, numbers: Iterable[int]
) -> dict[int, list[np.ndarray | None]]:
    """Click objects in the first image, and return by number what is answered in each (None: not).

    An object that the first click does not find is None in all images.
    """
    tracking = segmenter.track()
    first = segmenter.encode_image(images[0])
    found: dict[int, list[np.ndarray | None]] = {}
    tracks: dict[int, int] = {}
    for number in numbers:
        mask = labels == number
        if np.count_nonzero(mask) < LEAST_PIXELS:
            continue
        depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        answer = tracking.add(first, InteractivePrompt(points=((x + 0.5, y + 0.5),)))
        found[number] = [answer[0].mask if answer else None]
        for segment in answer:
            if segment.track is not None:
                tracks[segment.track.id] = number
    for image in images[1:]:
        now: dict[int, np.ndarray] = {}
        for segment in tracking.step(segmenter.encode_image(image)):
            if segment.track is not None and segment.mask.any():
                now[tracks[segment.track.id]] = segment.mask
        for number, masks in found.items():
            masks.append(now.get(number))
    tracking.close()
    return found


class _Track:
    """One object and what was answered for it."""

    def __init__(
        self, number: int, masks: list[np.ndarray | None], labels: list[np.ndarray], film: Film
    ) -> None:
        self._number, self._masks, self._labels, self._film = number, masks, labels, film
        pixels = np.array([np.count_nonzero(frame == number) for frame in labels])
        self._gone = pixels == 0
        self._in_view = (pixels > IN_VIEW * pixels.max()) & (pixels >= LEAST_PIXELS)

    def add_to(self, tally: FollowingTally) -> None:
        overlaps = [
            0.0 if mask is None else intersection_over_union(mask, frame == self._number)
            for mask, frame in zip(self._masks, self._labels, strict=True)
        ]
        astray = any(
            self._is_astray(mask, frame, own)
            for mask, frame, own in zip(self._masks, self._labels, overlaps, strict=True)
        )
        if self._film.kind == "cross":
            tally.crossing += 1
            tally.switched += bool(astray)
        elif self._film.kind == "return":
            away = np.flatnonzero(self._gone)
            if len(away) and self._in_view[-1]:
                tally.returned += 1
                tally.found_again += bool(overlaps[-1] >= FOUND)
        else:
            self._add_followed(tally, overlaps, astray)

    def _add_followed(self, tally: FollowingTally, overlaps: list[float], astray: bool) -> None:
        answered = np.array([mask is not None for mask in self._masks])
        tally.tracks += 1
        tally.leaving += bool(self._gone[-1])
        tally.overlaps += [overlaps[frame] for frame in np.flatnonzero(self._in_view)]
        tally.to_another += bool(astray)
        by_click = self._is_astray(self._masks[0], self._labels[0], overlaps[0])
        tally.by_the_click += bool(by_click)
        tally.after_it_left += int((answered & self._gone).sum())
        tally.lost += bool((self._in_view & ~answered).any())

    def _is_astray(self, mask: np.ndarray | None, frame: np.ndarray, own: float) -> bool:
        if mask is None:
            return False
        under = np.bincount(frame[mask], minlength=256)
        under[[0, self._number]] = 0
        other = int(under.argmax())
        if not under[other]:
            return False
        return intersection_over_union(mask, frame == other) > max(own, ANOTHER)
