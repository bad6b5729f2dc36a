"""How well the objects of a prompt kept their ids."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrackReport:
    """The tracks of one prompt on one camera. None: the bag has no ground truth to tell it by."""

    #: Empty for the only camera.
    camera: str
    prompt_id: str
    #: As in PromptReport; empty for a prompt that was not asked here.
    kind: str
    #: The phrase, or the object or place of a click.
    asked: str
    #: All ids, in all loops.
    ids: tuple[int, ...]
    #: The number of ids in the loop of the bag that has most.
    most_ids: int
    #: Frames in which each was seen, added up.
    seen: int
    #: Frames in which each was told as hidden or lost, added up.
    hidden: int
    #: How often an object came back into view; without ground truth, how often one was found again.
    returns: int
    #: Of these, with the id that it had.
    found_again: int
    #: How often an object got another id than it had.
    id_switches: int | None
    #: How often an id went to another object.
    moved: int | None
    #: How often an object that was in view all the time had no id for a while.
    fragments: int | None
    #: Frames in which an object that had an id was in view and had none.
    lost_in_view: int | None
