"""All that is measured of a bundle: what it answers in scenes, and how it follows through films.

Apart from __main__, which a spawned process could not read these functions from.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.training.tabletop.evaluate import evaluate
from sam3_ros.training.tabletop.evaluate_following import evaluate_following


def evaluate_all(
    bundle: Path, scenes: int, processes: int
) -> tuple[dict[str, object], dict[str, dict[str, object]]]:
    """Return the figures of `evaluate` and of `evaluate_following`, each measured on one thread."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(2, processes), fresh) as pool:
        answers = pool.submit(_answers, bundle, scenes)
        following = pool.submit(_following, bundle)
        return answers.result(), following.result()


def _answers(bundle: Path, scenes: int) -> dict[str, object]:
    with Segmenter.load(bundle, threads=1) as segmenter:
        return evaluate(segmenter, scenes)


def _following(bundle: Path) -> dict[str, dict[str, object]]:
    with Segmenter.load(bundle, threads=1) as segmenter:
        return evaluate_following(segmenter)
