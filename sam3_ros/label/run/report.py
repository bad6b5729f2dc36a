"""What is said of a labelling: while it runs, and at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class LabelProgress:
    """How far a labelling is; what earlier runs have done counts too."""

    frames: int
    #: As far as it is known: a video need not say truly how many pictures it has.
    frames_total: int
    #: In this run, since its first chunk; None before.
    frames_per_second: float | None
    #: None where that is not known yet.
    seconds_left: float | None
    #: Sources all of whose chunks are done or set aside.
    sources: int
    sources_total: int
    #: Found in this run and before.
    objects: int


class LabelListener(Protocol):
    """Is told how far a labelling is."""

    def looking(self, at: int, total: int) -> None:
        """Take how many of the sources have been looked into."""

    def labelling(self, progress: LabelProgress) -> None:
        """Take how far it is; called after each chunk."""

    def writing(self, what: str) -> None:
        """Take the output that is being written."""


@dataclass(frozen=True)
class SourceOutcome:
    """A source at the end."""

    name: str
    path: str
    frames: int
    #: Of these, how many could not be answered.
    failed_frames: int
    objects: int
    #: Why frames could not be answered, a few of the reasons.
    failures: tuple[str, ...] = ()
    #: Topics that are not labelled, and chunks that were set aside, with the reason.
    left_out: tuple[tuple[str, str], ...] = ()
    #: What of it is lost or odd.
    remarks: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether all of it that was asked for is labelled."""
        return not self.failed_frames and not self.left_out


@dataclass(frozen=True)
class LabelReport:
    """A labelling at its end."""

    #: Those that are labelled, at least in part.
    sources: Sequence[SourceOutcome]
    #: What was named and is not labelled at all, with the reason.
    set_aside: Sequence[tuple[str, str]]
    #: Files that this run wrote, relative to its folder; none where all was there.
    written: Sequence[str] = ()
    #: Labelled by earlier commands, not named by this one, and in the outputs too.
    earlier: int = 0
    #: Frames that this run labelled, and the seconds from its first chunk to its last.
    frames_now: int = 0
    seconds: float = 0.0
    #: The highest resident memory of a worker, bytes; 0 where none ran.
    peak_bytes: int = 0
    #: What those of earlier commands lack, a sentence each.
    remarks: Sequence[str] = ()

    @property
    def frames(self) -> int:
        return sum(each.frames for each in self.sources)

    @property
    def failed_frames(self) -> int:
        return sum(each.failed_frames for each in self.sources)

    @property
    def objects(self) -> int:
        return sum(each.objects for each in self.sources)

    @property
    def is_whole(self) -> bool:
        """Whether all that was named is labelled."""
        return not self.set_aside and all(each.is_whole for each in self.sources)

    def document(self) -> dict[str, Any]:
        """Return what JSON shows of it: the same for the same labels."""
        return {
            "frames": self.frames,
            "failed_frames": self.failed_frames,
            "objects": self.objects,
            "sources": [
                {
                    "name": each.name,
                    "path": each.path,
                    "frames": each.frames,
                    "failed_frames": each.failed_frames,
                    "objects": each.objects,
                    "failures": list(each.failures),
                    "left_out": [_reasoned(*one) for one in each.left_out],
                    "remarks": list(each.remarks),
                }
                for each in self.sources
            ],
            "set_aside": [_reasoned(*each) for each in self.set_aside],
        }


def _reasoned(what: str, reason: str) -> dict[str, str]:
    return {"what": what, "reason": reason}
