"""Health at a glance in the head of the page, what is wrong, and all figures."""

from __future__ import annotations

from nicegui import ui

from sam3_ros.look.page.controls import attributes, named
from sam3_ros.look.page.health_words import figures, model, speed, tone_of
from sam3_ros.look.viewing import Trouble, ViewedHealth


class HealthHead:
    """State, speed and model in one line."""

    def __init__(self) -> None:
        self._speed = ui.label().classes("look-figure look-speed")
        self._model = ui.label().classes("look-figure look-model")
        with attributes(ui.element("div").classes("look-state"), role="status", id="look-state"):
            self._dot = ui.element("span").classes("look-dot-state")
            self._state = ui.label()

    def show(self, health: ViewedHealth) -> None:
        """Show how the source is now."""
        self._speed.text, self._model.text = speed(health), model(health)
        self._state.text = health.state
        self._dot.classes(replace=f"look-dot-state look-tone-{tone_of(health)}")


class Troubles:
    """What is wrong: red banners at the top, or remarks over the picture."""

    def __init__(self, serious: bool) -> None:
        self._serious = serious
        self._place = ui.element("div").classes("" if serious else "look-remarks")
        self._lines: list[tuple[ui.label, ui.label]] = []

    def show(self, troubles: tuple[Trouble, ...]) -> None:
        """Show those of this kind; words that change stay in their banner."""
        shown = [trouble for trouble in troubles if trouble.serious == self._serious]
        if len(shown) != len(self._lines):
            self._place.clear()
            with self._place:
                self._lines = [self._banner() for _ in shown]
        for (what, remedy), trouble in zip(self._lines, shown, strict=True):
            what.text, remedy.text = trouble.what, trouble.remedy

    def _banner(self) -> tuple[ui.label, ui.label]:
        kind = "look-serious" if self._serious else "look-remark"
        banner = ui.element("div").classes(f"look-banner {kind}")
        attributes(banner, role="alert" if self._serious else "status")
        with banner:
            return ui.label().classes("look-what"), ui.label()


class HealthFigures:
    """All figures, in a part that can be folded."""

    def __init__(self) -> None:
        self._values: dict[str, ui.label] = {}
        with attributes(ui.element("details").classes("look-details"), open=True):
            with ui.element("summary"):
                ui.label("Health")
            with named(ui.element("dl").classes("look-figures"), "Health"):
                for name, _ in figures(ViewedHealth(state="", source="")):
                    with ui.element("dt"):
                        ui.label(name)
                    with ui.element("dd"):
                        self._values[name] = ui.label()

    def show(self, health: ViewedHealth) -> None:
        """Show how the source is now."""
        for name, value in figures(health):
            self._values[name].text = value
