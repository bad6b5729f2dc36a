"""Which camera is shown, where there are several."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui
from nicegui.events import ValueChangeEventArguments

from sam3_ros.look.page.controls import button, named, readable
from sam3_ros.look.page.viewer import Viewer
from sam3_ros.look.viewing import ViewedCamera


class CameraChoice:
    """A list of cameras with steps to the one before and the one after."""

    def __init__(self, viewer: Viewer, on_camera: Callable[[str], None]) -> None:
        self._viewer, self._on_camera = viewer, on_camera
        self._cameras: tuple[ViewedCamera, ...] = ()
        with ui.element("div").classes("look-cameras") as self._place:
            button("←", lambda: self.step(-1), "Previous camera")
            self._select = ui.select([], on_change=self._choose).props(
                "outlined dense options-dense"
            )
            named(self._select, "Camera")
            button("→", lambda: self.step(1), "Next camera")
        self._place.set_visibility(False)

    def sync(self) -> None:
        """Show the cameras as they are now."""
        cameras = self._viewer.cameras()
        if cameras != self._cameras:
            self._cameras = cameras
            titles = {each.name: readable(each.title) for each in cameras}
            self._select.set_options(titles, value=self._shown())
            self._place.set_visibility(len(cameras) > 1)
        elif self._select.value != self._shown():
            self._select.value = self._shown()

    def title(self) -> str:
        """Return what people call the camera that is shown."""
        titles = {each.name: readable(each.title) for each in self._cameras}
        return titles.get(self._viewer.camera, "the camera")

    def step(self, by: int) -> None:
        """Show the camera so many places further."""
        self._on_camera(self._viewer.camera_beside(by))

    def _shown(self) -> str | None:
        names = {each.name for each in self._cameras}
        return self._viewer.camera if self._viewer.camera in names else None

    def _choose(self, event: ValueChangeEventArguments[str | None]) -> None:
        if event.value is not None and event.value != self._viewer.camera:
            self._on_camera(event.value)
