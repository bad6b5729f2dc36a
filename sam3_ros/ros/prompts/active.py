"""The prompts that frames are asked, and the values they have in the label image."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from sam3_ros.core.segmenter.prompts import Prompt
from sam3_ros.ros.prompts.label_values import label_values
from sam3_ros.ros.prompts.refusals import repeated_id, unknown_id
from sam3_ros.ros.prompts.requests import PromptRequest, Source

# Camera (None: every one) and id: what tells a prompt from another.
Key: TypeAlias = tuple[str | None, str]


@dataclass(frozen=True, eq=False)
class ActivePrompt:
    """A prompt in use.

    label_value: 1..254, that of its id at every camera as long as the id is in use. camera,
    sticky, frames: as in PromptRequest.
    """

    prompt: Prompt
    source: Source
    label_value: int
    camera: str | None = None
    sticky: bool = False
    frames: int = 0

    @property
    def key(self) -> Key:
        return self.camera, self.prompt.id


Snapshot: TypeAlias = tuple[ActivePrompt, ...]
_Asked: TypeAlias = tuple[Source, PromptRequest]


@dataclass
class _Turn:
    """Of one prompt at one camera. frames_left: 0 for no end. pinned_ns: see PromptRequest.pins."""

    frames_left: int
    pinned_ns: int | None


class ActivePrompts:
    """Written by the topics' callbacks and the inference thread, read by any."""

    def __init__(self, cameras: Sequence[str] = ("",)) -> None:
        self._lock = threading.Lock()
        self._cameras = tuple(cameras)
        self._by_key: dict[Key, ActivePrompt] = {}
        self._turns: dict[ActivePrompt, dict[str, _Turn]] = {}
        self._listeners: tuple[Callable[[], None], ...] = ()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call it whenever all(), or what a camera is asked, has changed.

        After that, and in the thread that changed it.
        """
        self._listeners = (*self._listeners, listener)

    def all(self) -> Snapshot:
        """Every prompt of every camera."""
        with self._lock:
            return tuple(self._by_key.values())

    def snapshot(self, camera: str, stamp_ns: int | None = None) -> Snapshot:
        """What a camera is asked; its own prompt hides the one of that id for every camera.

        stamp_ns: of a frame; prompts that wait for another one are left out then.
        """
        with self._lock:
            return tuple(
                active
                for active in self._by_key.values()
                if self._is_asked(active, camera) and self._may_answer(active, camera, stamp_ns)
            )

    def pinned_ns(self, active: ActivePrompt, camera: str) -> int | None:
        """The stamp of the frame that it still waits for at this camera."""
        with self._lock:
            turn = self._turns.get(active, {}).get(camera)
            return turn.pinned_ns if turn is not None else None

    def has_value(self, active: ActivePrompt) -> bool:
        """Its label value still means its id and label, whoever has them now."""
        meaning = (active.label_value, active.prompt.id, active.prompt.label)
        with self._lock:
            return any(
                meaning == (each.label_value, each.prompt.id, each.prompt.label)
                for each in self._by_key.values()
            )

    def replace_all(self, requests: Sequence[PromptRequest]) -> Snapshot:
        """Ask these and nothing else; how they are asked.

        Raises PromptError, and changes nothing, if there are too many or ids of a camera repeat.
        """
        with self._changing():
            return self._install({}, _by(Source.SET, requests))

    def put(self, requests: Sequence[PromptRequest]) -> tuple[Snapshot, Snapshot]:
        """Ask these too; one of the same id and camera gives way. Returns and raises as replace."""
        with self._changing():
            return self._put_beside(self._by_key, _by(Source.SET, requests))

    def replace(
        self, source: Source, camera: str | None, requests: Sequence[PromptRequest]
    ) -> tuple[Snapshot, Snapshot]:
        """Put these in place of what came for the camera by the source.

        How they are asked, and which gave way though they came by another source. Errors as
        replace_all.
        """
        with self._changing():
            others = self._without(lambda each: (each.source, each.camera) == (source, camera))
            return self._put_beside(others, _by(source, requests))

    def replace_parameter(
        self, texts: Sequence[PromptRequest], others: Sequence[PromptRequest]
    ) -> tuple[Snapshot, Snapshot]:
        """Put these in place of the parameter's, and of the texts for every camera.

        Returns and raises as replace.
        """
        asked = [*_by(Source.TEXT, texts), *_by(Source.PARAMETER, others)]
        with self._changing():
            return self._put_beside(self._without(_is_of_parameter), asked)

    def remove_named(self, names: Sequence[Key]) -> None:
        """Stop asking these; camera None means wherever that id is asked.

        Raises PromptRefusedError, and changes nothing, for one that is not asked.
        """
        with self._changing():
            for active in [each for name in names for each in self._named(name)]:
                self._forget(active)

    def remove(self, active: ActivePrompt, camera: str | None = None) -> None:
        """Stop asking it, at one camera or at all; a successor of its id stays."""
        with self._changing():
            for each in (camera,) if camera is not None else self._cameras:
                self._end(active, each)

    def answered(self, camera: str, snapshot: Snapshot) -> None:
        """A frame was answered with these: those whose frames are used up go."""
        with self._changing():
            for active in snapshot:
                turn = self._turns.get(active, {}).get(camera)
                if turn is None:
                    continue
                turn.pinned_ns = None
                if turn.frames_left == 1:
                    self._end(active, camera)
                elif turn.frames_left:
                    turn.frames_left -= 1

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._lock:
            before = self._asked_where()
            yield
            has_changed = before != self._asked_where()
        if has_changed:
            for listener in self._listeners:
                listener()

    def _asked_where(self) -> list[tuple[ActivePrompt, tuple[str, ...]]]:
        return [(active, tuple(self._turns[active])) for active in self._by_key.values()]

    def _is_asked(self, active: ActivePrompt, camera: str) -> bool:
        is_hidden = active.camera is None and (camera, active.prompt.id) in self._by_key
        return camera in self._turns[active] and not is_hidden

    def _may_answer(self, active: ActivePrompt, camera: str, stamp_ns: int | None) -> bool:
        return stamp_ns is None or self._turns[active][camera].pinned_ns in (None, stamp_ns)

    def _named(self, name: Key) -> list[ActivePrompt]:
        camera, prompt_id = name
        alike = [active for active in self._by_key.values() if active.prompt.id == prompt_id]
        found = [active for active in alike if camera is None or active.camera == camera]
        if not found:
            raise unknown_id(camera, prompt_id, is_asked_elsewhere=bool(alike))
        return found

    def _without(self, is_replaced: Callable[[ActivePrompt], bool]) -> dict[Key, ActivePrompt]:
        return {key: each for key, each in self._by_key.items() if not is_replaced(each)}

    def _put_beside(
        self, others: Mapping[Key, ActivePrompt], asked: Sequence[_Asked]
    ) -> tuple[Snapshot, Snapshot]:
        alike = [
            (others.get((request.camera, request.prompt.id)), source) for source, request in asked
        ]
        displaced = tuple(a for a, source in alike if a is not None and a.source is not source)
        return self._install(others, asked), displaced

    def _install(self, kept: Mapping[Key, ActivePrompt], asked: Sequence[_Asked]) -> Snapshot:
        requests = [request for _, request in asked]
        ids = [active.prompt.id for active in kept.values()]
        ids += [request.prompt.id for request in requests]
        values = label_values(self._values(), ids)
        new: dict[Key, ActivePrompt] = {}
        for source, request in asked:
            active = _active(request, source, values[request.prompt.id])
            if active.key in new:
                raise repeated_id(request.camera, request.prompt.id)
            new[active.key] = active
        self._by_key = {**kept, **new}
        self._turns = {
            active: turns
            for active, turns in self._turns.items()
            if self._by_key.get(active.key) is active
        }
        for active, request in zip(new.values(), requests, strict=True):
            self._turns[active] = self._turns_of(request)
        return tuple(new.values())

    def _turns_of(self, request: PromptRequest) -> dict[str, _Turn]:
        turns = {}
        for camera in self._cameras if request.camera is None else (request.camera,):
            is_hidden = request.camera is None and (camera, request.prompt.id) in self._by_key
            pin = None if is_hidden else request.pins.get(camera)
            turns[camera] = _Turn(request.frames, pin)
        return turns

    def _values(self) -> dict[str, int]:
        return {active.prompt.id: active.label_value for active in self._by_key.values()}

    def _end(self, active: ActivePrompt, camera: str) -> None:
        turns = self._turns.get(active, {})
        turns.pop(camera, None)
        if not turns:
            self._forget(active)

    def _forget(self, active: ActivePrompt) -> None:
        self._turns.pop(active, None)
        if self._by_key.get(active.key) is active:
            del self._by_key[active.key]


def _is_of_parameter(active: ActivePrompt) -> bool:
    is_text = (active.source, active.camera) == (Source.TEXT, None)
    return is_text or active.source is Source.PARAMETER


def _by(source: Source, requests: Sequence[PromptRequest]) -> list[_Asked]:
    return [(source, request) for request in requests]


def _active(request: PromptRequest, source: Source, label_value: int) -> ActivePrompt:
    of, sticky, frames = request.camera, request.sticky, request.frames
    return ActivePrompt(request.prompt, source, label_value, of, sticky, frames)
