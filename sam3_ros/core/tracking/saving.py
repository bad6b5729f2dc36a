"""A session as arrays, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from zlib import crc32

import numpy as np

from sam3_ros.core.errors import BundleError
from sam3_ros.core.geometry import ImageSize, Point
from sam3_ros.core.segmenter.prompts import ConceptPrompt
from sam3_ros.core.segmenter.segments import TrackState
from sam3_ros.core.stages.session import Array
from sam3_ros.core.tracking.follower import Follower
from sam3_ros.core.tracking.kept import Kept, TrackedObject, TrackedText
from sam3_ros.core.tracking.place import Place
from sam3_ros.core.tracking.track import Track

VERSION = 3
_SESSION = "session"
# What of a track is plain numbers and words.
_PLAIN = (
    "id",
    "prompt_id",
    "label",
    "detectable",
    "age",
    "frames_unseen",
    "size",
    "score",
    "missed",
    "shared",
    "renewed",
    "away",
)


def saved(kept: Kept, bundle: str, follower: Follower) -> dict[str, Array]:
    """Return all that is kept: "session" with JSON in UTF-8, and arrays by object."""
    arrays: dict[str, Array] = {}
    document: dict[str, Any] = {
        "version": VERSION,
        "bundle": bundle,
        "next_id": kept.next_id,
        "size": kept.size,
        "together": sorted(kept.together),
        "texts": [_text(each) for each in kept.texts.values()],
        "objects": [_object(each.track, follower, arrays) for each in kept.objects.values()],
    }
    document["sums"] = {name: _sum(array) for name, array in arrays.items()}
    document["sum"] = _sum_of_words(document)
    arrays[_SESSION] = np.frombuffer(json.dumps(document).encode(), np.uint8)
    return arrays


def restored(arrays: Mapping[str, Array], bundle: str, follower: Follower) -> Kept:
    """Return what was saved. Raises BundleError for arrays of another bundle or version."""
    if _SESSION not in arrays:
        raise BundleError(
            'expected a saved session, got arrays without "session": pass what `saved` returned'
        )
    try:
        document = json.loads(np.asarray(arrays[_SESSION], np.uint8).tobytes())
        version, of_bundle = document["version"], document["bundle"]
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"the saved session cannot be read: {error!r}") from error
    if version != VERSION:
        raise BundleError(
            f"the session was saved in version {version}, and this is version {VERSION}: "
            "start a new one"
        )
    if of_bundle != bundle:
        raise BundleError(
            f"the session was saved with the bundle {of_bundle}, and this is {bundle}: load that "
            "one, or start a new session"
        )
    try:
        return _kept(document, arrays, follower)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise BundleError(f"the saved session is damaged: {error!r}") from error


def _kept(document: Mapping[str, Any], arrays: Mapping[str, Array], follower: Follower) -> Kept:
    if _sum_of_words(document) != document["sum"]:
        raise ValueError("its numbers and words are not those that were saved")
    for name, wanted in document["sums"].items():
        if (found := _sum(arrays[name])) != wanted:
            raise ValueError(f"{name} was saved as {wanted}, and is {found}")
    tracks = [_track(each, arrays, follower) for each in document["objects"]]
    texts = [_restored_text(each) for each in document["texts"]]
    return Kept(
        {each.id: TrackedObject(each) for each in tracks},
        {each.prompt.id: each for each in texts},
        int(document["next_id"]),
        None if document["size"] is None else ImageSize(*document["size"]),
        frozenset((int(one), int(other)) for one, other in document["together"]),
    )


def _sum(array: Array) -> list[Any]:
    """Return by what an array is known again: type, shape and a checksum, as JSON has them."""
    return [array.dtype.str, list(array.shape), crc32(np.ascontiguousarray(array).tobytes())]


def _sum_of_words(document: Mapping[str, Any]) -> int:
    """Return a checksum of all but the sum itself; the same before and after a way through JSON."""
    return crc32(json.dumps({**document, "sum": 0}).encode())


def _text(text: TrackedText) -> dict[str, Any]:
    prompt = text.prompt
    return {
        "text": prompt.text,
        "id": prompt.id,
        "label": prompt.label,
        "score_threshold": text.score_threshold,
        "waited": text.waited,
        "starts": text.starts,
        "full": text.full,
    }


def _restored_text(saved_text: Mapping[str, Any]) -> TrackedText:
    prompt = ConceptPrompt(saved_text["text"], id=saved_text["id"], label=saved_text["label"])
    return TrackedText(
        prompt,
        saved_text["score_threshold"],
        saved_text["waited"],
        saved_text["starts"],
        saved_text["full"],
    )


def _object(track: Track, follower: Follower, arrays: dict[str, Array]) -> dict[str, Any]:
    prefix = f"{track.id}/"
    followed = track.follower_state is not None
    if track.follower_state is not None:
        state = follower.saved(track.follower_state)
        arrays.update((f"{prefix}state/{name}", array) for name, array in state.items())
    document: dict[str, Any] = {name: getattr(track, name) for name in _PLAIN}
    document |= {"state": track.state.value, "step": track.step, "followed": followed}
    for name, place in (("place", track.place), ("detected", track.detected)):
        if place is not None:
            arrays[prefix + name], document[name] = place.bits, place.numbers
    return document


def _track(document: Mapping[str, Any], arrays: Mapping[str, Array], follower: Follower) -> Track:
    prefix = f"{document['id']}/"
    places: dict[str, Place] = {}
    for name in ("place", "detected"):
        if name in document:
            places[name] = Place.restored(document[name], arrays[prefix + name])
    state = None
    if document["followed"]:
        begin = f"{prefix}state/"
        # By name: a mapping over a file reads an array each time that it is asked for it.
        own = {name[len(begin) :]: arrays[name] for name in arrays if name.startswith(begin)}
        state = follower.restored(own)
    return Track(
        **{name: document[name] for name in _PLAIN},
        state=TrackState(document["state"]),
        place=places["place"],
        step=Point(*document["step"]),
        follower_state=state,
        detected=places.get("detected"),
    )
