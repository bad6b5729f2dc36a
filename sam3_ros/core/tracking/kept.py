"""What a session keeps between two images."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.prompts import ConceptPrompt
from sam3_ros.core.tracking.apart import Pair
from sam3_ros.core.tracking.place import Place
from sam3_ros.core.tracking.track import Track

ImageRef = weakref.ref[ImageEmbedding]


@dataclass(frozen=True, eq=False)
class TrackedObject:
    """An object, and which image it was answered in last."""

    track: Track
    #: It is not kept alive; None after a session was restored.
    image: ImageRef | None = None

    @property
    def seen(self) -> Place | None:
        """Where it is in that image; None where it is not seen."""
        return None if self.track.frames_unseen else self.track.place

    def answered(self, image: ImageEmbedding) -> bool:
        """Return whether its last answer is of this image."""
        return self.image is not None and self.image() is image


@dataclass(frozen=True, eq=False)
class TrackedText:
    """A text that is looked for."""

    #: As it is asked in later images.
    prompt: ConceptPrompt
    #: None: the bundle's. What the session is told with an image comes first.
    score_threshold: float | None = None
    #: Images since it was looked for; None: look in the next.
    waited: int | None = None
    #: A detection may start an object; not where a person showed which are meant.
    starts: bool = True
    #: It was told that there are too many objects.
    full: bool = False
    #: The last image that counts in `waited`.
    image: ImageRef | None = None

    @property
    def asked_anew(self) -> TrackedText:
        """Return it as it is when tracking starts anew."""
        return replace(self, waited=None, full=False, image=None)


def in_use(
    texts: Mapping[str, TrackedText], objects: Mapping[int, TrackedObject]
) -> dict[str, TrackedText]:
    """Return the texts but for those that have no object and start none any more."""
    named = {each.track.prompt_id for each in objects.values()}
    return {name: text for name, text in texts.items() if text.starts or name in named}


@dataclass(frozen=True, eq=False)
class Kept:
    """All of it. It never changes, so a failed image leaves it as it was."""

    #: By id, in their order.
    objects: Mapping[int, TrackedObject] = field(default_factory=dict)
    #: By the id of their prompt, in the order in which they were added.
    texts: Mapping[str, TrackedText] = field(default_factory=dict)
    next_id: int = 1
    #: Of the images; None before the first.
    size: ImageSize | None = None
    #: Which objects were in one place when both were seen last.
    together: frozenset[Pair] = frozenset()
