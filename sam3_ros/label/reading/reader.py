"""What all readers of sources have in common, and the one that fits a source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sam3_ros.label.chunk import FramePlace


@dataclass(frozen=True, eq=False)
class ReadFrame:
    """An image that was read, or why it could not be."""

    place: FramePlace
    #: uint8 [H, W, 3], RGB; None where there is a failure.
    rgb: npt.NDArray[np.uint8] | None
    #: Of its header, ns; the place's time where there is none.
    stamp_ns: int
    #: Of its header; empty where there is none.
    frame_id: str = ""
    failure: str = ""


class SourceReader(Protocol):
    """An open source."""

    def frames(
        self, topic: str, places: Sequence[FramePlace], step: int | None = None
    ) -> Iterator[ReadFrame]:
        """Yield the images at these places, which are in order; one that is lost has a failure.

        step: go on behind the last place with every so many-th, as far as there are any. Raises
        Sam3RosError where the source cannot be read at all any more.
        """

    def remarks(self) -> tuple[str, ...]:
        """Return what is known of losses once it is open, a sentence each."""

    def close(self) -> None:
        """Close its files."""
