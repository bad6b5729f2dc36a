"""What is asked of the pictures, what of it is frozen, and what people call it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count

from sam3_ros.core.errors import PromptError
from sam3_ros.core.pictures.palette import prompt_colour, track_colour
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.look.viewing import ListedPrompt
from sam3_ros.ros.prompts.active import ActivePrompt, ActivePrompts, Key, Snapshot
from sam3_ros.ros.prompts.requests import PromptRequest, shortened


@dataclass(frozen=True)
class PromptFigures:
    """What a prompt found in the newest picture of a camera."""

    count: int
    score: float | None
    #: RGB, of its best object.
    colour: tuple[int, int, int]

    @classmethod
    def of(cls, active: ActivePrompt, found: Sequence[Segment]) -> PromptFigures:
        seen = [segment for segment in found if segment.bounds is not None]
        best = max(seen, key=lambda segment: segment.score, default=None)
        track = next((s.track for s in (best, *found) if s is not None and s.track), None)
        value = active.label_value
        colour = prompt_colour(value) if track is None else track_colour(track.id)
        return cls(len(seen), None if best is None else best.score, colour)


@dataclass(frozen=True)
class PlacedMarks:
    """Marks, and the stamp of the picture on which they lie."""

    marks: InteractivePrompt
    stamp_ns: int


Figures = Mapping[ActivePrompt, PromptFigures]


class AskedPrompts:
    """The prompts of all cameras. The inference thread changes them; any thread reads."""

    def __init__(self, cameras: Sequence[str]) -> None:
        self._cameras = tuple(cameras)
        self._active = ActivePrompts(cameras)
        # Replaced as a whole, so that readers need no lock.
        self._frozen: frozenset[ActivePrompt] = frozenset()
        self._labels: Mapping[Key, str] = {}
        self._placed: Mapping[ActivePrompt, PlacedMarks] = {}

    def require_camera(self, camera: str) -> None:
        """Raise PromptError for a camera that is not there; empty means every camera."""
        if camera and camera not in self._cameras:
            raise PromptError(
                f"there is no camera {shortened(camera)!r} here: choose one of those in the list"
            )

    @property
    def only_camera(self) -> str:
        """The camera's name, where there is one alone."""
        return self._cameras[0]

    def key_camera(self, camera: str) -> str | None:
        """Return the camera of a Key; None for every camera, which an only one is."""
        return camera if camera and len(self._cameras) > 1 else None

    def asked(self, camera: str, stamp_ns: int | None = None) -> Snapshot:
        """Return what is asked of a camera, without what is frozen or waits for another picture."""
        frozen = self._frozen
        return tuple(a for a in self._active.snapshot(camera, stamp_ns) if a not in frozen)

    def find(self, prompt_id: str, camera: str) -> ActivePrompt:
        """Return a prompt, frozen or not. Raises PromptError."""
        self.require_camera(camera)
        by_key = {active.key: active for active in self._active.all()}
        of_camera = by_key.get((self.key_camera(camera), prompt_id))
        found = of_camera or by_key.get((None, prompt_id))
        if found is None:
            raise PromptError(f"the prompt {shortened(prompt_id)!r} is not asked any more")
        return found

    def is_asked(self, active: ActivePrompt) -> bool:
        """Return whether a prompt is in use and not frozen."""
        return active in self._active.all() and active not in self._frozen

    def is_frozen(self, active: ActivePrompt) -> bool:
        return active in self._frozen

    def placed(self, active: ActivePrompt) -> PlacedMarks | None:
        """Return its marks, and the picture on which they lie."""
        return self._placed.get(active)

    def is_placed_on(self, active: ActivePrompt, stamp_ns: int) -> bool:
        """Return whether its marks lie on this picture; those of no object that moves always do."""
        placed = self._placed.get(active)
        return not active.tracking or placed is None or placed.stamp_ns == stamp_ns

    def place(self, active: ActivePrompt, marks: InteractivePrompt, stamp_ns: int) -> None:
        """Take note of marks that show a prompt's object anew."""
        self._placed = {**self._placed, active: PlacedMarks(marks, stamp_ns)}

    def put(self, request: PromptRequest) -> ActivePrompt:
        """Ask this too, in place of what has its id and camera; under the name that that had.

        Raises PromptError.
        """
        key = request.camera, request.prompt.id
        before = next((each for each in self._active.all() if each.key == key), None)
        label = None if before is None else self._labels.get(key)
        (active,), _ = self._active.put([request])
        self._tidy()
        if label is not None:
            self.rename(active, label)
        return active

    def answered(self, camera: str, asked: Snapshot, latest_ns: int) -> None:
        """Take note that these were answered: they wait for no picture any more."""
        self._active.answered(camera, asked, latest_ns)

    def remove(self, active: ActivePrompt, camera: str | None = None) -> None:
        """Stop asking it, at one camera or at all."""
        self._active.remove(active, camera)
        self._tidy()

    def freeze(self, active: ActivePrompt, on: bool) -> None:
        """Stop asking it but keep its place, its name and its colour; or ask it again."""
        self._frozen = self._frozen | {active} if on else self._frozen - {active}

    def rename(self, active: ActivePrompt, label: str) -> None:
        """Let people read another name."""
        self._labels = {**self._labels, active.key: label}

    def label(self, active: ActivePrompt) -> str:
        """Return what people read."""
        return self._labels.get(active.key, active.prompt.label)

    def free_id(self, name: str) -> str:
        """Return the name, with a number behind it if it is taken."""
        return free_name(name, {active.prompt.id for active in self._active.all()})

    def listed(self, camera: str, figures: Figures) -> tuple[ListedPrompt, ...]:
        """Return what the page lists of a camera, the oldest first."""
        return tuple(
            listed_prompt(active, self.label(active), figures.get(active), active in self._frozen)
            for active in self._active.snapshot(camera)
        )

    def _tidy(self) -> None:
        """Forget what is said of prompts that are gone."""
        there: Collection[ActivePrompt] = set(self._active.all())
        keys = {active.key for active in there}
        self._frozen = frozenset(each for each in self._frozen if each in there)
        self._labels = {key: label for key, label in self._labels.items() if key in keys}
        self._placed = {each: at for each, at in self._placed.items() if each in there}


def listed_prompt(
    active: ActivePrompt, label: str, figures: PromptFigures | None, frozen: bool = False
) -> ListedPrompt:
    """Return a row of the page's list. figures: None where it is not answered yet."""
    prompt = active.prompt
    shown = None if frozen else figures
    return ListedPrompt(
        id=prompt.id,
        label=label,
        kind=_kind(active),
        colour=prompt_colour(active.label_value) if figures is None else figures.colour,
        count=None if shown is None else shown.count,
        score=None if shown is None else shown.score,
        followed=active.tracking,
        frozen=frozen,
        camera=active.camera or "",
        text=prompt.text or "" if isinstance(prompt, ConceptPrompt) else "",
    )


def free_name(name: str, taken: Collection[str]) -> str:
    """Return the name, with a number behind it if it is taken."""
    numbered = chain((name,), (f"{name} {number}" for number in count(2)))
    return next(each for each in numbered if each not in taken)


def _kind(active: ActivePrompt) -> str:
    """Return ListedPrompt.kind."""
    prompt = active.prompt
    if isinstance(prompt, InteractivePrompt):
        return "click" if prompt.points else "box"
    return "text" if prompt.text is not None else "other"
