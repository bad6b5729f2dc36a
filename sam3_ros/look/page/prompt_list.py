"""The prompts in use, a row each, with what may be done to each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from sam3_ros.look.page.controls import attributes, button, named, press, readable, typed
from sam3_ros.look.page.viewer import Viewer
from sam3_ros.look.viewing import ListedPrompt, Verdict

_EMPTY = "Nothing is asked yet. Type a word, or click an object in the picture."
_EMPTY_VIEW_ONLY = "Nothing is asked yet."
#: Runs a request, shows what became of it, and returns whether it was accepted.
Run = Callable[[Awaitable[Verdict], str], Awaitable[bool]]
_LONGEST = 1000
# To which points can be added.
_SHOWN_BY_MARKS = ("click", "box")


class PromptList:
    """Rows that change in place, so that the keyboard's focus stays where it is."""

    def __init__(self, viewer: Viewer, run: Run, on_select: Callable[[], None]) -> None:
        self._viewer, self._run, self._on_select = viewer, run, on_select
        with ui.element("h2").classes("look-title"):
            self._title = ui.label("Prompts")
        empty = _EMPTY if viewer.rights.may_change else _EMPTY_VIEW_ONLY
        self._empty = ui.label(empty).classes("look-soft")
        self._list = named(ui.element("ul").classes("look-prompts"), "Prompts")
        self._rows: dict[tuple[str, str], _Row] = {}
        self._dialog = _RenameDialog(viewer, run)

    def sync(self) -> None:
        """Show the prompts as they are now."""
        prompts = {(each.id, each.camera): each for each in self._viewer.prompts()}
        for key in [key for key in self._rows if key not in prompts]:
            self._list.remove(self._rows.pop(key).item)
        selected = self._viewer.selected()
        for key, prompt in prompts.items():
            if key not in self._rows:
                with self._list:
                    self._rows[key] = self._row(prompt)
            self._rows[key].show(prompt, prompt == selected, held=self._viewer.held is not None)
        self._empty.set_visibility(not prompts)
        self._title.text = f"Prompts ({len(prompts)})" if prompts else "Prompts"

    def _row(self, prompt: ListedPrompt) -> _Row:
        return _Row(prompt, self._viewer, self._run, self._dialog, self._on_select)


class _Row:
    """One prompt."""

    def __init__(
        self,
        prompt: ListedPrompt,
        viewer: Viewer,
        run: Run,
        dialog: _RenameDialog,
        on_select: Callable[[], None],
    ) -> None:
        self._prompt, self._viewer, self._run = prompt, viewer, run
        self._dialog, self._on_select = dialog, on_select
        self.item = attributes(ui.element("li").classes("look-prompt"), data_prompt=prompt.id)
        with self.item:
            with ui.element("div").classes("look-row"):
                self._swatch = ui.element("span").classes("look-swatch")
                self._name = ui.label().classes("look-name")
                self._count = ui.label().classes("look-count")
                self._score = ui.label().classes("look-score")
            if viewer.rights.may_change:
                with ui.element("div").classes("look-acts"):
                    self._make_acts()

    def _make_acts(self) -> None:
        self._follow = button("Follow", self._toggle_follow)
        self._freeze = button("Freeze", self._toggle_freeze)
        self._rename = button("Rename", lambda: self._dialog.open(self._prompt))
        self._remove = button("Remove", self._do_remove)
        self._add = button("Add points", self._toggle_selected)

    def show(self, prompt: ListedPrompt, selected: bool, held: bool) -> None:
        """Show how the prompt is now."""
        self._prompt = prompt
        red, green, blue = prompt.colour
        self._swatch.style(f"background: rgb({red:d} {green:d} {blue:d})")
        self._name.text = readable(prompt.label, _LONGEST)
        attributes(self._name, title=_whole_name(prompt))
        self._count.text = _count(prompt)
        self._score.text = _score(prompt)
        self.item.classes(
            add=" ".join(_classes(prompt, selected)),
            remove="look-frozen look-selected look-none",
        )
        if self._viewer.rights.may_change:
            self._show_acts(prompt, selected, held)

    def _show_acts(self, prompt: ListedPrompt, selected: bool, held: bool) -> None:
        for made, act in (
            (self._follow, "Follow"),
            (self._freeze, "Freeze"),
            (self._rename, "Rename"),
            (self._remove, "Remove"),
            (self._add, "Add points to"),
        ):
            named(made, f"{act} {readable(prompt.label)}")
        press(self._add, selected)
        self._add.set_visibility(prompt.kind in _SHOWN_BY_MARKS)
        press(self._follow, prompt.followed)
        press(self._freeze, prompt.frozen)
        for made in (self._follow, self._freeze):
            made.set_enabled(not held)

    def _toggle_selected(self) -> None:
        self._viewer.select(self._prompt)
        self._on_select()

    async def _toggle_follow(self) -> None:
        on = not self._prompt.followed
        done = f"{_quoted(self._prompt)} is {'followed' if on else 'not followed any more'}."
        await self._run(self._viewer.follow(self._prompt, on), done)

    async def _toggle_freeze(self) -> None:
        on = not self._prompt.frozen
        done = f"{_quoted(self._prompt)} is {'frozen: not asked for now' if on else 'asked again'}."
        await self._run(self._viewer.freeze(self._prompt, on), done)

    async def _do_remove(self) -> None:
        await self._run(self._viewer.remove(self._prompt), f"{_quoted(self._prompt)} is removed.")


class _RenameDialog:
    """Asks for the new name of a prompt."""

    def __init__(self, viewer: Viewer, run: Run) -> None:
        self._viewer, self._run = viewer, run
        self._prompt: ListedPrompt | None = None
        with ui.dialog() as self._dialog, ui.card().classes("look-dialog"):
            self._field = ui.input("New name").props("outlined dense autofocus maxlength=200")
            named(self._field, "New name")
            self._field.on("keydown.enter", self._save)
            with ui.element("div").classes("look-acts"):
                button("Save", self._save, strong=True)
                button("Cancel", self._dialog.close)
        named(self._dialog, "Rename")

    def open(self, prompt: ListedPrompt) -> None:
        self._prompt, self._field.value = prompt, prompt.label
        self._dialog.open()

    async def _save(self) -> None:
        self._dialog.close()
        if self._prompt:
            name = typed(self._field)
            await self._run(
                self._viewer.rename(self._prompt, name), f"Renamed to “{readable(name)}”."
            )


def _whole_name(prompt: ListedPrompt) -> str:
    asked = f" ({prompt.text})" if prompt.text and prompt.text != prompt.label else ""
    return readable(f"{prompt.label}{asked}", _LONGEST)


def _quoted(prompt: ListedPrompt) -> str:
    return f"“{readable(prompt.label)}”"


def _count(prompt: ListedPrompt) -> str:
    if prompt.frozen:
        return "frozen"
    return "" if prompt.count is None else str(prompt.count)


def _score(prompt: ListedPrompt) -> str:
    """Return two digits, as the overlay's captions have them."""
    if prompt.score is None:
        return ""
    return f"{prompt.score:.2f}".removeprefix("0")


def _classes(prompt: ListedPrompt, selected: bool) -> list[str]:
    states = {
        "look-frozen": prompt.frozen,
        "look-selected": selected,
        "look-none": prompt.count == 0,
    }
    return [name for name, holds in states.items() if holds]
