"""A bundle's card: measured and written by `sam3-ros bundle card`, and by `export --card`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sam3_ros import __version__
from sam3_ros.cli.command import prepare_output
from sam3_ros.cli.out_folder import require_own
from sam3_ros.core.whole_file import write_whole

if TYPE_CHECKING:
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.bundle.card import CardSpeed

#: The scenarios of the bench that a card tells, each in words.
_TOLD = {
    "text_new_frame": "a text on a new image, the text encoded before",
    "second_text_seen_frame": "a second text on the same image",
    "click_new_frame": "a click on a new image",
    "click_seen_frame": "a click on an image that was seen before",
}
_REPEATS, _SECONDS, _LEAST = 20, 3.0, 2


def require_card(bundle_folder: Path, out: Path | None, *, force: bool) -> Path:
    """Return where the card goes, before minutes of work.

    Raises OutputExistsError for a file there that is no card of sam3-ros; OSError where nothing can
    be written.
    """
    from sam3_ros.core.bundle.card import CARD_NAME, MARK

    path = out or bundle_folder / CARD_NAME
    require_own(path, MARK, force=force)
    prepare_output(path)
    return path


def write_card(
    bundle: Bundle, path: Path, *, with_speed: bool, progress: Callable[[str], None]
) -> None:
    """Write a bundle's card, with times of this machine if they are wanted."""
    from sam3_ros.core.bundle.card import card_of

    speed = _speed(bundle, progress) if with_speed else None
    write_whole(path, card_of(bundle, speed, __version__))


def _speed(bundle: Bundle, progress: Callable[[str], None]) -> CardSpeed | None:
    """Time a text and a click on the shipped picture; None for a bundle without fp32."""
    from sam3_ros.bench.instruments.facts import facts_of
    from sam3_ros.bench.measurement import END_TO_END, Budget, measure
    from sam3_ros.bench.scenarios import Workload, scenarios
    from sam3_ros.bench.setup import Setup
    from sam3_ros.core.bundle.card import CardSpeed
    from sam3_ros.core.image_file import read_rgb
    from sam3_ros.core.precision.questions import TABLE

    if "fp32" not in bundle.precisions:
        progress("the card has no times: the bundle has no files in fp32")
        return None
    budget = Budget(_REPEATS, _SECONDS, _LEAST)
    workload = Workload(read_rgb(TABLE), "red cube", prompts=1, cameras=1)
    times = []
    with Setup(str(bundle.path)).load() as segmenter:
        for scenario in scenarios(segmenter, workload):
            if scenario.key in _TOLD:
                progress(f"timing {_TOLD[scenario.key]}")
                measured = measure(scenario.title, scenario.call, budget)
                times.append((_TOLD[scenario.key], measured.steps[END_TO_END].median_ms))
    return CardSpeed(facts_of("cpu"), times)
