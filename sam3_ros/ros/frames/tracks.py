"""What tracked prompts find: each camera has a session, whose ids are its own.

Above 300 lines, because what ends an object between two images is decided in one place.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.timings import Timings
from sam3_ros.core.tracking.answers import TrackedFrame
from sam3_ros.core.tracking.events import TrackEvent
from sam3_ros.ros.frames.kept_answers import Answers
from sam3_ros.ros.frames.tracks_configuration import TracksConfiguration
from sam3_ros.ros.frames.tracks_report import TracksReport
from sam3_ros.ros.prompts.active import ActivePrompt
from sam3_ros.ros.stamps import NANOSECONDS

NOT_ASKED = "its prompt is no longer asked"
WAS_INACTIVE = "the node was inactive in between"
JUMPED_BACK = "the clock jumped back in between"
# Of one camera, that wait for an image to be told with; far more than happens at one image.
_MOST_EVENTS = 10_000


@dataclass(frozen=True)
class Moment:
    """When an image was taken and came."""

    #: 0 where nobody set it.
    stamp_ns: int
    #: time.monotonic() seconds.
    received: float

    def seconds_since(self, before: Moment) -> float:
        """Return the time between two images, by their stamps where both have one."""
        if self.stamp_ns and before.stamp_ns:
            return (self.stamp_ns - before.stamp_ns) / NANOSECONDS
        return self.received - before.received


@dataclass(eq=False)
class TrackedAnswer:
    """What tracked prompts were answered with on one image."""

    answers: Answers = field(default_factory=dict)
    #: Prompts that are over with their only object, and why.
    ended: dict[ActivePrompt, str] = field(default_factory=dict)
    #: Seconds by step, and by the id of each object.
    steps: Timings = field(default_factory=Timings)
    object_seconds: dict[int, float] = field(default_factory=dict)


class CameraTracks:
    """The tracked prompts of one camera; for the inference thread, but for report."""

    def __init__(
        self, segmenter: Segmenter, configuration: Callable[[], TracksConfiguration]
    ) -> None:
        """configuration: returns the parameters as they are now."""
        self._configuration = configuration
        self._session = segmenter.track(configuration().tracking_settings())
        concept = segmenter.bundle.manifest.concept
        self._bundle_threshold = concept.score_threshold if concept is not None else None
        #: Those that the session knows, by id.
        self._known: dict[str, ActivePrompt] = {}
        self._last: tuple[Moment, ImageSize] | None = None
        #: Those that ended since the image before, and why.
        self._cut: dict[ActivePrompt, str] = {}
        self._events: deque[TrackEvent] = deque(maxlen=_MOST_EVENTS)
        self.report = TracksReport()

    @property
    def events(self) -> tuple[TrackEvent, ...]:
        """What happened since told()."""
        return tuple(self._events)

    def told(self) -> None:
        """Forget the events, which are published now."""
        self._events.clear()

    def keep_only(self, asked: Collection[ActivePrompt]) -> None:
        """End the objects of all prompts but these."""
        for active in tuple(self._known.values()):
            if active not in asked:
                self._forget(active)
        self._cut = {active: why for active, why in self._cut.items() if active in asked}

    def end_if_before(self, active_since: float | None) -> None:
        """End all objects if the node was not active since the last image, time.monotonic() s."""
        if self._last is not None and (
            active_since is None or self._last[0].received < active_since
        ):
            self.restart(WAS_INACTIVE)

    def restart(self, why: str) -> None:
        """End all objects. What texts find from now on has new ids; other prompts are over."""
        self._last = None
        self._note(self._session.restart(why))
        for prompt_id, active in tuple(self._known.items()):
            if active.is_followed:
                del self._known[prompt_id]
                self._cut[active] = f"no longer tracked: {why}: click again"

    def cut(self) -> dict[ActivePrompt, str]:
        """Return, once, the prompts that ended with restart, and why."""
        cut, self._cut = self._cut, {}
        return cut

    def answer(
        self, image: ImageEmbedding, moment: Moment, asked: Sequence[ActivePrompt]
    ) -> TrackedAnswer:
        """Find everything again in the camera's next image, and begin with prompts that are new.

        Where it raises, nothing is lost: the next image is answered in place of this one. Raises
        InferenceError.
        """
        self._apply_settings()
        self._restart_after_a_gap(moment, image.size)
        found = TrackedAnswer()
        known = [active for active in asked if active in self._known.values()]
        if self._known:
            self._take(found, self._session.step(image, self._threshold), known)
        self._last = (moment, image.size)
        new = [active for active in asked if active not in known and active not in self._cut]
        try:
            self._add(found, image, new)
        except Exception:
            # Those are over all the same: asked of the next image they would begin anew.
            self._cut |= found.ended
            raise
        found.ended |= self.cut()
        return found

    def answer_earlier(
        self, image: ImageEmbedding, moment: Moment, asked: Sequence[ActivePrompt]
    ) -> TrackedAnswer:
        """Begin with prompts on an image seen before. They are followed from the next one on.

        Raises InferenceError.
        """
        self._apply_settings()
        for active in asked:  # an earlier answer to it was not published
            self._forget(active)
        if self._last is None or not self._known:
            self._last = (moment, image.size)
        found = TrackedAnswer()
        size = self._last[1]
        if image.size == size:
            self._add(found, image, asked)
        else:
            why = f"not tracked: by now the camera's images are of {_text(size)} px"
            found.ended |= dict.fromkeys(asked, why)
        return found

    def correct(
        self, image: ImageEmbedding, track_id: int, marks: InteractivePrompt
    ) -> tuple[Segment, ...]:
        """Show an object anew on its last image, or on one before; return it.

        Raises PromptError for an object that is not tracked, and where the marks show nothing; it
        stays as it was then. Raises InferenceError.
        """
        self._apply_settings()
        frame = self._session.correct(track_id, image, marks)
        self._note(frame.events)
        if refused := [event.reason for event in frame.events if event.kind == "refused"]:
            raise PromptError(f"not corrected: {refused[-1]}")
        return tuple(frame)

    @property
    def _threshold(self) -> float | None:
        return self._configuration().score_threshold or self._bundle_threshold

    def _apply_settings(self) -> None:
        settings = self._configuration().tracking_settings()
        if self._session.settings != settings:
            self._session.settings = settings

    def _restart_after_a_gap(self, moment: Moment, size: ImageSize) -> None:
        if self._last is None or not self._known:
            return
        before, old_size = self._last
        seconds, most = moment.seconds_since(before), self._configuration().tracking_gap_s
        if most and seconds > most:
            self.restart(f"no image was answered for {seconds:.1f} s (tracking_gap_s {most:g})")
        elif size != old_size:
            self.restart(f"the image's size changed from {_text(old_size)} to {_text(size)}")

    def _add(
        self, found: TrackedAnswer, image: ImageEmbedding, new: Sequence[ActivePrompt]
    ) -> None:
        events = len(self._events)
        added: list[ActivePrompt] = []
        try:
            for active in new:
                before = self._known.get(active.prompt.id)
                if before is not None:  # replaced since keep_only
                    self._forget(before)
                try:
                    frame = self._session.add(image, active.prompt, self._threshold)
                except PromptError as error:  # it does not fit the image
                    found.ended[active] = str(error)
                    continue
                self._known[active.prompt.id] = active
                added.append(active)
                self._take(found, frame, [active])
        except Exception:
            # Nobody will see these answers: begin anew on the image that they are asked of again.
            for active in added:
                self._forget(active)
            while len(self._events) > events:
                self._events.pop()
            raise

    def _take(
        self, found: TrackedAnswer, frame: TrackedFrame, asked: Iterable[ActivePrompt]
    ) -> None:
        by_prompt: dict[str, list[Segment]] = {}
        for segment in frame:
            by_prompt.setdefault(segment.prompt_id, []).append(segment)
        found.steps.absorb(frame.timings)
        found.object_seconds |= frame.object_seconds
        self._note(frame.events)
        over = {e.prompt_id: e for e in frame.events if e.kind in ("ended", "refused")}
        for active in asked:
            segments, prompt_id = tuple(by_prompt.get(active.prompt.id, ())), active.prompt.id
            if active.is_followed and not segments:
                self._forget(active)
                found.ended[active] = _why_over(over.get(prompt_id))
            else:
                found.answers[active] = segments

    def _forget(self, active: ActivePrompt) -> None:
        prompt_id = active.prompt.id
        if self._known.get(prompt_id) is active:
            del self._known[prompt_id]
            if prompt_id in self._session.prompt_ids:
                self._note(self._session.remove_prompt(prompt_id, NOT_ASKED))

    def _note(self, events: Sequence[TrackEvent]) -> None:
        self._events.extend(events)
        before, session = self.report, self._session
        is_full = len(session.tracks) >= session.settings.max_objects
        refused = [event for event in events if event.kind == "refused" and is_full]
        self.report = TracksReport(
            states=Counter(track.state for track in session.tracks),
            nbytes=session.nbytes,
            given=before.given + sum(event.kind == "born" for event in events),
            refused=before.refused + len(refused),
            refused_at=time.monotonic() if refused else before.refused_at,
            refused_why=refused[-1].reason if refused else before.refused_why,
            is_full=is_full,
        )


def _text(size: ImageSize) -> str:
    return f"{size.width}x{size.height}"


def _why_over(event: TrackEvent | None) -> str:
    """Return why a prompt is over, by what became of its object."""
    if event is None:
        return "no longer tracked: its object is gone"
    if event.kind == "refused":
        return f"not tracked: {event.reason}"
    return f"no longer tracked: {event.reason.removeprefix('no longer found: ')}"


class TrackedPrompts:
    """The tracked prompts of all cameras; for the inference thread, but for report()."""

    def __init__(
        self, segmenter: Segmenter, configuration: Callable[[], TracksConfiguration]
    ) -> None:
        """configuration: returns the parameters as they are now."""
        self._segmenter = segmenter
        self._configuration = configuration
        self._cameras: dict[str, CameraTracks] = {}

    def of(self, camera: str) -> CameraTracks:
        """Return those of a camera, which has a session from now on."""
        if camera not in self._cameras:
            self._cameras[camera] = CameraTracks(self._segmenter, self._configuration)
        return self._cameras[camera]

    def if_any(self, camera: str) -> CameraTracks | None:
        """Return those of a camera that has had tracked prompts."""
        return self._cameras.get(camera)

    def tidy(
        self, asked: Callable[[str], Collection[ActivePrompt]], active_since: float | None
    ) -> None:
        """End what is no longer asked, and everything of a node that is not active.

        asked: returns the prompts in use of a camera. active_since: time.monotonic() seconds.
        """
        for camera, tracks in self._cameras.items():
            tracks.keep_only(asked(camera))
            tracks.end_if_before(active_since)

    def report(self, camera: str) -> TracksReport:
        """Return the state of a camera's tracks; from any thread."""
        tracks = self._cameras.get(camera)
        return TracksReport() if tracks is None else tracks.report
