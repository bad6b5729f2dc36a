"""The last pictures and what was computed of them, so that a click finds the one that was seen."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.look.drawing.answered_picture import NANOSECONDS, Pixels
from sam3_ros.ros.frames.kept_answers import KeptAnswers


@dataclass(eq=False)
class KeptPicture:
    """A decoded picture; only the inference thread changes it."""

    camera: str
    stamp_ns: int
    #: uint8 [H, W, 3], RGB.
    rgb: Pixels
    #: time.monotonic() seconds.
    received: float = field(default_factory=time.monotonic)
    #: Once a prompt has needed it.
    embedding: ImageEmbedding | None = None
    #: What it shows, and the threshold of its texts; nothing while `is_answered` is False.
    answers: KeptAnswers = field(default_factory=KeptAnswers)
    threshold: float = 0.0
    is_answered: bool = False

    @property
    def size(self) -> ImageSize:
        return ImageSize(*self.rgb.shape[:2])

    @property
    def nbytes(self) -> int:
        """Bytes of its pixels, features and masks."""
        features = 0 if self.embedding is None else self.embedding.nbytes
        return self.rgb.nbytes + features + self.answers.nbytes


@dataclass(frozen=True)
class KeepingLimits:
    """How much is kept; the picture that came last always is."""

    #: Pictures of each camera: three seconds of a usual one, as somebody who clicks needs.
    pictures: int = 45
    #: Those of each camera that keep their features, of several times their size; the others are
    #: encoded anew where one is clicked.
    encoded: int = 8
    #: Bytes of all pictures together.
    nbytes: int = 300_000_000


class KeptPictures:
    """The pictures that are kept, the oldest first; for the inference thread alone."""

    def __init__(self, limits: KeepingLimits) -> None:
        self._limits = limits
        self._kept: list[KeptPicture] = []

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Bytes of all of them."""
        return sum(kept.nbytes for kept in self._kept)

    def add(self, kept: KeptPicture) -> None:
        """Keep it as its camera's newest; one of the same stamp is replaced."""
        same = (kept.camera, kept.stamp_ns)
        self._kept = [each for each in self._kept if (each.camera, each.stamp_ns) != same]
        self._kept.append(kept)
        self.trim()

    def newest(self, camera: str) -> KeptPicture | None:
        """Return the picture that came last."""
        return next((each for each in reversed(self._kept) if each.camera == camera), None)

    def find(self, camera: str, stamp_ns: int) -> KeptPicture | None:
        """Return the picture of this stamp."""
        same = (each for each in self._kept if each.camera == camera)
        return next((each for each in same if each.stamp_ns == stamp_ns), None)

    def required(self, camera: str, stamp_ns: int) -> KeptPicture:
        """Return the picture of this stamp. Raises PromptError where it is not kept."""
        found = self.find(camera, stamp_ns)
        if found is None:
            seconds, rest = divmod(stamp_ns, NANOSECONDS)
            raise PromptError(
                f"the picture of {seconds}.{rest:09d} s is no longer kept, or never was: pause "
                "the picture and mark it then, or mark a newer one"
            )
        return found

    def clear(self) -> None:
        """Forget all, because memory ran out."""
        self._kept = []

    def trim(self) -> None:
        """Apply the limits; the oldest go first."""
        of_camera: dict[str, int] = {}
        nbytes, kept = 0, list[KeptPicture]()
        for each in reversed(self._kept):
            of_camera[each.camera] = of_camera.get(each.camera, 0) + 1
            if of_camera[each.camera] > self._limits.encoded:
                each.embedding = None
            nbytes += each.nbytes
            fits = of_camera[each.camera] <= self._limits.pictures
            if not kept or (fits and nbytes <= self._limits.nbytes):
                kept.append(each)
        self._kept = kept[::-1]


class RecentFeatures:
    """Lets only the pictures that were used last keep their features; for the inference thread."""

    def __init__(self, most: int = 4) -> None:
        self._most = most
        self._recent: list[KeptPicture] = []

    def used(self, kept: KeptPicture) -> None:
        """Take note that a picture is used; the one that was used longest ago loses its features.

        It is encoded anew when it is used again.
        """
        self._recent = [each for each in self._recent if each is not kept][-self._most :]
        if len(self._recent) == self._most:
            self._recent.pop(0).embedding = None
        self._recent.append(kept)
