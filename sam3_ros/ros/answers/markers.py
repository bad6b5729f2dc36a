"""Objects in space as markers for RViz and Foxglove, where visualization_msgs is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
from std_msgs.msg import ColorRGBA, Header

from sam3_ros.core.pictures.palette import Colour, prompt_colour, track_colour
from sam3_ros.core.space.spatial_object import OrientedBox, SpatialObject
from sam3_ros.ros.answers.objects_3d import pose_of, vector_of
from sam3_ros.ros.answers.space import SpaceAnswer
from sam3_ros.ros.message_types import MessageTypeError, message_class

ARRAY = "visualization_msgs/msg/MarkerArray"
_BOXES, _LABELS = "boxes", "labels"
_BOX_OPACITY = 0.4
# Height of the letters, m, as part of the range and at least.
_LETTERS, _LEAST_LETTERS = 0.03, 0.01
_NOT_TURNED = np.array([0.0, 0.0, 0.0, 1.0])


def find_markers() -> tuple[type[Any] | None, str]:
    """Return the class of the message, or None and the reason."""
    try:
        return message_class(ARRAY), ""
    except MessageTypeError as error:
        return None, str(error)


class Markers:
    """Makes the messages of one camera; each deletes what the one before showed and it does not."""

    def __init__(self, array_class: type[Any]) -> None:
        self._array = array_class
        self._marker = message_class("visualization_msgs/msg/Marker")
        #: None: it is not known what is shown, as after a start.
        self._shown: frozenset[tuple[str, int]] | None = None

    def message(self, space: SpaceAnswer) -> Any:
        """Return a box and a label for each object with a place."""
        answer, header = space.answer, space.header
        made: list[Any] = []
        for number, found in zip(answer.numbers, space.objects, strict=True):
            if found.centre is not None and found.box is not None:
                colour = self._colour(found, answer.label_values[found.prompt_id])
                made += self._of(number, found, found.box, colour, header)
        shown = frozenset((each.ns, each.id) for each in made)
        gone = self._removals(shown, header)
        self._shown = shown
        return self._array(markers=[*gone, *made])

    def removal(self, header: Header) -> Any:
        """Return what deletes everything; None where nothing was ever shown."""
        if self._shown is None:
            return None
        self._shown = None
        return self._array(markers=[self._marker(header=header, action=self._marker.DELETEALL)])

    def _removals(self, shown: frozenset[tuple[str, int]], header: Header) -> list[Any]:
        if self._shown is None:
            return [self._marker(header=header, action=self._marker.DELETEALL)]
        return [
            self._marker(header=header, ns=group, id=number, action=self._marker.DELETE)
            for group, number in sorted(self._shown - shown)
        ]

    def _of(
        self, number: int, found: SpatialObject, box: OrientedBox, colour: Colour, header: Header
    ) -> list[Any]:
        cube = self._marker(
            header=header,
            ns=_BOXES,
            id=number,
            type=self._marker.CUBE,
            action=self._marker.ADD,
            pose=pose_of(box.centre, box.quaternion),
            scale=vector_of(box.size),
            color=_rgba(colour, _BOX_OPACITY),
        )
        letters = max(_LETTERS * float(np.linalg.norm(box.centre)), _LEAST_LETTERS)
        label = self._marker(
            header=header,
            ns=_LABELS,
            id=number,
            type=self._marker.TEXT_VIEW_FACING,
            action=self._marker.ADD,
            pose=pose_of(box.centre, _NOT_TURNED),
            scale=vector_of(np.array([0.0, 0.0, letters])),
            color=_rgba(colour, 1.0),
            text=_caption(found),
        )
        return [cube, label]

    def _colour(self, found: SpatialObject, value: int) -> Colour:
        """Return the colour that the overlay gives it."""
        return prompt_colour(value) if found.track is None else track_colour(found.track.id)


def _caption(found: SpatialObject) -> str:
    track = "" if found.track is None else f" #{found.track.id}"
    return f"{found.label}{track} {found.score:.2f}"


def _rgba(colour: Colour, opacity: float) -> ColorRGBA:
    red, green, blue = (level / 255 for level in colour)
    return ColorRGBA(r=red, g=green, b=blue, a=opacity)
