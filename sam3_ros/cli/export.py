"""`sam3-ros export`: from a checkpoint to a verified bundle."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sam3_ros.cli.card import write_card
from sam3_ros.cli.checkpoint_option import (
    CHECKPOINT_HELP,
    LocalCheckpoint,
    checkpoint_argument,
    local_checkpoint,
)
from sam3_ros.cli.command import add_command, whole_number
from sam3_ros.cli.needs import require_export
from sam3_ros.cli.progress import print_step
from sam3_ros.core.signals import signals_handled

if TYPE_CHECKING:
    from sam3_ros.cli.command import Commands
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.export.commands.export_job import ExportJob
    from sam3_ros.export.family import Family
    from sam3_ros.export.weights.filled_network import FilledNetwork
    from sam3_ros.hub.known_models import KnownModel

LEFT_OUT = 1


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "export",
        "make a bundle from a checkpoint, with every number compared with PyTorch's",
        """
        sam3-ros export --model efficientsam3-rv-m --out rv_m        # of `sam3-ros models`
        sam3-ros export sam3 --checkpoint hf://facebook/sam3/sam3.pt --out sam3
        sam3-ros export efficientsam3 --checkpoint repvit_m0_9.pth --out bundles/repvit
        sam3-ros export mobilesam --checkpoint mobile_sam.pt --out clicks --precision fp32,int8
        sam3-ros export efficientsam3 --checkpoint m.pth --out word --parts concept --input-size 504
        sam3-ros export efficientvit-sam --random-weights 1 --variant l0 --out trial
        """,
        _run,
    )
    parser.add_argument(
        "family",
        nargs="?",
        help="efficientsam3, sam3, efficientvit-sam, mobilesam or sam; "
        "may be left out for a checkpoint",
    )
    _add_weights(parser)
    _add_contents(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the new bundle")
    parser.add_argument(
        "--card",
        action="store_true",
        help="write a card into the bundle (README.md), with times of a text and a click here",
    )
    parser.add_argument("--force", action="store_true", help="replace what exists")


def _add_contents(parser: argparse.ArgumentParser) -> None:
    """Declare which parts of the model are written, and how."""
    parser.add_argument(
        "--precision",
        type=_names,
        default=("fp32",),
        metavar="P,...",
        help="fp32, fp16, int8, with commas (fp32)",
    )
    parser.add_argument(
        "--renditions",
        type=_names,
        default=("portable", "cuda"),
        metavar="R,...",
        help="portable, and for GPUs cuda and tensorrt, with commas (portable,cuda)",
    )
    parser.add_argument(
        "--parts",
        type=_names,
        metavar="P,...",
        help="concept, interactive, video, with commas (all that the family has)",
    )
    parser.add_argument(
        "--input-size",
        type=whole_number(1),
        metavar="PX",
        help="side of the model's input (as trained)",
    )
    parser.add_argument(
        "--allow-poor-precision",
        action="store_true",
        help="write a precision even if its masks lie far from fp32; the manifest says so",
    )


def _add_weights(parser: argparse.ArgumentParser) -> None:
    weights = parser.add_mutually_exclusive_group(required=True)
    weights.add_argument(
        "--checkpoint", type=checkpoint_argument, metavar="FILE", help=CHECKPOINT_HELP
    )
    weights.add_argument(
        "--model", metavar="NAME", help="a published model, fetched from the hub: `sam3-ros models`"
    )
    weights.add_argument(
        "--random-weights",
        type=whole_number(0),
        metavar="SEED",
        help="the real architecture without real weights, for tests and benchmarks",
    )
    parser.add_argument(
        "--variant",
        help="with --random-weights (the family's first); that of a checkpoint is read from it",
    )
    parser.add_argument(
        "--save-checkpoint",
        type=Path,
        metavar="FILE",
        help="also write the weights in the original's names (.safetensors, .pth, .pt)",
    )


def _run(options: argparse.Namespace) -> int:
    require_export()
    from sam3_ros.core.bundle.card import CARD_NAME
    from sam3_ros.core.bundle.writer import require_free
    from sam3_ros.core.errors import ExportError
    from sam3_ros.export.checkpoint.file import require_free_file
    from sam3_ros.export.commands.export_job import ExportJob
    from sam3_ros.export.commands.inspection import families_to_try
    from sam3_ros.export.families import FAMILIES
    from sam3_ros.export.weights.loading import write_checkpoint

    model = _known_model(options)
    if options.family is None and options.checkpoint is None:
        raise ExportError(f"name the family of the random weights: {', '.join(sorted(FAMILIES))}")
    families = families_to_try(FAMILIES, options.family)
    if options.variant and options.checkpoint:
        raise ExportError("--variant goes with --random-weights: a checkpoint's is read from it")
    require_free(options.out, options.force)  # before minutes of work
    if options.save_checkpoint is not None:
        require_free_file(options.save_checkpoint, options.force)
    checkpoint = _fetched(options, model)
    family = _family(families, checkpoint)
    filled = _filled(family, options, checkpoint)
    job = ExportJob(
        family=family,
        architecture=filled.architecture,
        network=filled.network,
        input_size=filled.input_size,
        target=options.out,
        source={**filled.source, **_origin(checkpoint), "command": _command(options)},
        parts=options.parts or filled.network.parts,
        precisions=options.precision,
        renditions=options.renditions,
        allow_poor_precision=options.allow_poor_precision,
        replace_existing=options.force,
        refill=lambda: _filled(family, options, checkpoint).network,
    )
    if options.save_checkpoint is not None:
        write_checkpoint(filled.network, options.save_checkpoint, options.force)
        print_step(f"weights written: {options.save_checkpoint}")
    bundle = _exported(job)
    if options.card:
        write_card(bundle, bundle.path / CARD_NAME, with_speed=True, progress=print_step)
    return _report(bundle)


def _known_model(options: argparse.Namespace) -> KnownModel | None:
    """Return the published model that is named; what it stands for becomes an option."""
    if options.model is None:
        return None
    from sam3_ros.core.errors import ExportError
    from sam3_ros.hub.published import published_model

    model = published_model(options.model)
    if options.family not in (None, model.family):
        raise ExportError(f"{model.name} is of the family {model.family}, not {options.family}")
    options.family, options.checkpoint = model.family, model.address
    return model


def _fetched(options: argparse.Namespace, model: KnownModel | None) -> LocalCheckpoint | None:
    if options.checkpoint is None:
        return None
    checkpoint = local_checkpoint(options.checkpoint)
    if model is not None:
        from sam3_ros.core.bundle.files import sha256_of

        print_step(f"{model.name}: {model.licence}; {model.page}")
        if model.sha256:
            model.require_sum(sha256_of(checkpoint.path))
    return checkpoint


def _family(families: Mapping[str, Family], checkpoint: LocalCheckpoint | None) -> Family:
    """Return the only family there is to try, or the one that a checkpoint is of."""
    if len(families) == 1 or checkpoint is None:
        return next(iter(families.values()))
    from sam3_ros.export.commands.inspection import recognise
    from sam3_ros.export.weights.recognition import open_known, without_prefix

    opened = without_prefix(open_known(checkpoint.path), families.values())
    return recognise(opened, families).family


def _origin(checkpoint: LocalCheckpoint | None) -> Mapping[str, str]:
    return {} if checkpoint is None else checkpoint.source


def _filled(
    family: Family, options: argparse.Namespace, checkpoint: LocalCheckpoint | None
) -> FilledNetwork:
    from sam3_ros.export.weights.filled_network import from_checkpoint, from_seed

    if checkpoint is not None:
        print_step(f"reading {options.checkpoint}")
        filled = from_checkpoint(family, checkpoint.path, options.input_size, options.parts)
        print_step(f"form: {filled.source['checkpoint_form']}")
    else:
        print_step(f"making random weights of seed {options.random_weights}")
        filled = from_seed(family, options.random_weights, options.variant, options.input_size)
    print_step(f"{family.title}, {filled.architecture.variant}, {filled.input_size} px")
    return filled


def _exported(job: ExportJob) -> Bundle:
    from sam3_ros.export.commands.exporter import export_bundle

    # Ctrl-C must end the command at once: KeyboardInterrupt cannot pass through PyTorch's C++.
    with signals_handled(signal.SIG_DFL, signal.SIGINT):
        return export_bundle(job, print_step)


def _report(bundle: Bundle) -> int:
    size = sum(file.bytes for file in bundle.manifest.files)
    peak = bundle.manifest.verification["peak_memory_bytes"]
    print(
        f"verified: {bundle.path} ({', '.join(bundle.capabilities)}; "
        f"{', '.join(bundle.precisions)}; {size / 1e6:.0f} MB; peak memory {peak / 1e9:.1f} GB)"
    )
    left_out = bundle.manifest.verification.get("not_written", {})
    for precision in left_out:
        print(
            f"sam3-ros: {precision} was left out, as its masks are too far from fp32; the manifest "
            f"has the figures, --allow-poor-precision writes it all the same",
            file=sys.stderr,
        )
    return LEFT_OUT if left_out else 0


def _command(options: argparse.Namespace) -> str:
    """Return the command as given, but with file names only: the folders are private."""
    words = ["sam3-ros", "export", *_weights_named(options)]
    if options.variant:
        words += ["--variant", options.variant]
    words += ["--out", options.out.name, "--precision", ",".join(options.precision)]
    words += ["--renditions", ",".join(options.renditions)]
    if options.parts:
        words += ["--parts", ",".join(options.parts)]
    if options.input_size:
        words += ["--input-size", str(options.input_size)]
    if options.allow_poor_precision:
        words.append("--allow-poor-precision")
    return shlex.join(words)


def _weights_named(options: argparse.Namespace) -> list[str]:
    if options.model is not None:
        return ["--model", options.model]
    family = [] if options.family is None else [options.family]
    if options.checkpoint is None:
        return [*family, "--random-weights", str(options.random_weights)]
    is_local = isinstance(options.checkpoint, Path)
    name = options.checkpoint.name if is_local else str(options.checkpoint)
    return [*family, "--checkpoint", name]


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
