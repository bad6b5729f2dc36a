"""The prompts in use, and their values in the label image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from sam3_ros.core.segmenter.prompts import Prompt
from sam3_ros.ros.locks import NodeLock
from sam3_ros.ros.prompts.label_values import label_values
from sam3_ros.ros.prompts.requests import PromptRefusedError, PromptRequest, Source, has_position
from sam3_ros.ros.stamps import NANOSECONDS

# A prompt's camera (None: every camera) and id, which identify it.
Key: TypeAlias = tuple[str | None, str]


@dataclass(frozen=True, eq=False)
class ActivePrompt:
    """A prompt in use. camera, tracking, frames and seconds are those of its PromptRequest."""

    prompt: Prompt
    source: Source
    #: 1..254; belongs to the id, at every camera, as long as the id is in use.
    label_value: int
    camera: str | None = None
    tracking: bool = False
    frames: int = 0
    seconds: float = 0.0

    @property
    def has_end(self) -> bool:
        """Whether it ends by itself, after some frames or seconds."""
        return bool(self.frames or self.seconds)

    @property
    def is_followed(self) -> bool:
        """Whether it shows what is tracked, on one image: it ends with that.

        A text alone does not; it may find other objects later.
        """
        return self.tracking and has_position(self.prompt)

    @property
    def key(self) -> Key:
        return self.camera, self.prompt.id


Snapshot: TypeAlias = tuple[ActivePrompt, ...]
_Asked: TypeAlias = tuple[Source, PromptRequest]


@dataclass
class _Remaining:
    """What is left of a prompt at one camera."""

    #: Answered frames until it ends; 0 for no end.
    frames_left: int
    #: Stamp, ns, of the frame it waits for; None if any frame may answer it.
    pinned_ns: int | None
    #: The latest stamp, ns, when it was first answered; None before.
    since_ns: int | None = None


class ActivePrompts:
    """The prompts in use; changed by the topics' callbacks and the inference thread."""

    def __init__(self, cameras: Sequence[str] = ("",)) -> None:
        self._lock = NodeLock.ACTIVE_PROMPTS.make()
        self._cameras = tuple(cameras)
        self._by_key: dict[Key, ActivePrompt] = {}
        self._remaining: dict[ActivePrompt, dict[str, _Remaining]] = {}
        self._listeners: tuple[Callable[[], None], ...] = ()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call the listener after all(), or the prompts of a camera, have changed.

        It runs in the thread that made the change, without the lock.
        """
        self._listeners = (*self._listeners, listener)

    def all(self) -> Snapshot:
        """Return every prompt of every camera."""
        with self._lock:
            return tuple(self._by_key.values())

    def snapshot(self, camera: str, stamp_ns: int | None = None) -> Snapshot:
        """Return a camera's prompts; its own prompt hides the one of that id for every camera.

        With the stamp of a frame, prompts that wait for another frame are left out.
        """
        with self._lock:
            return tuple(
                active
                for active in self._by_key.values()
                if self._is_asked(active, camera) and self._may_answer(active, camera, stamp_ns)
            )

    def pinned_ns(self, active: ActivePrompt, camera: str) -> int | None:
        """Return the stamp of the frame that the prompt still waits for at this camera."""
        with self._lock:
            remaining = self._remaining.get(active, {}).get(camera)
            return remaining.pinned_ns if remaining is not None else None

    def has_value(self, active: ActivePrompt) -> bool:
        """Return whether its label value still stands for its id and label, for any prompt."""
        meaning = (active.label_value, active.prompt.id, active.prompt.label)
        with self._lock:
            return any(
                meaning == (each.label_value, each.prompt.id, each.prompt.label)
                for each in self._by_key.values()
            )

    def replace_all(self, requests: Sequence[PromptRequest]) -> Snapshot:
        """Ask these and nothing else; return them as they are asked.

        Raises PromptError, and changes nothing, if there are too many or a camera's ids repeat.
        """
        with self._changing():
            return self._install({}, _by(Source.SET, requests))

    def put(
        self, requests: Sequence[PromptRequest], source: Source = Source.SET
    ) -> tuple[Snapshot, Snapshot]:
        """Ask these too, each in place of one with its id and camera.

        Returns and raises as replace.
        """
        with self._changing():
            return self._put_beside(self._by_key, _by(source, requests))

    def replace(
        self, source: Source, camera: str | None, requests: Sequence[PromptRequest]
    ) -> tuple[Snapshot, Snapshot]:
        """Replace what the source asked of the camera.

        Returns the prompts as they are asked, and those of other sources that they displaced.
        Raises as replace_all.
        """
        with self._changing():
            others = self._without(lambda each: (each.source, each.camera) == (source, camera))
            return self._put_beside(others, _by(source, requests))

    def replace_parameter(
        self, texts: Sequence[PromptRequest], others: Sequence[PromptRequest]
    ) -> tuple[Snapshot, Snapshot]:
        """Replace what the parameter asked, and the texts for every camera.

        Returns and raises as replace.
        """

        def is_replaced(each: ActivePrompt) -> bool:
            is_text = (each.source, each.camera) == (Source.TEXT, None)
            return is_text or each.source is Source.PARAMETER

        asked = [*_by(Source.TEXT, texts), *_by(Source.PARAMETER, others)]
        with self._changing():
            return self._put_beside(self._without(is_replaced), asked)

    def remove_named(self, names: Sequence[Key]) -> None:
        """Stop asking these; camera None means wherever the id is in use.

        Raises PromptRefusedError, and changes nothing, for one that is not in use.
        """
        with self._changing():
            for active in [each for name in names for each in self._named(name)]:
                self._forget(active)

    def remove(self, active: ActivePrompt, camera: str | None = None) -> None:
        """Stop asking the prompt, at one camera or at all; a successor with its id stays."""
        with self._changing():
            for each in (camera,) if camera is not None else self._cameras:
                self._end(active, each)

    def answered(self, camera: str, snapshot: Snapshot, latest_ns: int) -> None:
        """Count a frame answered with these prompts; remove those whose frames are used up.

        latest_ns: the camera's latest stamp; from it on, prompts that last some seconds do so.
        """
        with self._changing():
            for active in snapshot:
                remaining = self._remaining.get(active, {}).get(camera)
                if remaining is None:
                    continue
                remaining.pinned_ns = None
                if remaining.since_ns is None:
                    remaining.since_ns = latest_ns
                if remaining.frames_left == 1:
                    self._end(active, camera)
                elif remaining.frames_left:
                    remaining.frames_left -= 1

    def end_by_time(self, camera: str, stamp_ns: int) -> None:
        """Remove the prompts whose seconds are over at the frame of this stamp, ns.

        So they are when its clock has jumped, either way.
        """
        with self._changing():
            for active in tuple(self._by_key.values()):
                remaining = self._remaining[active].get(camera)
                if active.seconds and remaining is not None and remaining.since_ns is not None:
                    passed_ns = abs(stamp_ns - remaining.since_ns)
                    if passed_ns >= active.seconds * NANOSECONDS:
                        self._end(active, camera)

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
        return [(active, tuple(self._remaining[active])) for active in self._by_key.values()]

    def _is_asked(self, active: ActivePrompt, camera: str) -> bool:
        is_hidden = active.camera is None and (camera, active.prompt.id) in self._by_key
        return camera in self._remaining[active] and not is_hidden

    def _may_answer(self, active: ActivePrompt, camera: str, stamp_ns: int | None) -> bool:
        return stamp_ns is None or self._remaining[active][camera].pinned_ns in (None, stamp_ns)

    def _named(self, name: Key) -> list[ActivePrompt]:
        camera, prompt_id = name
        alike = [active for active in self._by_key.values() if active.prompt.id == prompt_id]
        found = [active for active in alike if camera is None or active.camera == camera]
        if not found:
            raise PromptRefusedError.unknown_id(camera, prompt_id, is_asked_elsewhere=bool(alike))
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
        ids = [active.prompt.id for active in kept.values()]
        ids += [request.prompt.id for _, request in asked]
        before = {active.prompt.id: active.label_value for active in self._by_key.values()}
        values = label_values(before, ids)
        new: dict[Key, ActivePrompt] = {}
        for source, request in asked:
            prompt, camera = request.prompt, request.camera
            if (camera, prompt.id) in new:
                raise PromptRefusedError.repeated_id(camera, prompt.id)
            new[camera, prompt.id] = ActivePrompt(
                prompt,
                source,
                values[prompt.id],
                camera,
                request.tracking,
                request.frames,
                request.seconds,
            )
        self._by_key = {**kept, **new}
        self._remaining = {
            active: remaining
            for active, remaining in self._remaining.items()
            if self._by_key.get(active.key) is active
        }
        for active, (_, request) in zip(new.values(), asked, strict=True):
            self._remaining[active] = self._remaining_of(request)
        return tuple(new.values())

    def _remaining_of(self, request: PromptRequest) -> dict[str, _Remaining]:
        remaining = {}
        for camera in self._cameras if request.camera is None else (request.camera,):
            is_hidden = request.camera is None and (camera, request.prompt.id) in self._by_key
            pin = None if is_hidden else request.pins.get(camera)
            remaining[camera] = _Remaining(request.frames, pin)
        return remaining

    def _end(self, active: ActivePrompt, camera: str) -> None:
        remaining = self._remaining.get(active, {})
        remaining.pop(camera, None)
        if not remaining:
            self._forget(active)

    def _forget(self, active: ActivePrompt) -> None:
        self._remaining.pop(active, None)
        if self._by_key.get(active.key) is active:
            del self._by_key[active.key]


def _by(source: Source, requests: Sequence[PromptRequest]) -> list[_Asked]:
    return [(source, request) for request in requests]
