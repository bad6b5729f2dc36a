"""Where a replay's objects are in space, as a table: a row per true object of a camera."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sam3_ros.cli.table import left, right, table

if TYPE_CHECKING:
    from sam3_ros.replay.report.places import Metres3, PlaceErrors, PlaceReport

_COLUMNS = ("found", "placed", "centre off by", "p95", "box, mm", "true box, mm")


def place_lines(places: Sequence[PlaceReport]) -> list[str]:
    """Lay out each object, whatever prompts found it, and all of them."""
    by_object: dict[tuple[str, str], list[PlaceReport]] = {}
    for place in places:
        by_object.setdefault((place.camera, place.name), []).append(place)
    rows = [
        [f"{camera}: {name}" if camera else name, *_figures(of_one), *_boxes(of_one)]
        for (camera, name), of_one in sorted(by_object.items())
    ]
    if len(rows) > 1:
        rows.append(["all", *_figures(places), "", ""])
    why = dict.fromkeys(reason for place in places for reason in place.reasons if reason)
    without = [f"  without a place: {'; '.join(why)}"] if why else []
    headings = [left("in space"), *map(right, _COLUMNS)]
    return [*table(headings, rows), *without]


def _figures(places: Sequence[PlaceReport]) -> Iterator[object]:
    from sam3_ros.replay.report.places import errors_of

    errors = errors_of([error for place in places for error in place.errors_m])
    yield sum(place.found for place in places)
    yield sum(place.placed for place in places)
    yield from _millimetres(errors)


def _millimetres(errors: PlaceErrors | None) -> tuple[str, str]:
    if errors is None:
        return "-", "-"
    return f"{errors.median_m * 1000:.1f} mm", f"{errors.p95_m * 1000:.1f} mm"


def _boxes(places: Sequence[PlaceReport]) -> tuple[str, str]:
    """Return the boxes of the prompt that found the object most often."""
    best = max(places, key=lambda place: place.placed)
    return _box(best.box_m), _box(best.true_box_m)


def _box(lengths: Metres3 | None) -> str:
    return "-" if lengths is None else " x ".join(f"{length * 1000:.0f}" for length in lengths)
