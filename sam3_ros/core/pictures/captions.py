"""What is written beside each object of an overlay: label, track and score, on a plate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.pictures.lettering import Ink, lettered, line_height
from sam3_ros.core.pictures.palette import BLACK, WHITE, Colour
from sam3_ros.core.pictures.placement import Area, FreePlaces

Pixels = npt.NDArray[np.uint8]

# Of the picture's width: what one label may fill.
_WIDEST_LABEL = 0.45
_LEAST_LABEL_SIZES = 9
# Of the picture's area: what all captions together may cover.
_MOST_COVERED = 0.3


@dataclass(frozen=True)
class Caption:
    """What is to be written about an object."""

    label: str
    score: float
    #: Of the object, whole pixels inside the picture.
    box: Area
    #: Of the plate, and of what is written on it, in the picture's order of channels.
    paper: Colour
    ink: Colour
    #: Of a tracked object; empty for others.
    track: str = ""
    #: Of a tracked object that is not seen: why, and for how long. It takes the score's place.
    unseen: str = ""

    @property
    def ending(self) -> str:
        """What stays where the label is cut."""
        return f"{self.track} {self.unseen or short_score(self.score)}".strip()


@dataclass(frozen=True, eq=False)
class _Plate:
    """A caption with a place."""

    letters: Ink
    area: Area
    paper: Colour
    ink: Colour


def draw_captions(canvas: Pixels, captions: Sequence[Caption], size: int) -> None:
    """Write captions into a picture uint8 [H, W, 3].

    None covers another. The best of each prompt is placed first, then the others, the most certain
    first, then what is not seen. Where there is no place for all of a caption, it is written
    without its label, then as its track alone; the number of those left out is written into the
    lower right corner. size: of the font, px.
    """
    picture = ImageSize(*canvas.shape[:2])
    plates, left_out = _placed(picture, captions, size, note=None)
    if left_out:
        # Once more beside the note, which may take places away: so the number may grow.
        most = _letters(f"+{len(captions)}", size)
        height, width = most.shape
        corner = Area(picture.width - width, picture.height - height, picture.width, picture.height)
        if corner.left >= 0 and corner.top >= 0:
            plates, left_out = _placed(picture, captions, size, note=corner)
            letters = _letters(f"+{left_out}", size)
            area = Area(picture.width - letters.shape[1], corner.top, picture.width, picture.height)
            plates.append(_Plate(letters, area, BLACK, WHITE))
    for plate in plates:
        canvas[plate.area.rows_and_columns] = _coloured(plate)


def short_score(score: float) -> str:
    """Return a score with two digits, and without the 0 before the point: .87, 1.0."""
    text = f"{score:.2f}".replace("0.", ".", 1) if abs(score) < 0.995 else f"{score:.1f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _placed(
    picture: ImageSize, captions: Sequence[Caption], size: int, note: Area | None
) -> tuple[list[_Plate], int]:
    """Return the plates, and how many have no place. note: a place that is left free."""
    places = FreePlaces(picture, [caption.box for caption in captions])
    if note is not None:
        places.take(note)
    left_to_cover = _MOST_COVERED * picture.width * picture.height
    plates: list[_Plate] = []
    for caption in _in_order(captions):
        for letters in _forms(caption, size, picture.width):
            # A first caption is written even where it covers much.
            if letters.size > left_to_cover and plates:
                continue
            area = places.beside(caption.box, *letters.shape)
            if area is not None:
                plates.append(_Plate(letters, area, caption.paper, caption.ink))
                left_to_cover -= letters.size
                break
    return plates, len(captions) - len(plates)


def _in_order(captions: Sequence[Caption]) -> list[Caption]:
    """Return the best caption of each prompt, then the others, the most certain first.

    What is not seen comes last.
    """
    ranked = sorted(captions, key=lambda caption: (bool(caption.unseen), -caption.score))
    first = {caption.label: caption for caption in reversed(ranked)}
    return sorted(ranked, key=lambda c: (bool(c.unseen), first[c.label] is not c))


def _forms(caption: Caption, size: int, width: int) -> Iterator[Ink]:
    """Yield the caption's ink, then shorter forms."""
    most = max(round(_WIDEST_LABEL * width), _LEAST_LABEL_SIZES * size)
    yield _letters(caption.label, size, caption.ending, most)
    yield _letters(caption.ending, size)
    if caption.track:
        yield _letters(caption.track, size)


@lru_cache(maxsize=512)
def _letters(text: str, size: int, ending: str = "", most: int | None = None) -> Ink:
    """Return a text, and another behind it that is not cut, with a margin, uint8 [H, W]."""
    written = [lettered(text, size, most), lettered(ending, size)]
    parts = [part for part in written if part.shape[1]]
    margin, space = max(1, round(size / 5)), max(2, round(size / 3))
    width = sum(part.shape[1] for part in parts) + space * (len(parts) - 1)
    ink = np.zeros((line_height(size), width + 2 * margin), np.uint8)
    left = margin
    for part in parts:
        ink[:, left : left + part.shape[1]] = part
        left += part.shape[1] + space
    return ink


def _coloured(plate: _Plate) -> Pixels:
    """Return the plate uint8 [H, W, 3]."""
    coloured: Pixels = _table(plate.paper, plate.ink)[plate.letters]
    return coloured


@lru_cache(maxsize=64)
def _table(paper: Colour, ink: Colour) -> Pixels:
    """Return the colour of each level of ink on paper, uint8 [256, 3]."""
    levels = np.arange(256, dtype=np.float32)[:, None] / 255
    bare, covered = np.array(paper, np.float32), np.array(ink, np.float32)
    table: Pixels = np.rint(bare + (covered - bare) * levels).astype(np.uint8)
    return table
