"""A slider of the page."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

from nicegui.element import Element
from nicegui.events import GenericEventArguments

#: Seconds between two values that the browser tells while it is moved.
_EVERY = 0.05
SliderHandler = Callable[[float], Awaitable[None] | None]


class SliderElement(Element, component="slider.js"):
    """A number between two others."""

    def __init__(self, least: float, most: float, step: float, value: float) -> None:
        super().__init__()
        self._least, self._most = least, most
        # Where it is in the browser: moved there, it is not where its property says.
        self._at = value
        self.props.update({"min": least, "max": most, "step": step, "value": value})

    def on_slide(self, handler: SliderHandler) -> None:
        """Call a handler while it is moved."""
        self.on("slide", self._checked(handler), throttle=_EVERY)

    def on_settle(self, handler: SliderHandler) -> None:
        """Call a handler once it is let go."""
        self.on("settle", self._checked(handler))

    def show(self, value: float) -> None:
        """Move it, unless somebody holds it."""
        if self._at == value:
            return
        self._at = value
        if self.props["value"] != value:
            self.props["value"] = value
        else:
            self.run_method("move", value)

    def _checked(
        self, handler: SliderHandler
    ) -> Callable[[GenericEventArguments], Awaitable[None] | None]:
        def handle(event: GenericEventArguments) -> Awaitable[None] | None:
            value = event.args
            # A browser may send anything.
            if isinstance(value, bool) or not isinstance(value, int | float):
                return None
            if not math.isfinite(value):
                return None
            self._at = float(min(max(value, self._least), self._most))
            return handler(self._at)

        return handle
