"""The picture as an element of the page: a canvas that the feed fills, and what is done on it."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any

from nicegui.element import Element
from nicegui.events import GenericEventArguments

from sam3_ros.look.viewing import EncodedImage, PictureLayer, ViewedPicture

#: What the browser sent; nothing in it is known to be right.
PictureEvent = Callable[[object], Awaitable[None]]


class PictureElement(Element, component="picture.js"):
    """The live or held picture of one camera."""

    def __init__(self, feed_path: str, marking: bool) -> None:
        """feed_path: of the WebSocket that brings pictures. marking: whether it takes clicks."""
        super().__init__()
        self.props["feed"] = feed_path
        self.props["camera"] = ""
        self.props["layer"] = PictureLayer.OVERLAY.value
        self.props["opacity"] = 1.0
        self.props["title"] = "the camera"
        self.props["marking"] = marking
        self.props["paused"] = False

    def on_event(self, name: str, handler: PictureEvent) -> None:
        """Call a handler for mark, pause, step or escape."""

        async def handle(event: GenericEventArguments) -> None:
            await handler(event.args)

        self.on(name, handle)

    def set(self, **values: Any) -> None:
        """Change properties; the browser is told only of a change."""
        changed = {name: value for name, value in values.items() if self.props[name] != value}
        if changed:
            self.props.update(changed)

    def hold(self, picture: ViewedPicture, layer: PictureLayer) -> None:
        """Show a picture that stays until the next one comes."""
        self.run_method("hold", head_of_held(picture, layer))


def head_of_held(picture: ViewedPicture, layer: PictureLayer) -> dict[str, Any]:
    """Return a held picture as the feed's heads are, with its images in base64."""
    segments = picture.segments
    return {
        "camera": picture.camera,
        "layer": layer.value,
        "sec": picture.stamp.seconds,
        "nanosec": picture.stamp.nanoseconds,
        "width": picture.width,
        "height": picture.height,
        "image": _in_base64(picture.image),
        "plain": _in_base64(picture.plain) if picture.plain else None,
        "segments": None
        if segments is None
        else [{"label": each.label, "score": each.score} for each in segments],
    }


def _in_base64(image: EncodedImage) -> dict[str, str]:
    return {"type": image.media_type, "data": base64.b64encode(image.data).decode("ascii")}
