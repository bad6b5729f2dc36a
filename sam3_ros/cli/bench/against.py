"""`sam3-ros bench --against`: a baseline runs in turns with ours, and the answers are compared."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam3_ros.cli.needs import require_export
from sam3_ros.core.errors import Sam3RosError

if TYPE_CHECKING:
    from sam3_ros.bench.baselines.paired import Baseline
    from sam3_ros.bench.measurement import Budget
    from sam3_ros.bench.scenarios import Workload
    from sam3_ros.bench.setup import Setup
    from sam3_ros.core.segmenter.segmenter import Segmenter
    from sam3_ros.export.commands.torch_on_gpu import TorchMode

BASELINES = ("plain", "torch")


def add_against_options(group: argparse._ArgumentGroup) -> None:
    """Declare what chooses the baseline."""
    group.add_argument(
        "--against",
        choices=BASELINES,
        help="run in turns with what one would run instead. plain: the same ONNX files, a session "
        "each with default options, every stage on every frame, masks of all queries; torch: the "
        "PyTorch model with the same weights, on the GPU where the bundle runs on one",
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
        help="torch: the weights that the bundle was exported from (random weights are made again "
        "from their seed)",
    )


def require_baseline(options: argparse.Namespace) -> None:
    """Check the baseline before minutes of measuring.

    Raises Sam3RosError for options that do not fit together, for modules that are not installed,
    and for bundles that the baseline cannot run.
    """
    from sam3_ros.core.bundle.bundle import Bundle

    if options.rival_bundle is not None and options.against != "plain":
        raise Sam3RosError("--rival-bundle goes with --against plain")
    if options.checkpoint is not None and options.against != "torch":
        raise Sam3RosError("--checkpoint goes with --against torch")
    if options.against == "torch":
        require_export()
        from sam3_ros.export.weights.filled_network import require_rebuildable

        require_rebuildable(Bundle.open(options.bundle).manifest, options.checkpoint)
    if options.rival_bundle is not None:
        ours, theirs = Bundle.open(options.bundle), Bundle.open(options.rival_bundle)
        missing = {"concept", "interactive"} & ({*ours.capabilities} - {*theirs.capabilities})
        if missing:
            raise Sam3RosError(
                f"--rival-bundle {options.rival_bundle} answers no {' or '.join(sorted(missing))} "
                f"prompts, as bundle {ours.manifest.name!r} does: give one of the same model"
            )


def compare_with_baseline(
    options: argparse.Namespace,
    setup: Setup,
    segmenter: Segmenter,
    workload: Workload,
    budget: Budget,
) -> list[dict[str, Any]]:
    """Run the comparisons, and return them as JSON shows them.

    On a GPU PyTorch runs twice, with CUDA graphs and without. One that fails there has the reason.
    """
    if options.against == "plain":
        from sam3_ros.bench.baselines.plain import PlainBaseline
        from sam3_ros.core.bundle.bundle import Bundle

        rival = options.rival_bundle
        bundle = segmenter.bundle if rival is None else Bundle.open(rival)
        plain = PlainBaseline(bundle, setup.default.backend, setup.threads, workload.image)
        return [_compared(plain, segmenter, workload, budget)]
    from sam3_ros.export.commands.torch_baseline import TorchBaseline

    def in_mode(mode: TorchMode) -> dict[str, Any]:
        bundle, threads = segmenter.bundle, setup.threads
        torch = TorchBaseline(bundle, options.checkpoint, threads, workload.image, mode=mode)
        return _compared(torch, segmenter, workload, budget)

    def in_mode_of_gpu(mode: TorchMode) -> dict[str, Any]:
        try:
            return in_mode(mode)
        except Exception as error:  # PyTorch's own exceptions come through as they are
            failed = f"{type(error).__name__}: {' '.join(str(error).split())}"
            return {"rival": "torch", "description": str(mode), "failed": failed}

    modes = _torch_modes(setup, segmenter)
    return [in_mode_of_gpu(mode) if mode.on_gpu else in_mode(mode) for mode in modes]


def _torch_modes(setup: Setup, segmenter: Segmenter) -> list[TorchMode]:
    """Return how PyTorch is to run: on the GPU where any of our stages does, else on the CPU."""
    from sam3_ros.bench.setup import is_on_gpu
    from sam3_ros.export.commands.torch_on_gpu import TorchMode

    choices = map(setup.plan.of, segmenter.bundle.manifest.stages_in_use)
    on_gpu = next((choice for choice in choices if is_on_gpu(choice)), None)
    if on_gpu is None:
        return [TorchMode()]
    return [TorchMode(on_gpu.precision, True, graphs) for graphs in (True, False)]


def _compared(
    baseline: Baseline, segmenter: Segmenter, workload: Workload, budget: Budget
) -> dict[str, Any]:
    from sam3_ros.bench.baselines.comparison import compare

    try:
        comparison = compare(segmenter, workload, baseline, budget)
    finally:
        baseline.close()
    return {
        "rival": comparison.baseline,
        "description": comparison.description,
        "ratios": [each.as_dict() for each in comparison.ratios],
        "likeness": {kind: asdict(alike) for kind, alike in comparison.agreements.items()},
        "stage_ms": dict(comparison.stage_ms),
    }
