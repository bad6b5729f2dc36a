"""What a worker answers: the objects of an image, the images of a chunk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.pictures.coco_rle import RunLengths


@dataclass(frozen=True)
class LabelledObject:
    """An object in an image."""

    prompt_id: str
    #: What people read; the category of a prompt.
    label: str
    score: float
    #: x_min, y_min, x_max, y_max, px, as the model gives it: it may reach past the image's edge.
    box: tuple[float, float, float, float]
    #: The mask's own box: left, top, right, bottom, px, right and bottom exclusive. None where an
    #: object is tracked and not seen; its mask is empty then.
    bounds: tuple[int, int, int, int] | None
    #: Pixels of the mask.
    area: int
    #: The mask at the image's size, COCO's compressed run lengths ("counts" of a segmentation).
    counts: str
    #: From 1; None without tracking. One id is one object within a chunk; RunResults makes it one
    #: within a topic.
    track_id: int | None = None
    #: A TrackState's value; empty without tracking.
    track_state: str = ""

    def run_lengths(self, size: ImageSize) -> RunLengths:
        """Return the mask; size: of the image."""
        return RunLengths.parsed({"size": list(size), "counts": self.counts})


@dataclass(frozen=True)
class LabelledFrame:
    """The answer to an image, or why there is none."""

    #: As in FramePlace.
    index: int
    time_ns: int
    #: Of its header, ns; of an image without a stamp (0), and of pictures and videos, time_ns.
    stamp_ns: int
    #: Of its header; empty where there is none.
    frame_id: str
    #: px; 0 x 0 where it could not be read.
    size: ImageSize
    #: As in FramePlace.
    file: str
    #: In the order of the prompts, best first for each; with tracking in the order of the ids.
    objects: tuple[LabelledObject, ...]
    #: Why it was not answered; empty if it was.
    failure: str = ""
    #: As in FramePlace.
    rank: int = 0

    def document(self) -> dict[str, Any]:
        """Return what JSON holds of it."""
        return {**asdict(self), "size": list(self.size)}

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> LabelledFrame:
        """Return the frame that `document` described."""
        return cls(
            **{
                **document,
                "size": ImageSize(*document["size"]),
                "objects": tuple(_object(each) for each in document["objects"]),
            }
        )


@dataclass(frozen=True)
class ChunkAnswer:
    """The answer to a chunk."""

    #: The name of its source.
    source: str
    topic: str
    number: int
    span: int | None
    frames: tuple[LabelledFrame, ...]
    #: Of a track span but the first: its answer to the last image of the span before, by which the
    #: objects of both are known to be the same. It is none of `frames`.
    lead: LabelledFrame | None = None


def _object(document: Mapping[str, Any]) -> LabelledObject:
    bounds = document["bounds"]
    return LabelledObject(
        **{
            **document,
            "box": tuple(document["box"]),
            "bounds": None if bounds is None else tuple(bounds),
        }
    )
