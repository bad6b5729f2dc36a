"""How the picture is shown, and what is kept of it: masks only, opacity, threshold, download."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from nicegui import ui
from nicegui.events import ValueChangeEventArguments

from sam3_ros.look.page.controls import MessageLine, button, named
from sam3_ros.look.page.prompt_list import Run
from sam3_ros.look.page.slider import SliderElement
from sam3_ros.look.page.viewer import Viewer
from sam3_ros.look.viewing import FrameFiles, PictureLayer, Verdict

# What the source says of the threshold is not shown so soon after it was set here.
_SETTLING_SECONDS = 3.0


class ViewControls:
    """Controls of the picture alone; they change nothing of what is asked, but the threshold."""

    def __init__(
        self, viewer: Viewer, run: Run, on_view: Callable[[], Awaitable[None]], line: MessageLine
    ) -> None:
        self._viewer, self._run, self._on_view, self._line = viewer, run, on_view, line
        self._threshold_set = 0.0
        with ui.element("h2").classes("look-title"):
            ui.label("Picture")
        masks_only = ui.switch("Masks only", on_change=self._change_layer).props("dense")
        named(masks_only, "Masks only")
        self._opacity_value = self._slider_head("Opacity", "100 %")
        opacity = named(SliderElement(0, 100, 5, 100), "Opacity")
        opacity.on_slide(self._change_opacity)
        if viewer.rights.may_change:
            self._make_threshold()
        with ui.element("div").classes("look-acts look-downloads"):
            ui.label("Download").classes("look-soft")
            button("PNG", self._download_png, "Download PNG")
            button("Masks", self._download_masks, "Download masks")
            button("JSON", self._download_json, "Download JSON")

    def show_threshold(self, score: float) -> None:
        """Show the source's threshold, unless it was just set here or a picture is held."""
        if not self._viewer.rights.may_change or self._viewer.held:  # which has one of its own
            return
        if time.monotonic() - self._threshold_set > _SETTLING_SECONDS:
            self._threshold.show(round(score, 2))
            self._threshold_value.text = _threshold_words(score)

    def _make_threshold(self) -> None:
        self._threshold_value = self._slider_head("Threshold", _threshold_words(0.0))
        self._threshold = named(SliderElement(0, 1, 0.01, 0), "Threshold")
        self._threshold.on_slide(self._say_threshold)
        self._threshold.on_settle(self._set_threshold)

    def _slider_head(self, name: str, value: str) -> ui.label:
        with ui.element("div").classes("look-slider-head"):
            ui.label(name)
            return ui.label(value).classes("look-soft")

    async def _change_layer(self, event: ValueChangeEventArguments[bool | None]) -> None:
        self._viewer.layer = PictureLayer.MASKS if event.value else PictureLayer.OVERLAY
        await self._on_view()

    async def _change_opacity(self, per_cent: float) -> None:
        self._viewer.opacity = per_cent / 100
        self._opacity_value.text = f"{per_cent:.0f} %"
        await self._on_view()

    def _say_threshold(self, score: float) -> None:
        self._threshold_set = time.monotonic()
        self._threshold_value.text = _threshold_words(score)

    async def _set_threshold(self, score: float) -> None:
        self._say_threshold(score)
        done = f"Threshold: {_threshold_words(score)}."
        await self._run(self._viewer.set_threshold(score), done)

    async def _download_png(self) -> None:
        if files := await self._files():
            ui.download.content(files.overlay_png, f"{files.name}.png", "image/png")

    async def _download_masks(self) -> None:
        if files := await self._files():
            ui.download.content(files.mask_png, f"{files.name}_masks.png", "image/png")

    async def _download_json(self) -> None:
        if files := await self._files():
            ui.download.content(files.json, f"{files.name}.json", "application/json")

    async def _files(self) -> FrameFiles | None:
        files = await self._viewer.files()
        if isinstance(files, Verdict):
            self._line.tell(files, "")
            return None
        return files


def _threshold_words(score: float) -> str:
    return "the model's own" if score <= 0 else f"{score:.2f}"
