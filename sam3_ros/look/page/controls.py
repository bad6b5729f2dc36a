"""Small makers of controls, each with a name that a screen reader reads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from nicegui import ui
from nicegui.element import Element

from sam3_ros.core.visible_text import visible
from sam3_ros.look.viewing import Verdict

Named = TypeVar("Named", bound=Element)
Handler = Callable[[], Awaitable[None] | None]


def named(element: Named, name: str) -> Named:
    """Give an element its accessible name."""
    return attributes(element, aria_label=name)


def button(text: str, handler: Handler, name: str = "", strong: bool = False) -> ui.button:
    """Return a button with plain words on it; name: where the words alone do not say of what."""
    made = ui.button(text, on_click=lambda: handler(), color=None)
    made.props("no-caps unelevated" if strong else "no-caps flat dense")
    made.classes("look-strong" if strong else "look-quiet")
    return named(made, name) if name else made


def press(made: ui.button, on: bool) -> None:
    """Show a button as pressed or not, for eyes and for screen readers."""
    attributes(made, aria_pressed="true" if on else "false")


def attributes(element: Named, **values: Any) -> Named:
    """Set attributes such as role and id; `_` stands for `-`. The browser hears only of changes."""
    named_so = {name.replace("_", "-"): value for name, value in values.items()}
    changed = {name: value for name, value in named_so.items() if element.props.get(name) != value}
    if changed:
        element.props.update(changed)
    return element


def typed(field: ui.input) -> str:
    """Return what is in a field; a browser may have sent anything."""
    return field.value if isinstance(field.value, str) else ""


def readable(text: str, most: int = 80) -> str:
    """Return what others have typed, with what would turn or hide text to be seen, and short."""
    seen = visible(text)
    return seen if len(seen) <= most else f"{seen[: most - 1]}…"


class MessageLine:
    """One line that says what became of the last request."""

    def __init__(self) -> None:
        self._line = ui.label().classes("look-message")
        attributes(self._line, role="status", id="look-message")

    def tell(self, verdict: Verdict, done: str) -> None:
        """Show a verdict; done: what was done, if it was accepted."""
        if not verdict.accepted:
            self._show(f"Not done: {verdict.reason}", "bad")
        elif verdict.warnings:
            self._show(f"{done} Note: {'; '.join(verdict.warnings)}", "warn")
        else:
            self._show(done, "good")

    def _show(self, words: str, tone: str) -> None:
        self._line.text = words
        self._line.classes(replace=f"look-message look-{tone}")
