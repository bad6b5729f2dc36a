"""The prompts that every frame is asked, and the values they have in the label image."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from sam3_ros.core.errors import PromptError
from sam3_ros.core.prompts import Prompt

# 0 is "nothing"; 255 is left free, for it commonly means "unknown" in label images.
LABEL_VALUES = range(1, 255)


class Source(Enum):
    """Which topic a prompt came by; a message replaces what came by its own."""

    TEXT = "~/prompt/text"
    POINT = "~/prompt/point"
    BOX = "~/prompt/box"
    SET = "~/prompts"


@dataclass(frozen=True, eq=False)
class ActivePrompt:
    """A prompt in use; label_value 1..254 stays the same as long as its id is in use."""

    prompt: Prompt
    source: Source
    label_value: int


Snapshot: TypeAlias = tuple[ActivePrompt, ...]


class ActivePrompts:
    """Written by the topics' callbacks, read by the inference thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_id: dict[str, ActivePrompt] = {}
        self._frames_left: dict[ActivePrompt, int] = {}

    def snapshot(self) -> Snapshot:
        with self._lock:
            return tuple(self._by_id.values())

    def replace_all(self, prompts: Sequence[Prompt]) -> None:
        """Ask these and nothing else. Raises PromptError, and changes nothing, if too many."""
        with self._lock:
            self._install({}, prompts, Source.SET, 0)

    def replace(self, source: Source, prompts: Sequence[Prompt], frames: int = 0) -> Snapshot:
        """Put these in place of what came by the source; one of the same id gives way too.

        frames: how many answered frames they last, 0 = until replaced. Returns those that gave way
        though they came by another source. Errors as replace_all.
        """
        with self._lock:
            new_ids = {prompt.id for prompt in prompts}
            others = {k: active for k, active in self._by_id.items() if active.source is not source}
            displaced = tuple(active for k, active in others.items() if k in new_ids)
            kept = {k: active for k, active in others.items() if k not in new_ids}
            self._install(kept, prompts, source, frames)
            return displaced

    def remove(self, active: ActivePrompt) -> None:
        """Stop asking it, unless another has taken its place already."""
        with self._lock:
            self._forget(active)

    def answered(self, snapshot: Snapshot) -> None:
        """A frame was answered with these: those whose frames are used up go."""
        with self._lock:
            for active in snapshot:
                if active in self._frames_left:
                    self._frames_left[active] -= 1
                    if self._frames_left[active] == 0:
                        self._forget(active)

    def _install(
        self,
        kept: Mapping[str, ActivePrompt],
        prompts: Sequence[Prompt],
        source: Source,
        frames: int,
    ) -> None:
        values = self._values_for(kept.values(), prompts)
        new = [ActivePrompt(p, source, value) for p, value in zip(prompts, values, strict=True)]
        self._by_id = {**kept, **{active.prompt.id: active for active in new}}
        self._frames_left = {
            active: left
            for active, left in self._frames_left.items()
            if self._by_id.get(active.prompt.id) is active
        }
        if frames:
            self._frames_left.update(dict.fromkeys(new, frames))

    def _values_for(self, kept: Iterable[ActivePrompt], prompts: Sequence[Prompt]) -> list[int]:
        """The value an id has had, else the least that is free."""
        before = {p.id: self._by_id[p.id].label_value for p in prompts if p.id in self._by_id}
        taken = {active.label_value for active in kept} | set(before.values())
        free = (value for value in LABEL_VALUES if value not in taken)
        values = [before.get(prompt.id) or next(free, 0) for prompt in prompts]
        if 0 in values:
            raise PromptError(
                f"expected at most {len(LABEL_VALUES)} prompts at a time, as many as a label image "
                f"has values; got {len(taken) + values.count(0)} or more: clear some first"
            )
        return values

    def _forget(self, active: ActivePrompt) -> None:
        self._frames_left.pop(active, None)
        if self._by_id.get(active.prompt.id) is active:
            del self._by_id[active.prompt.id]
