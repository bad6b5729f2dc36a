"""The prompts in use by ~/active_prompts, and those that were frozen here, as viewers read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, count

from sam3_ros.core.pictures.palette import prompt_colour
from sam3_ros.look.node.answers import ScoredImage
from sam3_ros.look.viewing import ListedPrompt, SeenSegment
from sam3_ros.msg import ActivePrompt, ActivePrompts, Prompt

#: Camera and id: empty camera for every camera.
PromptKey = tuple[str, str]


@dataclass(frozen=True)
class FrozenPrompt:
    """A prompt that is not asked any more, and can be asked again."""

    message: Prompt
    label_value: int
    #: What viewers call it; empty for the node's label.
    name: str = ""
    #: Its place in the list.
    place: int = 0


class NodePrompts:
    """Replaced as a whole at each change: read by any thread, changed by the ROS thread."""

    def __init__(self) -> None:
        self._active: tuple[ActivePrompt, ...] = ()
        self._frozen: dict[PromptKey, FrozenPrompt] = {}
        self._names: dict[PromptKey, str] = {}
        # Of each prompt in the list, in the order in which they came.
        self._places: dict[PromptKey, int] = {}
        self._next_place = 0

    def take(self, message: ActivePrompts) -> None:
        """Take the node's list. What is asked again by anybody is not frozen any more."""
        self._active = tuple(message.prompts)
        keys = {key_of(each.prompt) for each in self._active}
        self._frozen = {key: each for key, each in self._frozen.items() if key not in keys}
        kept = keys | self._frozen.keys()
        self._names = {key: name for key, name in self._names.items() if key in kept}
        places = {key: place for key, place in self._places.items() if key in kept}
        for each in self._active:
            if key_of(each.prompt) not in places:
                places[key_of(each.prompt)] = self._next_place
                self._next_place += 1
        self._places = places

    def lose_node(self) -> None:
        """Forget what was asked of a node that is gone."""
        self.take(ActivePrompts())

    def find(self, prompt_id: str, camera: str) -> ActivePrompt | None:
        """Return a prompt in use."""
        key = camera, prompt_id
        return next((each for each in self._active if key_of(each.prompt) == key), None)

    def asked_of(self, camera: str) -> tuple[ActivePrompt, ...]:
        """Return the prompts in use at a camera; its own hides that of its id for every camera."""
        own = {each.prompt.id for each in self._active if each.prompt.camera == camera}
        return tuple(
            each
            for each in self._active
            if each.prompt.camera == camera
            or (not each.prompt.camera and each.prompt.id not in own)
        )

    def frozen(self, prompt_id: str, camera: str) -> FrozenPrompt | None:
        return self._frozen.get((camera, prompt_id))

    def to_freeze(self, active: ActivePrompt, message: Prompt) -> FrozenPrompt:
        """Return what is kept of a prompt in use when it is frozen. message: as to ask it again."""
        key = key_of(active.prompt)
        name, place = self._names.get(key, ""), self._places.get(key, 0)
        return FrozenPrompt(message, active.label_value, name, place)

    def freeze(self, frozen: FrozenPrompt) -> None:
        """Keep a prompt that is asked no longer; the node's list lacks it already."""
        key = key_of(frozen.message)
        self._frozen = {**self._frozen, key: frozen}
        self._places = {**self._places, key: frozen.place}
        if frozen.name:
            self._names = {**self._names, key: frozen.name}

    def thaw(self, prompt_id: str, camera: str) -> None:
        """Keep it no longer."""
        key = camera, prompt_id
        self._frozen = {each: frozen for each, frozen in self._frozen.items() if each != key}

    def call(self, prompt_id: str, camera: str, name: str) -> None:
        """Show another name than the node's."""
        self._names = {**self._names, (camera, prompt_id): name}

    def forget_name(self, prompt_id: str, camera: str) -> None:
        """Show the node's name again."""
        key = camera, prompt_id
        self._names = {each: name for each, name in self._names.items() if each != key}

    def name_of(self, camera: str, prompt_id: str, label: str) -> str:
        """Return what viewers call a prompt of a camera whose label the node has as `label`."""
        names = self._names
        return names.get((camera, prompt_id), names.get(("", prompt_id), label))

    @property
    def ids(self) -> frozenset[str]:
        """All ids that are taken, by a frozen prompt too."""
        frozen = (prompt_id for _, prompt_id in self._frozen)
        return frozenset((*frozen, *(each.prompt.id for each in self._active)))

    def listed(self, camera: str, newest: ScoredImage | None) -> tuple[ListedPrompt, ...]:
        """Return what a camera's viewers read, oldest first. newest: its newest answer."""
        frozen = [
            self._entry(each.message, each.label_value, None, is_frozen=True)
            for (of, _), each in self._frozen.items()
            if of in ("", camera)
        ]
        active = [
            self._entry(each.prompt, each.label_value, newest) for each in self.asked_of(camera)
        ]
        places = self._places
        return tuple(sorted((*active, *frozen), key=lambda p: places.get((p.camera, p.id), 0)))

    def _entry(
        self,
        prompt: Prompt,
        value: int,
        newest: ScoredImage | None,
        is_frozen: bool = False,
    ) -> ListedPrompt:
        name = self.name_of(prompt.camera, prompt.id, prompt.label or prompt.text or prompt.id)
        number, score = counted(prompt.id, None if newest is None else newest.segments)
        colours = {} if newest is None else newest.colours
        return ListedPrompt(
            id=prompt.id,
            label=name,
            kind=kind_of(prompt),
            colour=colours.get(value, prompt_colour(value)),
            count=number,
            score=score,
            followed=prompt.tracking,
            frozen=is_frozen,
            camera=prompt.camera,
            text=prompt.text,
        )


def key_of(prompt: Prompt) -> PromptKey:
    return prompt.camera, prompt.id


def kind_of(prompt: Prompt) -> str:
    """Return ListedPrompt.kind."""
    points = (*prompt.positive_points, *prompt.negative_points)
    if prompt.text and not (points or prompt.boxes or prompt.negative_boxes):
        return "text"
    if prompt.text or prompt.negative_boxes or len(prompt.boxes) > 1:
        return "other"
    return "click" if points else "box"


def counted(
    prompt_id: str, segments: Sequence[SeenSegment] | None
) -> tuple[int | None, float | None]:
    """Return how many objects are seen, and the best score; None before the first answer."""
    if segments is None:
        return None, None
    scores = [each.score for each in segments if each.prompt_id == prompt_id and each.score > 0]
    return len(scores), max(scores, default=None)


def next_id(kind: str, taken: frozenset[str]) -> str:
    """Return "point", or "point 2" and so on if that is taken; likewise of another kind."""
    numbered = (f"{kind} {number}" for number in count(2))
    return next(name for name in chain((kind,), numbered) if name not in taken)
