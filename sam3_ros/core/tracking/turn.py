"""One answer in the making: it works on copies, so that nothing is kept of one that fails.

Above 300 lines, so that all that may change these copies is read in one place.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.masks import Mask
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.core.segmenter.segments import Segment, TrackState
from sam3_ros.core.tracking.answers import TrackedFrame
from sam3_ros.core.tracking.apart import strays, together_before
from sam3_ros.core.tracking.asking import Asking
from sam3_ros.core.tracking.events import TrackEvent
from sam3_ros.core.tracking.follower import Follower, Sighting
from sam3_ros.core.tracking.kept import Kept, TrackedObject, TrackedText, in_use
from sam3_ros.core.tracking.looking import Candidate, LookResult, look
from sam3_ros.core.tracking.mask_prompt import MaskPrompt
from sam3_ros.core.tracking.place import Place
from sam3_ros.core.tracking.settings import TrackingSettings
from sam3_ros.core.tracking.track import Looked, Track


@dataclass(frozen=True, eq=False)
class Tools:
    """What making an answer takes."""

    asking: Asking
    follower: Follower
    settings: TrackingSettings
    #: Texts are looked for in so many images once.
    redetect_every: int


class Turn:
    """The answer to one image, from what was kept before it."""

    def __init__(self, tools: Tools, kept: Kept, image: ImageEmbedding) -> None:
        self._tools = tools
        self._image = image
        self._ref = weakref.ref(image)
        self._objects = dict(kept.objects)
        self._texts = dict(kept.texts)
        self._next_id = kept.next_id
        self._together = kept.together
        self._seconds: dict[int, float] = {}
        # Not kept: masks of whole images, which those who are given them may hold or not.
        self._segments: dict[int, Segment] = {}
        self.events: list[TrackEvent] = []
        if kept.size is not None and kept.size != image.size:
            changed = f"from {_text(kept.size)} to {_text(image.size)}"
            self.restart(f"the image's size changed {changed}")

    def kept(self) -> Kept:
        """Return what is kept of it."""
        texts = in_use(self._texts, self._objects)
        return Kept(self._objects, texts, self._next_id, self._image.size, self._together)

    def answer(self, timings: dict[str, float], ids: Collection[int] | None = None) -> TrackedFrame:
        """Return the answer; ids: of the objects that it is about, None for all."""
        shown = [each for number, each in self._objects.items() if ids is None or number in ids]
        nothing = np.zeros(self._image.size, np.bool_)
        nothing.setflags(write=False)
        segments = [_answered(each, self._segments.get(each.track.id), nothing) for each in shown]
        prompts = self._texts if ids is None else ()
        return TrackedFrame(segments, timings, self.events, self._seconds, prompts)

    def restart(self, reason: str) -> None:
        """End all objects. Texts are looked for anew, but for those that were shown in an image."""
        self.end(tuple(self._objects), reason)
        self._texts = {name: text.asked_anew for name, text in self._texts.items() if text.starts}

    def end(self, ids: Iterable[int], reason: str) -> None:
        """End some objects."""
        for number in ids:
            self.events.append(self._objects.pop(number).track.event("ended", reason))

    # What a person asks.

    def show(self, prompt: InteractivePrompt | MaskPrompt) -> list[int]:
        """Start the object that a person shows; return its id, or none where it is refused."""
        if full := self._full():
            self._refuse(prompt.id, prompt.label, full)
            return []
        began = time.perf_counter()
        sighting = self._tools.follower.start(self._image, 0, prompt)
        if sighting.segment is None:
            self._refuse(prompt.id, prompt.label, sighting.unseen)
            return []
        score, names = sighting.segment.score, (prompt.id, prompt.label)
        number = self._start(names, sighting, score, "shown", detectable=False, confirmed=True)
        self._seconds[number] = time.perf_counter() - began
        return [number]

    def ask(self, text: TrackedText, found: Sequence[Segment], *, shown: bool) -> list[int]:
        """Begin to look for a text; return the ids of what starts at once.

        found: its detections in this image. shown: a person pointed at what is meant, so all of it
        starts and is confirmed, and nothing is an answer too.
        """
        least = 0 if shown else None
        outcome = look(found, [], self._tools.settings, starts=True, least_score=least)
        prompt, new = text.prompt, [found[each] for each in outcome.starts]
        if shown and not new:
            self._refuse(prompt.id, prompt.label, "nothing was found where it was shown")
            return []
        if prompt.text is not None:
            self._texts[prompt.id] = replace(text, waited=0, image=self._ref)
        return self._start_new(prompt, new, shown=shown)

    def correct(self, number: int, prompt: InteractivePrompt) -> None:
        """Answer clicks on an object; where they show nothing it is left as it was."""
        old = self._objects[number]
        track = old.track
        age = track.age if old.answered(self._image) else track.age + 1
        follower, began = self._tools.follower, time.perf_counter()
        if track.follower_state is None:
            sighting = follower.start(self._image, age, prompt)
        else:
            sighting = follower.correct(self._image, age, track.follower_state, prompt)
        self._seconds[number] = time.perf_counter() - began
        if sighting.segment is None:
            self.events.append(track.event("refused", sighting.unseen))
            return
        now, events = track.corrected(sighting, age=age)
        self.events += events
        self._keep(now, sighting)

    # The next image.

    def step(self, score_threshold: float | None) -> None:
        """Find all objects, and look for the texts whose turn it is.

        score_threshold: of all texts in this image; None: of each its own.
        """
        before = {n: each for n, each in self._objects.items() if not each.answered(self._image)}
        sightings = {number: self._follow(each.track) for number, each in before.items()}
        self._keep_apart({number: each.track for number, each in before.items()}, sightings)
        due = self._due(before, sightings)
        thresholds = [
            each.score_threshold if score_threshold is None else score_threshold for each in due
        ]
        prompts = [each.prompt for each in due]
        found = self._tools.asking.detect(self._image, prompts, thresholds) if due else []
        outcomes = [
            self._look(text, segments, before, sightings)
            for text, segments in zip(due, found, strict=True)
        ]
        looked = {number: each for outcome in outcomes for number, each in outcome.looked.items()}
        for number, each in before.items():
            self._settle(each.track, sightings[number], looked.get(number))
        for text, segments, outcome in zip(due, found, outcomes, strict=True):
            new = [segments[each] for each in outcome.starts]
            self._start_new(text.prompt, new, shown=False)

    def _follow(self, track: Track, doubt: str = "") -> Sighting:
        if track.follower_state is None:
            return Sighting(None, None, "nothing but a detection can find it", gone=True)
        began, follower = time.perf_counter(), self._tools.follower
        found = follower.follow(self._image, track.age + 1, track.follower_state, doubt)
        passed = time.perf_counter() - began
        self._seconds[track.id] = self._seconds.get(track.id, 0.0) + passed
        return found

    def _keep_apart(self, tracks: Mapping[int, Track], sightings: dict[int, Sighting]) -> None:
        """Answer anew, as not seen, each object that was found in another's place."""
        least = self._tools.follower.taken_above
        if least is None:
            return
        alive = self._objects.keys()
        self._together = together_before(tracks, self._together, alive, least)
        if not self._tools.settings.keep_apart:
            return
        found = {number: _place(sighting) for number, sighting in sightings.items()}
        places = {number: place for number, place in found.items() if place is not None}
        for came, stays in strays(tracks, places, self._together, least):
            sightings[came] = self._follow(tracks[came], f"#{stays} is there")

    def _due(
        self, before: dict[int, TrackedObject], sightings: dict[int, Sighting]
    ) -> list[TrackedText]:
        """Return the texts to look for in this image, and count it for the others."""
        just_lost = {
            each.track.prompt_id
            for number, each in before.items()
            if sightings[number].gone and each.track.follower_state is not None
        }
        due = []
        for name, text in self._texts.items():
            if text.image is not None and text.image() is self._image:
                continue
            waited = None if text.waited is None else text.waited + 1
            is_due = waited is None or waited >= self._tools.redetect_every or name in just_lost
            now = replace(text, waited=0 if is_due else waited, image=self._ref)
            self._texts[name] = now
            if is_due:
                due.append(now)
        return due

    def _look(
        self,
        text: TrackedText,
        found: Sequence[Segment],
        before: dict[int, TrackedObject],
        sightings: dict[int, Sighting],
    ) -> LookResult:
        """Tell which detection is which object, and write what that shows into the sightings."""
        candidates = []
        for number, each in self._objects.items():
            if each.track.prompt_id == text.prompt.id and each.track.detectable:
                is_open = number in before
                seen = _place(sightings[number]) if is_open else each.seen
                candidates.append(Candidate(each.track, seen, is_open))
        outcome = look(found, candidates, self._tools.settings, starts=text.starts)
        for number, column in outcome.renewed.items():
            track, mask = before[number].track, found[column].mask
            began = time.perf_counter()
            state, age, follower = sightings[number].state, track.age + 1, self._tools.follower
            if state is None:
                again = MaskPrompt(mask, track.prompt_id, track.label)
                sightings[number] = follower.start(self._image, age, again)
            else:
                sightings[number] = follower.renew(self._image, age, state, mask)
            passed = time.perf_counter() - began
            self._seconds[number] = self._seconds.get(number, 0.0) + passed
        return outcome

    def _settle(self, track: Track, sighting: Sighting, looked: Looked | None) -> None:
        now, events = track.after(sighting, looked, self._tools.settings)
        self.events += events
        if now.state is TrackState.ENDED:
            del self._objects[now.id]
        else:
            self._keep(now, sighting)

    # Objects that start.

    def _start_new(
        self, prompt: ConceptPrompt, found: Sequence[Segment], *, shown: bool
    ) -> list[int]:
        """Start objects of a text, as far as there is room."""
        numbers: list[int] = []
        names, full = (prompt.id, prompt.label), ""
        for segment in found:
            if full := self._full():
                break
            began = time.perf_counter()
            by_mask = MaskPrompt(segment.mask, *names)
            sighting = self._tools.follower.start(self._image, 0, by_mask)
            number = self._start(
                names,
                sighting,
                segment.score,
                f"detected, score {segment.score:.2f}",
                detectable=prompt.text is not None,
                confirmed=shown,
            )
            self._seconds[number] = time.perf_counter() - began
            numbers.append(number)
        text = self._texts.get(prompt.id)
        if full and (text is None or not text.full):
            self._refuse(*names, full)
        if text is not None:
            self._texts[prompt.id] = replace(text, full=bool(full or (text.full and self._full())))
        return numbers

    def _start(
        self,
        names: tuple[str, str],
        sighting: Sighting,
        score: float,
        reason: str,
        *,
        detectable: bool,
        confirmed: bool,
    ) -> int:
        number = self._next_id
        self._next_id += 1
        track = Track.born(
            number, *names, sighting, score, detectable=detectable, confirmed=confirmed
        )
        self.events.append(track.event("born", reason))
        self._keep(track, sighting)
        return number

    def _keep(self, track: Track, sighting: Sighting) -> None:
        self._objects[track.id] = TrackedObject(track, self._ref)
        if sighting.segment is not None:
            self._segments[track.id] = sighting.segment

    def _full(self) -> str:
        """Return why no other object can start, or ""."""
        most, present = self._tools.settings.max_objects, len(self._objects)
        if present < most:
            return ""
        return f"there are {present} objects already (max_objects {most}): remove one or raise it"

    def _refuse(self, prompt_id: str, label: str, reason: str) -> None:
        self.events.append(TrackEvent("refused", 0, prompt_id, label, reason))


def _answered(each: TrackedObject, segment: Segment | None, nothing: Mask) -> Segment:
    """Return what others get; segment: None if it is not seen, or was answered before."""
    track, place = each.track, each.seen
    names = (track.prompt_id, track.label)
    if place is None:
        return Segment(*names, 0.0, track.place.box, nothing, None, track.status)
    mask = place.whole() if segment is None else segment.mask
    return Segment(*names, track.score, place.box, mask, place.box, track.status)


def _place(sighting: Sighting) -> Place | None:
    return None if sighting.segment is None else Place.of(sighting.segment)


def _text(size: ImageSize) -> str:
    return f"{size.width}x{size.height}"
