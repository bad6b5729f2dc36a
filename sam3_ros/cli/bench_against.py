"""`sam3-ros bench --against`: a rival runs in turns with ours, and its answers are compared."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam3_ros.cli.export_needed import require_export
from sam3_ros.core.errors import Sam3RosError

if TYPE_CHECKING:
    from sam3_ros.bench.measurement import Budget
    from sam3_ros.bench.rivals.rivalry import Rival
    from sam3_ros.bench.scenarios import Question
    from sam3_ros.bench.setup import Setup
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.segmenter.segmenter import Segmenter

RIVALS = ("plain", "torch")


def add_against_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--against",
        choices=RIVALS,
        help="run in turns with what one would run instead. plain: the same ONNX files, a session "
        "each with default options, every stage on every frame, masks of all queries; torch: the "
        "PyTorch model with the same weights",
    )
    group.add_argument(
        "--rival-bundle",
        type=Path,
        metavar="DIR",
        help="plain: run the files of this bundle, such as an earlier export of the same weights",
    )
    group.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="torch: the weights that the bundle was exported from (those of a bundle that was "
        "exported with random weights are made again)",
    )


def require_rival(options: argparse.Namespace) -> None:
    """Raise Sam3RosError for options that do not fit together, what is not installed, and bundles
    that the rival cannot run: before minutes of measuring."""
    if options.rival_bundle is not None and options.against != "plain":
        raise Sam3RosError("--rival-bundle goes with --against plain")
    if options.checkpoint is not None and options.against != "torch":
        raise Sam3RosError("--checkpoint goes with --against torch")
    if options.against == "torch":
        require_export()
        from sam3_ros.core.bundle.bundle import Bundle
        from sam3_ros.export.rebuild import require_rebuildable

        require_rebuildable(Bundle.open(options.bundle).manifest, options.checkpoint)
    if options.rival_bundle is not None:
        _require_same_questions(options)


def compete_with(
    options: argparse.Namespace,
    setup: Setup,
    segmenter: Segmenter,
    question: Question,
    budget: Budget,
) -> dict[str, Any]:
    """The contest as JSON holds it."""
    from sam3_ros.bench.rivals.contest import compete

    rival = _rival(options, setup, segmenter, question)
    try:
        contest = compete(segmenter, question, rival, budget)
    finally:
        rival.close()
    return {
        "rival": contest.rival,
        "description": contest.description,
        "ratios": [each.as_dict() for each in contest.ratios],
        "likeness": {kind: asdict(alike) for kind, alike in contest.likenesses.items()},
    }


def _rival(
    options: argparse.Namespace, setup: Setup, segmenter: Segmenter, question: Question
) -> Rival:
    bundle = segmenter.bundle
    if options.against == "plain":
        from sam3_ros.bench.rivals.plain import PlainRival

        if options.rival_bundle is not None:
            bundle = _open_rival(options)
        return PlainRival(bundle, setup.default.backend, setup.threads, question.image)
    from sam3_ros.export.torch_rival import TorchRival

    return TorchRival(bundle, options.checkpoint, setup.threads, question.image)


def _require_same_questions(options: argparse.Namespace) -> None:
    from sam3_ros.core.bundle.bundle import Bundle

    ours, theirs = Bundle.open(options.bundle), _open_rival(options)
    missing = {"concept", "interactive"} & ({*ours.capabilities} - {*theirs.capabilities})
    if missing:
        raise Sam3RosError(
            f"--rival-bundle {options.rival_bundle} answers no {' or '.join(sorted(missing))} "
            f"prompts, as bundle {ours.manifest.name!r} does: give one of the same model"
        )


def _open_rival(options: argparse.Namespace) -> Bundle:
    from sam3_ros.core.bundle.bundle import Bundle

    return Bundle.open(options.rival_bundle)
