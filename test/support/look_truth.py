"""What the pictures of the shipped bag show, to compare with what a browser shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.replay.bag.bag import open_bag
from sam3_ros.replay.bag.stamps import read_header
from sam3_ros.replay.bag.truth import Truth, read_truth
from sam3_ros.ros.launching.shared_files import demo_bag

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

FRONT, SIDE = "/camera/image/compressed", "/side/image/compressed"
# To find a picture again, a small one is enough.
_SMALL = (80, 60)
# Of what the bundle finds in this bag, at the sizes of a screen.
_LEAST_OVERLAP = 0.8


@dataclass(frozen=True, eq=False)
class ShownTruth:
    """The pictures of one camera of the bag, with their ground truth."""

    truth: Truth
    #: By stamp, ns: as they were recorded.
    jpegs: dict[int, bytes]
    #: By stamp, ns: small ones, RGB.
    small: dict[int, Pixels]

    def stamp_of(self, shown: Pixels) -> int:
        """Return the stamp, ns, of the bag's picture that is most like this one, RGB of any size.

        Fails if none is alike.
        """
        wanted = _smaller(shown).astype(int)
        differences = {t: np.abs(wanted - small).mean() for t, small in self.small.items()}
        best = min(differences, key=differences.__getitem__)
        assert differences[best] < 12, f"no picture of the bag: {differences[best]:.1f} levels off"
        return best

    def mask(self, stamp_ns: int, phrase: str) -> Mask:
        """Return the pixels of all that a phrase names, bool [H, W]."""
        numbers = self.truth.named_by(phrase)
        assert numbers, phrase
        return self.truth.mask(stamp_ns, numbers)

    def assert_masks(self, stamp_ns: int, masks: Mask, *phrases: str) -> None:
        """Hold masks to those of all that these phrases name; fail with which are missing."""
        each = {phrase: self.mask(stamp_ns, phrase) for phrase in phrases}
        found = overlap(masks, np.logical_or.reduce(list(each.values())))
        shares = {phrase: round(float(masks[true].mean()), 2) for phrase, true in each.items()}
        rest = masks & ~np.logical_or.reduce(list(each.values()))
        assert found > _LEAST_OVERLAP, (
            f"overlap {found:.2f}; masked of each: {shares}; of others: {rest.sum()} px around "
            f"{np.argwhere(rest).mean(axis=0).round()[::-1] if rest.any() else None}"
        )

    def centre(self, stamp_ns: int, phrase: str) -> tuple[int, int]:
        """Return the innermost pixel x, y of what a phrase names."""
        inside = cv2.distanceTransform(self.mask(stamp_ns, phrase).astype(np.uint8), cv2.DIST_L2, 5)
        row, column = np.unravel_index(int(inside.argmax()), inside.shape)
        return int(column), int(row)


@lru_cache
def shown_truth(images: str = FRONT) -> ShownTruth:
    """Read the pictures of one camera of the bag that is shipped."""
    jpegs: dict[int, bytes] = {}
    with open_bag(demo_bag()) as bag:
        truth = read_truth(bag, images)
        assert truth is not None
        for message in bag.messages([images]):
            data = np.asarray(bag.decode(message).data, np.uint8)
            jpegs[read_header(message.cdr).stamp_ns] = data.tobytes()
    return ShownTruth(truth, jpegs, {stamp: _small_of(data) for stamp, data in jpegs.items()})


def overlap(one: Mask, other: Mask) -> float:
    """Return the intersection over union of two masks of one size; 0 for two that are empty."""
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 0.0


def _small_of(jpeg: bytes) -> Pixels:
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_REDUCED_COLOR_2)
    return _smaller(pixels[:, :, ::-1])


def _smaller(pixels: Pixels) -> Pixels:
    return cv2.resize(pixels, _SMALL, interpolation=cv2.INTER_AREA)
