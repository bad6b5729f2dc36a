"""One tracked object and its states: what an image, and a detection in it, change.

tentative --detected again--> confirmed <--seen again-- occluded, lost
confirmed --not seen--> occluded --for long--> lost --for longer--> ended
tentative --not detected again--> ended
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sam3_ros.core.geometry import Point
from sam3_ros.core.segmenter.segments import TrackState, TrackStatus
from sam3_ros.core.tracking.events import EventKind, TrackEvent
from sam3_ros.core.tracking.follower import FollowerState, Sighting
from sam3_ros.core.tracking.place import Place
from sam3_ros.core.tracking.settings import TrackingSettings

TENTATIVE, CONFIRMED = TrackState.TENTATIVE, TrackState.CONFIRMED
OCCLUDED, LOST, ENDED = TrackState.OCCLUDED, TrackState.LOST, TrackState.ENDED
# Of an object's largest size, from image to image.
SIZE_KEPT = 0.98


@dataclass(frozen=True)
class Looked:
    """What looking for the text of an object said about it."""

    #: Of the detection that is this object; None where none is.
    score: float | None
    #: The id of another object of the prompt that covers the same; 0 for none.
    same_as: int = 0
    #: The detection is taken for its outline.
    renewed: bool = False


@dataclass(frozen=True, eq=False)
class Track:
    """What is kept of an object from image to image."""

    id: int
    prompt_id: str
    label: str
    #: Detections of a text can find and confirm it.
    detectable: bool
    state: TrackState
    #: Answered images since it was born.
    age: int
    #: For how many of them it has not been seen, up to the last.
    frames_unseen: int
    #: Where it was seen last.
    place: Place
    #: How far its middle moved between the last two images in which it was seen, px.
    step: Point
    #: Its pixels where it was largest of late: what is being covered is small when it is seen last.
    size: float
    #: Of its last detection; of an object that a person showed, the estimate of its mask's IoU.
    score: float
    #: None where only a detection can find it.
    follower_state: FollowerState | None
    #: Where its last detection was; None once it was not seen since.
    detected: Place | None
    #: Detections in a row without it, and in a row that it shared with another object.
    missed: int
    shared: int
    #: Its age when its outline was taken from a detection or a person.
    renewed: int
    #: Its age when it was not seen any more; -1 if it always was, before it was found again.
    away: int

    @classmethod
    def born(
        cls,
        number: int,
        prompt_id: str,
        label: str,
        sighting: Sighting,
        score: float,
        *,
        detectable: bool,
        confirmed: bool,
    ) -> Track:
        """Make the track of an object that is seen for the first time."""
        assert sighting.segment is not None
        place = Place.of(sighting.segment)
        return cls(
            id=number,
            prompt_id=prompt_id,
            label=label,
            detectable=detectable,
            state=CONFIRMED if confirmed else TENTATIVE,
            age=0,
            frames_unseen=0,
            place=place,
            step=Point(0.0, 0.0),
            size=float(place.pixels),
            score=score,
            follower_state=sighting.state,
            detected=place if detectable else None,
            missed=0,
            shared=0,
            renewed=0,
            away=-1,
        )

    @property
    def status(self) -> TrackStatus:
        """What others see of it."""
        return TrackStatus(self.id, self.state, self.age, self.frames_unseen)

    @property
    def nbytes(self) -> int:
        """Bytes that are kept of it."""
        followed = self.follower_state.nbytes if self.follower_state is not None else 0
        places = {id(each): each.nbytes for each in (self.place, self.detected) if each is not None}
        return followed + sum(places.values())

    def event(self, kind: EventKind, reason: str, frames_unseen: int | None = None) -> TrackEvent:
        """Return what happened to it."""
        unseen = self.frames_unseen if frames_unseen is None else frames_unseen
        state = ENDED if kind == "ended" else self.state
        return TrackEvent(
            kind, self.id, self.prompt_id, self.label, reason, unseen, state, self.age
        )

    def after(
        self, sighting: Sighting, looked: Looked | None, settings: TrackingSettings
    ) -> tuple[Track, list[TrackEvent]]:
        """Return it after the next image, ENDED where it is no more, and what happened to it.

        looked: None where its text was not looked for in this image. Pure, so that an image can be
        tried again.
        """
        older = replace(self, age=self.age + 1)
        now = older._seen(sighting) if sighting.segment is not None else older._not_seen(sighting)
        if looked is not None:
            now = now._detected(looked)
        if end := now._why_it_ends(looked, sighting, settings):
            return replace(now, state=ENDED), [now.event("ended", end)]
        now = replace(now, state=now._next_state(looked, settings))
        return now, list(now._changes_since(self, sighting))

    def corrected(self, sighting: Sighting, *, age: int) -> tuple[Track, list[TrackEvent]]:
        """Return it after a person has shown it anew in an image, its last one or a later one.

        sighting: of an object that is seen.
        """
        seen = replace(self, age=age)._seen(sighting)
        # It was shown elsewhere, and did not move.
        now = replace(seen, state=CONFIRMED, missed=0, shared=0, renewed=age, step=Point(0.0, 0.0))
        return now, list(now._changes_since(self, sighting, "shown anew"))

    def _seen(self, sighting: Sighting) -> Track:
        assert sighting.segment is not None
        place = Place.of(sighting.segment)
        before, now = self.place.middle, place.middle
        was_seen = self.frames_unseen == 0
        step = Point(now.x - before.x, now.y - before.y) if was_seen else Point(0.0, 0.0)
        return replace(
            self,
            frames_unseen=0,
            place=place,
            step=step,
            size=max(float(place.pixels), SIZE_KEPT * self.size),
            score=self.score if self.detectable else sighting.segment.score,
            follower_state=sighting.state,
        )

    def _not_seen(self, sighting: Sighting) -> Track:
        return replace(
            self,
            frames_unseen=self.frames_unseen + 1,
            follower_state=None if sighting.gone else sighting.state,
            detected=None,
            away=self.age if self.frames_unseen == 0 else self.away,
        )

    def _detected(self, looked: Looked) -> Track:
        shared = self.shared + 1 if looked.same_as else 0
        if looked.score is None:
            return replace(self, missed=self.missed + 1, shared=shared)
        return replace(
            self,
            score=looked.score,
            missed=0,
            shared=shared,
            detected=self.place,
            renewed=self.age if looked.renewed else self.renewed,
        )

    def _why_it_ends(
        self, looked: Looked | None, sighting: Sighting, settings: TrackingSettings
    ) -> str:
        unseen, patience = self.frames_unseen, settings.patience
        if looked is not None and self.shared >= patience:
            return f"it covers the same as object {looked.same_as} in {self.shared} detections"
        if self.state is TENTATIVE and self.missed >= patience:
            return f"it was not detected again in {self.missed} detections"
        if not unseen:
            return ""
        if self.follower_state is None and not self.detectable:
            return f"no longer found: {sighting.unseen}; show it again"
        if self.follower_state is None and unseen > settings.find_within:
            return f"not detected near where it was within {settings.find_within} images"
        if unseen > settings.lost_frames:
            return f"not seen in {settings.lost_frames} images"
        return ""

    def _next_state(self, looked: Looked | None, settings: TrackingSettings) -> TrackState:
        if self.state is TENTATIVE:
            again = looked is not None and looked.score is not None
            return CONFIRMED if again else TENTATIVE
        if not self.frames_unseen:
            return CONFIRMED
        return LOST if self.frames_unseen > settings.occluded_frames else OCCLUDED

    def _changes_since(
        self, before: Track, sighting: Sighting, again: str = "detected again"
    ) -> Iterator[TrackEvent]:
        """Yield the change of state, if there is one. again: what confirms it."""
        if self.state is before.state:
            return
        if before.state is TENTATIVE and self.state is CONFIRMED:
            yield self.event("confirmed", f"{again}, score {self.score:.2f}")
        elif self.state is CONFIRMED:
            missed = before.frames_unseen
            yield self.event("found", f"seen again after {missed} images", missed)
        elif self.state is LOST:
            yield self.event("lost", sighting.unseen or "not seen")
        else:
            yield self.event("occluded", sighting.unseen or "not seen")
