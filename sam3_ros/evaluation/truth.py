"""What is true of one picture: its objects as regions, once the picture's real size is known."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sam3_ros.core.errors import AnnotationError
from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.segmenter.masks import mask_bounds
from sam3_ros.evaluation.annotations import AnnotatedPicture, Annotation
from sam3_ros.evaluation.regions import Region, area_of, mask_of, region_of

NO_BOX = "without a box on their picture: it was drawn around the mask"
NO_AREA = "without an area: the mask's pixels were counted"


@dataclass(frozen=True, eq=False)
class KnownObject:
    """An object, or a crowd of them, in a picture."""

    category: int
    region: Region
    #: px of the picture.
    box: Box
    #: px; that of the file, which draws the lines between small, medium and large.
    area: float
    is_crowd: bool


@dataclass(frozen=True, eq=False)
class PictureTruth:
    """All that is known of a picture."""

    id: int
    size: ImageSize
    objects: tuple[KnownObject, ...]
    #: Categories that have an annotation, also where it could not be used.
    present: frozenset[int]
    #: Those that are known to be absent; None: all others.
    absent: frozenset[int] | None


def truth_of(
    picture: AnnotatedPicture, size: ImageSize, left_out: Counter[str], remarks: Counter[str]
) -> PictureTruth:
    """Return the truth of a picture of this size.

    left_out: gets the annotations that cannot be used, by reason; remarks: what was added to those
    that can. Raises AnnotationError where the file gives the picture another size.
    """
    if picture.size is not None and picture.size != size:
        raise AnnotationError(
            f"it has {size.width}x{size.height} px, and {picture.size.width}x{picture.size.height} "
            f"in the annotation file"
        )
    found = [_object_or_reason(each, size, remarks) for each in picture.annotations]
    objects = [each for each in found if isinstance(each, KnownObject)]
    left_out.update(each for each in found if isinstance(each, str))
    present = frozenset(annotation.category for annotation in picture.annotations)
    return PictureTruth(picture.id, size, tuple(objects), present, picture.absent)


def _object_or_reason(
    annotation: Annotation, size: ImageSize, remarks: Counter[str]
) -> KnownObject | str:
    try:
        return _object(annotation, size, remarks)
    except AnnotationError as error:
        return str(error)


def _object(annotation: Annotation, size: ImageSize, remarks: Counter[str]) -> KnownObject:
    region = region_of(annotation.segmentation, size)
    box, area = annotation.box, annotation.area
    if box is None or box.clipped_to(size) is None:
        remarks[NO_BOX] += 1
        box = mask_bounds(mask_of(region))
        assert box is not None  # region_of refuses a region without a pixel
    if area is None:
        remarks[NO_AREA] += 1
        area = float(area_of(region))
    return KnownObject(annotation.category, region, box, area, annotation.is_crowd)
