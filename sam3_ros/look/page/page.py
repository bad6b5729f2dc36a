"""The page as a whole: one for each browser tab."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path

from nicegui import ui

from sam3_ros.core.errors import PromptError
from sam3_ros.look.page.ask_box import AskBox
from sam3_ros.look.page.camera_choice import CameraChoice
from sam3_ros.look.page.controls import MessageLine, button, press
from sam3_ros.look.page.health_panel import HealthFigures, HealthHead, Troubles
from sam3_ros.look.page.marking import mark_of_event
from sam3_ros.look.page.picture import PictureElement
from sam3_ros.look.page.prompt_list import PromptList
from sam3_ros.look.page.view_controls import ViewControls
from sam3_ros.look.page.viewer import Viewer
from sam3_ros.look.rights import ViewerRights
from sam3_ros.look.viewing import Verdict, Viewing

_STYLE = Path(__file__).with_name("look.css")
# Shown while the browser loads the libraries; the picture takes it away.
_START = '<div id="look-start">sam3-ros look</div>'
# Counts and scores change with each picture; nobody reads them faster.
_LIST_SECONDS = 0.25
_HEALTH_SECONDS = 1.0


def build_page(viewing: Viewing, rights: ViewerRights, feed_path: str) -> None:
    """Build the page of one browser tab, inside of NiceGUI's page function.

    feed_path: the path of the WebSocket that brings pictures, such as "/feed".
    """
    LookPage(viewing, rights, feed_path)


class LookPage:
    """Controls of one tab, and what keeps them as the source is."""

    def __init__(self, viewing: Viewing, rights: ViewerRights, feed_path: str) -> None:
        self._viewer = Viewer(viewing, rights)
        self._viewer.cameras()
        ui.add_body_html(_START)
        ui.add_css(_STYLE.read_text(encoding="utf-8"))
        with ui.element("div").classes("look-page"):
            self._make_head()
            self._banners = Troubles(serious=True)
            with ui.element("div").classes("look-main"):
                with ui.element("section").classes("look-stage"):
                    self._make_stage(feed_path)
                with ui.element("aside").classes("look-side"):
                    self._make_side()
        self._sync()
        self._sync_health()
        ui.timer(_LIST_SECONDS, self._sync)
        ui.timer(_HEALTH_SECONDS, self._sync_health)
        ui.context.client.on_delete(self._viewer.end)

    def _make_head(self) -> None:
        with ui.element("header").classes("look-head"):
            with ui.element("h1"):
                ui.label("sam3-ros look")
            self._source = ui.label().classes("look-source")
            if not self._viewer.rights.may_change:
                ui.label("view only").classes("look-badge")
            self._health_head = HealthHead()
            # In the browser, which knows whether its system is dark.
            ui.button("Dark or light", color=None).props("no-caps flat dense").classes(
                "look-quiet"
            ).on("click", js_handler="() => Quasar.Dark.toggle()")

    def _make_stage(self, feed_path: str) -> None:
        with ui.element("div").classes("look-screen"):
            self._picture = PictureElement(feed_path, self._viewer.rights.may_change)
            self._remarks = Troubles(serious=False)
        self._picture.on_event("mark", self._on_mark)
        self._picture.on_event("pause", self._on_pause_key)
        self._picture.on_event("step", self._on_step)
        self._picture.on_event("escape", self._on_escape)
        with ui.element("div").classes("look-bar"):
            self._pause = button("Pause", self._toggle_pause, strong=True)
            self._choice = CameraChoice(self._viewer, self._show_camera)

    def _make_side(self) -> None:
        self._ask = AskBox(self._viewer, self._run) if self._viewer.rights.may_change else None
        self._line = MessageLine()
        self._list = PromptList(self._viewer, self._run, self._sync)
        self._controls = ViewControls(self._viewer, self._run, self._on_view, self._line)
        self._figures = HealthFigures()

    def _sync(self) -> None:
        """Show cameras, prompts and picture as they are now."""
        self._choice.sync()
        self._list.sync()
        if self._ask:
            self._ask.sync()
        viewer = self._viewer
        paused = viewer.held is not None
        self._picture.set(
            camera=viewer.camera,
            layer=viewer.layer.value,
            opacity=viewer.opacity,
            title=self._choice.title(),
            paused=paused,
        )
        self._pause.text = "Resume" if paused else "Pause"
        press(self._pause, paused)

    def _sync_health(self) -> None:
        health = self._viewer.viewing.health(self._viewer.camera)
        self._source.text = health.source
        self._health_head.show(health)
        self._banners.show(health.troubles)
        self._remarks.show(health.troubles)
        self._figures.show(health)
        self._controls.show_threshold(health.threshold)

    async def _run(self, request: Awaitable[Verdict], done: str) -> bool:
        """Wait for what becomes of a request, and show it; return whether it was accepted."""
        verdict = await request
        self._line.tell(verdict, done)
        self._show_held()
        self._sync()
        return verdict.accepted

    def _show_held(self) -> None:
        if self._viewer.held:
            self._picture.hold(self._viewer.held.picture, self._viewer.layer)

    async def _on_view(self) -> None:
        self._sync()
        if await self._viewer.draw_held():
            self._show_held()

    async def _toggle_pause(self) -> None:
        if self._viewer.held:
            self._viewer.resume()
            self._line.tell(Verdict(True), "Live again, with the live prompts.")
        else:
            verdict = await self._viewer.pause()
            self._line.tell(verdict, "Paused: what you ask now is asked of this picture alone.")
        self._sync()
        self._show_held()

    def _show_camera(self, name: str) -> None:
        self._viewer.show_camera(name)
        self._sync()
        self._sync_health()

    async def _on_mark(self, event: object) -> None:
        try:
            mark = mark_of_event(event)
        except PromptError as error:
            self._line.tell(Verdict(False, str(error)), "")
            return
        done = "Marked what is not part of it." if mark.negative else "Asked for the object there."
        await self._run(self._viewer.mark(mark), done)

    async def _on_pause_key(self, _: object) -> None:
        await self._toggle_pause()

    async def _on_step(self, event: object) -> None:
        self._choice.step(-1 if event == -1 else 1)

    async def _on_escape(self, _: object) -> None:
        self._viewer.select(None)
        self._sync()
