"""How large a picture may be: its header says it, before anything is decoded."""

from __future__ import annotations

from sam3_ros.core.errors import ImageError

#: Millions of pixels that are read unless more are allowed: a small file can claim any size.
MAX_MEGAPIXELS = 50.0
# As many as the parameter may be set to (ros/parameters/specs.py): no camera has more.
_MOST_MEGAPIXELS = 1000


def require_size(width: int, height: int, max_megapixels: float, *, is_deep: bool = False) -> None:
    """Raise ImageError for a picture of more pixels, or of none.

    is_deep: it has colours of 16 bits, whose pixels take twice the room and count twice.
    """
    if width <= 0 or height <= 0:
        raise ImageError(f"expected an image of at least 1x1 px, got {width}x{height} px")
    megapixels = width * height / 1e6
    counted = 2 * megapixels if is_deep else megapixels
    if counted > max_megapixels:
        enough = int(counted) + 1
        twice = ", which count twice with 16 bits a colour" if is_deep else ""
        advice = (
            f"if that is meant, set max_megapixels to {enough} (a parameter of the node and in "
            f"Python; --max-megapixels {enough})"
        )
        if enough > _MOST_MEGAPIXELS:
            advice = "no picture is that large: its header is damaged, or made up"
        raise ImageError(
            f"expected at most {max_megapixels:g} megapixels, got {width}x{height} "
            f"({megapixels:.0f} megapixels{twice}): {advice}"
        )
