"""The field for phrases, and what became of the last request."""

from __future__ import annotations

from nicegui import ui

from sam3_ros.look.page.controls import attributes, button, named, readable, typed
from sam3_ros.look.page.prompt_list import Run
from sam3_ros.look.page.viewer import MOST_CHARACTERS, Viewer

_WITH_A_MOUSE = "Click an object. Shift-click what is not part of it. Drag a box around one."
_WITH_A_FINGER = "Tap an object. Hold your finger on what is not part of it. Drag a box around one."


class AskBox:
    """Takes phrases; only for viewers that may change what is asked."""

    def __init__(self, viewer: Viewer, run: Run) -> None:
        self._viewer, self._run = viewer, run
        with ui.element("form").classes("look-ask") as form:
            self._field = ui.input("Phrases to find", placeholder="red cube; ball")
            self._field.props(f"outlined dense maxlength={MOST_CHARACTERS} autocomplete=off")
            attributes(self._field, enterkeyhint="search", spellcheck="false")
            named(self._field, "Phrases to find, separated by semicolons")
            button("Ask", self._ask, strong=True)
        # Enter asks; the browser would load the page again.
        form.on("submit.prevent", self._ask)
        self.hint_selected = ui.label().classes("look-hint look-picked")
        ui.label(_WITH_A_MOUSE).classes("look-hint look-mouse")
        ui.label(_WITH_A_FINGER).classes("look-hint look-finger")

    def sync(self) -> None:
        """Say what clicks do now."""
        selected = self._viewer.selected()
        self.hint_selected.set_visibility(selected is not None)
        if selected:
            self.hint_selected.text = f"Clicks add to “{readable(selected.label)}”. Escape ends it."

    async def _ask(self) -> None:
        text = typed(self._field)
        if len(text) >= MOST_CHARACTERS:
            ui.notify(f"More than {MOST_CHARACTERS:,} characters were cut.", type="warning")
        asked = await self._run(self._viewer.ask(text), f"Asked “{readable(text.strip())}”.")
        if asked and self._field.value == text:
            self._field.value = ""
