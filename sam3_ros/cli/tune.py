"""`sam3-ros tune`: the fastest backend and precision of every stage that is accurate enough."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from sam3_ros.cli.command import add_command, add_json_option, prepare_output, whole_number
from sam3_ros.cli.out_folder import add_force_option, require_own
from sam3_ros.cli.progress import print_step
from sam3_ros.cli.table import left, right, table

if TYPE_CHECKING:
    from sam3_ros.cli.command import Commands
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.profile.profile import MachineProfile

_CHOSEN, _REFERENCE = "chosen", "fp32_on_cpu"
_LAST_DEVICE = 63  # as the node's parameter


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "tune",
        "choose backend and precision of every stage by measurement, and write a machine profile",
        """
        sam3-ros tune tabletop
        sam3-ros tune ./my_bundle --threads 2 --image kitchen.jpg --image hall.jpg
        sam3-ros tune ./my_bundle --precisions fp32 --out robot.yaml --json
        """,
        _run,
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="name or folder of a bundle")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="default: in the user's cache folder"
    )
    parser.add_argument("--threads", type=whole_number(1), metavar="N", help="default: every core")
    parser.add_argument(
        "--device-id",
        type=whole_number(0, _LAST_DEVICE),
        default=0,
        metavar="N",
        help="which GPU, as the node's device_id (default: %(default)s)",
    )
    parser.add_argument(
        "--least-gain",
        type=_gain,
        default=1.05,
        metavar="G",
        help="least gain: how many times faster than fp32 on the CPU (default: %(default)s)",
    )
    parser.add_argument(
        "--precisions",
        type=_names,
        metavar="P,...",
        help="try only these, such as fp32 or fp32,bf16 (default: all that are here)",
    )
    parser.add_argument(
        "--image",
        type=Path,
        action="append",
        default=[],
        help="a picture to judge the answers by as well; may be repeated",
    )
    add_force_option(parser)
    add_json_option(parser)


def _run(options: argparse.Namespace) -> int:
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.precision.other_files import check_other_files
    from sam3_ros.core.profile.profile_yaml import MARK, as_document, write_profile
    from sam3_ros.core.stages.plan import StagePlan
    from sam3_ros.core.trial.trial import require_tried
    from sam3_ros.core.tuning.tune import TuneSettings, Tuning

    bundle = Bundle.open(options.bundle)
    check_other_files(bundle)
    path = _path(options.out, bundle)
    require_own(options.out, MARK, force=options.force)
    prepare_output(path)
    settings = TuneSettings(
        options.threads, options.least_gain, options.device_id, options.precisions
    )
    require_tried(bundle, StagePlan(), options.threads)
    profile = Tuning(bundle, settings, print_step).run(options.image)
    write_profile(path, profile)
    if options.json:
        print(json.dumps({"profile": str(path), **as_document(profile)}, indent=2))
    else:
        _print_tables(profile)
        print(f"\nwritten to {path}; to use it:\n  sam3-ros segment --profile {path} ...")
        print(f"  ros2 launch sam3_ros segmentation.launch.py machine_profile:={path} ...")
    return 0


def _path(given: Path | None, bundle: Bundle) -> Path:
    """Return where to write. Raises ProfileError if there is no home folder."""
    from sam3_ros.core.errors import ProfileError
    from sam3_ros.core.profile.profile import default_profile_path

    try:
        return (given or default_profile_path(bundle)).expanduser().resolve()
    except RuntimeError as error:
        raise ProfileError(f"no folder to write to ({error}): give one with --out FILE") from error


def _print_tables(profile: MachineProfile) -> None:
    evidence = profile.evidence
    rows = []
    for entry in evidence["candidates"]:
        choice = profile.choices[entry["stage"]]
        taken = (choice.backend, choice.precision) == (entry["backend"], entry["precision"])
        times = ["", ""]
        if "milliseconds" in entry:
            times = [f"{entry['milliseconds']:.2f}", f"{entry['gain']:.2f}"]
        remark = "taken" if taken else entry.get("refused", "")
        rows.append([entry["stage"], entry["backend"], entry["precision"], *times, remark])
    names = map(left, ("stage", "backend", "precision"))
    print()
    for line in table([*names, right("ms"), right("gain"), left(taken="green")], rows):
        print(line)
    for reason in evidence["refused"]:
        print(f"not tried: {reason}")
    if evidence["judgement"]:
        figures = ", ".join(f"{name} {value:g}" for name, value in evidence["judgement"].items())
        print(f"\njudged on {', '.join(evidence['images'])}; the worst: {figures}")
    for name, frame in evidence["milliseconds"].items():
        before, after = frame[_REFERENCE], frame[_CHOSEN]
        ratio = f", {after / before:.2f} of it" if before else ""
        print(f"a new frame, {name}: {before:.1f} ms in fp32 on the CPU, {after:.1f} ms{ratio}")


def _names(text: str) -> frozenset[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"expected names with commas between, got {text!r}")
    return frozenset(names)


def _gain(text: str) -> float:
    try:
        gain = float(text)
    except ValueError:
        gain = 0.0
    if not 1 <= gain < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number from 1, got {text!r}")
    return gain
