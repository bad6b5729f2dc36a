"""Judges track ids: against golden ones, and by what an expectation says of a prompt's objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sam3_ros.replay.golden.comparison import FrameKey, PromptComparison
from sam3_ros.replay.golden.expectation import Tolerance
from sam3_ros.replay.report.tracks import TrackReport


@dataclass(frozen=True)
class _WrongId:
    key: FrameKey
    golden: int
    got: int | None
    #: In words.
    why: str


@dataclass
class TrackIds:
    """Which id of this replay is which of golden's, for one prompt of one camera.

    The numbers themselves may differ: an object that is found for a moment takes one away. Where a
    pair does not fit those before it, the id has changed on the way; it counts once.
    """

    _got_of: dict[int, int] = field(default_factory=dict)
    _golden_of: dict[int, int] = field(default_factory=dict)
    _wrong: list[_WrongId] = field(default_factory=list)

    def add(self, comparison: PromptComparison) -> None:
        """Take in the ids of the next frame."""
        for golden, got in comparison.track_ids:
            if golden is None:  # golden frames may be older than ids
                continue
            why = self._objection(golden, got)
            if why:
                self._wrong.append(_WrongId(comparison.key, golden, got, why))
            if got is not None:
                self._got_of[golden] = got
                self._golden_of[got] = golden

    def failures(self) -> Iterator[str]:
        """Yield at most one line, with the first change of an id."""
        if self._wrong:
            first, more = self._wrong[0], len(self._wrong) - 1
            others = f"; {more} more" if more else ""
            yield f"{first.why} at {first.key}, where golden's stays #{first.golden}{others}"

    def _objection(self, golden: int, got: int | None) -> str:
        before = self._got_of.get(golden)
        if got is None:
            return "an object has no id"
        if before not in (None, got):
            return f"an object's id changes from #{before} to #{got}"
        if self._golden_of.get(got, golden) != golden:
            return f"the id #{got} goes to another object"
        return ""


def track_failures(tracks: TrackReport | None, allowed: Tolerance) -> Iterator[str]:
    """Yield what is wrong with the ids of a prompt's objects, over the whole replay."""
    if not allowed.needs_tracks:
        return
    if tracks is None:
        yield "its objects have no ids: it is not tracked, or nothing was found"
        return
    if allowed.most_ids is not None and tracks.most_ids > allowed.most_ids:
        ids = ", ".join(f"#{number}" for number in tracks.ids)
        yield f"{tracks.most_ids} ids in a loop, expected {allowed.most_ids} or fewer; all: {ids}"
    if allowed.id_switches is not None:
        if tracks.id_switches is None:
            yield "the bag has no ground truth to see by whether objects keep their ids"
        elif tracks.id_switches > allowed.id_switches:
            yield (
                f"{tracks.id_switches} objects got another id, expected {allowed.id_switches} or "
                "fewer"
            )
    if allowed.found_again is not None and tracks.found_again < allowed.found_again:
        yield (
            f"found again with its id {tracks.found_again} times of {tracks.returns}, expected "
            f"{allowed.found_again} or more"
        )
