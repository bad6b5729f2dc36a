"""Annotation files in COCO's form: which pictures there are, and what is known to be in them.

The form is that of COCO's instances (cocodataset.org/#format-data); LVIS adds to each picture the
categories that somebody looked for in vain (`neg_category_ids`). Nothing is left out silently: what
cannot be used is counted under its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from sam3_ros.core.bounded_file import read_at_most
from sam3_ros.core.checked_json import parse_json
from sam3_ros.core.errors import AnnotationError
from sam3_ros.core.geometry import Box, ImageSize

#: That of LVIS's training part has 1.1 GB, and 150 million values.
_MOST_BYTES, _MOST_VALUES = 4_000_000_000, 1_000_000_000
#: px; no picture is so large.
_FAR = 1e12
_PARTS = ("images", "annotations", "categories")


@dataclass(frozen=True)
class Annotation:
    """One region of a picture, as the file has it."""

    category: int
    #: Polygons, or run lengths; not looked at yet (regions.py).
    segmentation: Any
    #: px of the picture; None where the file has none that is a box.
    box: Box | None
    #: px, by which COCO tells small from large; None where the file has none.
    area: float | None
    #: The region shows many objects that are not told apart.
    is_crowd: bool


@dataclass(frozen=True)
class AnnotatedPicture:
    """A picture of the file."""

    id: int
    #: Relative to the folder of pictures.
    name: str
    #: As the file has it; None where it does not say.
    size: ImageSize | None
    annotations: tuple[Annotation, ...]
    #: The categories that are known to be absent; None: all that have no annotation here.
    absent: frozenset[int] | None = None


@dataclass(frozen=True)
class AnnotatedPictures:
    """All pictures of a file, in its order."""

    pictures: tuple[AnnotatedPicture, ...]
    #: Names by id, in the file's order.
    categories: Mapping[int, str]
    #: How many annotations were left out, by the reason.
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def lists_absent(self) -> bool:
        """Whether a picture says which categories were looked for in vain, as LVIS has it."""
        return any(picture.absent is not None for picture in self.pictures)

    def only(self, names: Collection[str]) -> AnnotatedPictures:
        """Return the same with these categories alone.

        Raises AnnotationError for a name that is not in the file.
        """
        known = set(self.categories.values())
        for name in names:
            if name not in known:
                shown = ", ".join(list(self.categories.values())[:10])
                raise AnnotationError(
                    f"the annotation file has no category {name!r}; it has {len(known)}: {shown}"
                    f"{', ...' if len(known) > 10 else ''}"
                )
        kept = {number: name for number, name in self.categories.items() if name in names}
        pictures = tuple(
            AnnotatedPicture(
                each.id,
                each.name,
                each.size,
                tuple(a for a in each.annotations if a.category in kept),
                None if each.absent is None else each.absent & kept.keys(),
            )
            for each in self.pictures
        )
        return AnnotatedPictures(pictures, kept, self.left_out)


def read_annotations(path: Path) -> AnnotatedPictures:
    """Read an annotation file.

    Raises AnnotationError for what is no such file, or names no picture, no category or no region;
    OSError where it cannot be read.
    """
    try:
        document = parse_json(read_at_most(path, _MOST_BYTES), _MOST_VALUES)
    except ValueError as error:
        raise AnnotationError(f"{path} is no annotation file: {error}") from error
    images, annotations, categories = _parts(document, path)
    names = _by_id(categories, "categories", path)
    pictures = _by_id(images, "pictures", path)
    left_out: Counter[str] = Counter()
    of_picture: dict[int, list[Annotation]] = {number: [] for number in pictures}
    for each in annotations:
        found = _annotation(each, names)
        if isinstance(found, str):
            left_out[found] += 1
        elif isinstance(picture := each.get("image_id"), int) and picture in of_picture:
            of_picture[picture].append(found)
        else:
            left_out["of a picture that the file does not list"] += 1
    return AnnotatedPictures(
        tuple(
            _picture(number, entry, tuple(of_picture[number]), path)
            for number, entry in pictures.items()
        ),
        {number: _name_of(entry, path) for number, entry in names.items()},
        dict(left_out),
    )


def _parts(document: Any, path: Path) -> tuple[list[Any], list[Any], list[Any]]:
    """Return images, annotations and categories; AnnotationError says what the file is instead."""
    if isinstance(document, list):
        raise AnnotationError(
            f"{path} is a list, as a file of results is; expected annotations: an object with "
            f"{', '.join(_PARTS)}"
        )
    lacks = [
        part
        for part in _PARTS
        if not (isinstance(document, dict) and isinstance(document.get(part), list))
    ]
    if lacks:
        raise AnnotationError(
            f"{path} has no list {', '.join(map(repr, lacks))}; expected annotations in COCO's "
            f"form, such as instances_val2017.json"
        )
    images, annotations, categories = (document[part] for part in _PARTS)
    for part, entries in zip(_PARTS, (images, annotations, categories), strict=True):
        if not entries:
            raise AnnotationError(f"{path} has no {part}: there is nothing to measure")
        wrong = next((entry for entry in entries if not isinstance(entry, dict)), None)
        if wrong is not None:
            raise AnnotationError(f"{path}: {part} has {str(wrong)[:80]!r}, which is no object")
    if not any("segmentation" in entry for entry in annotations):
        kind = next((n for n in ("caption", "segments_info") if n in annotations[0]), None)
        has = f" (they have {kind}: captions or panoptic segments are another form)" if kind else ""
        raise AnnotationError(f"{path}: no annotation has a segmentation{has}; masks are needed")
    return images, annotations, categories


def _by_id(entries: list[dict[str, Any]], what: str, path: Path) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for entry in entries:
        number = entry.get("id")
        if not isinstance(number, int) or isinstance(number, bool):
            raise AnnotationError(f"{path}: {what} need whole numbers as ids, got {number!r}")
        if number in found:
            raise AnnotationError(f"{path}: two {what} have the id {number}")
        found[number] = entry
    return found


def _name_of(category: Mapping[str, Any], path: Path) -> str:
    name = category.get("name")
    if not isinstance(name, str) or not name.strip():
        raise AnnotationError(f"{path}: category {category['id']} has no name, got {name!r}")
    return name


def _picture(
    number: int, entry: Mapping[str, Any], annotations: tuple[Annotation, ...], path: Path
) -> AnnotatedPicture:
    name = entry.get("file_name") or _from_address(entry)
    if not isinstance(name, str) or "\0" in name:
        raise AnnotationError(f"{path}: picture {number} has no file_name, got {name!r}")
    steps = PurePosixPath(name)
    if steps.is_absolute() or ".." in steps.parts:
        raise AnnotationError(
            f"{path}: picture {number} is {name!r}, which lies outside of the folder of pictures"
        )
    height, width = _number(entry.get("height")), _number(entry.get("width"))
    size = ImageSize(int(height), int(width)) if height and width else None
    return AnnotatedPicture(number, name, size, annotations, _absent(number, entry, path))


def _absent(number: int, entry: Mapping[str, Any], path: Path) -> frozenset[int] | None:
    """Return what was looked for in vain, as far as the picture says; nothing of an empty list."""
    listed = entry.get("neg_category_ids")
    if listed is None:
        return None
    if not isinstance(listed, list):
        raise AnnotationError(
            f"{path}: picture {number} has {str(listed)[:80]!r} for neg_category_ids, where a list "
            f"of categories' ids was expected"
        )
    return frozenset(each for each in listed if isinstance(each, int))


def _from_address(entry: Mapping[str, Any]) -> str | None:
    """Return folder and name of a picture of LVIS, whose files have addresses alone."""
    address = entry.get("coco_url")
    return "/".join(address.split("/")[-2:]) if isinstance(address, str) else None


def _annotation(entry: Mapping[str, Any], categories: Collection[int]) -> Annotation | str:
    """Return the annotation, or why it cannot be used."""
    category = entry.get("category_id")
    if not isinstance(category, int) or category not in categories:
        return "of a category that the file does not list"
    if not entry.get("segmentation"):
        return "without a segmentation"
    return Annotation(
        category,
        entry["segmentation"],
        _box(entry.get("bbox")),
        _area(entry.get("area")),
        bool(entry.get("iscrowd")),
    )


def _box(values: Any) -> Box | None:
    """Return the box of [x, y, width, height]; None for what is none."""
    numbers = [_number(each) for each in values] if isinstance(values, list) else []
    if len(numbers) != 4 or None in numbers:
        return None
    x, y, width, height = (each or 0.0 for each in numbers)
    return Box(x, y, x + width, y + height) if width > 0 and height > 0 else None


def _area(value: Any) -> float | None:
    """Return a positive number; of any other COCO's code would leave the object out."""
    area = _number(value)
    return area if area is not None and area > 0 else None


def _number(value: Any) -> float | None:
    """Return a finite number; None for anything else."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < _FAR else None
