"""`sam3-ros tune`: the fastest backend and precision of every stage, proved, for this machine."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam3_ros.cli.command import add_command
from sam3_ros.cli.model_options import whole_number
from sam3_ros.cli.output_file import make_way_for

if TYPE_CHECKING:
    from sam3_ros.cli.command import Commands
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.profile.profile import MachineProfile

_CHOSEN, _REFERENCE = "chosen", "fp32_on_cpu"
_LAST_DEVICE = 63  # as the node's parameter


def register(commands: Commands) -> None:
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
    parser.add_argument("bundle", help="name or folder of a bundle")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="default: in the user's cache folder"
    )
    parser.add_argument("--threads", type=whole_number, metavar="N", help="default: every core")
    parser.add_argument(
        "--device-id",
        type=_device,
        default=0,
        metavar="N",
        help="which GPU, as the node's device_id (default: %(default)s)",
    )
    parser.add_argument(
        "--least-gain",
        type=_gain,
        default=1.05,
        metavar="G",
        help="how many times faster than fp32 on the CPU it must be (default: %(default)s)",
    )
    parser.add_argument(
        "--precisions",
        type=_names,
        metavar="P,...",
        help="try these alone, such as fp32 or fp32,bf16 (default: all that are here)",
    )
    parser.add_argument(
        "--image",
        type=Path,
        action="append",
        default=[],
        help="a picture to judge by as well; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for a program to read")


def _run(options: argparse.Namespace) -> int:
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.profile.profile_yaml import as_document, write_profile
    from sam3_ros.core.tuning.tune import TuneSettings, Tuning

    bundle = Bundle.open(options.bundle)
    path = _path(options.out, bundle)
    make_way_for(path)
    settings = TuneSettings(
        options.threads, options.least_gain, options.device_id, options.precisions
    )
    profile = Tuning(bundle, settings, _tell).run(options.image)
    write_profile(path, profile)
    if options.json:
        print(json.dumps({"profile": str(path), **as_document(profile)}, indent=2))
    else:
        _print_tables(profile)
        print(f"\nwritten to {path}; to use it:\n  sam3-ros segment --profile {path} ...")
        print(f"  ros2 launch sam3_ros segmentation.launch.py machine_profile:={path} ...")
    return 0


def _path(given: Path | None, bundle: Bundle) -> Path:
    """Raises ProfileError where there is no home to put it."""
    from sam3_ros.core.errors import ProfileError
    from sam3_ros.core.profile.profile import default_profile_path

    try:
        return (given or default_profile_path(bundle)).expanduser().resolve()
    except RuntimeError as error:
        raise ProfileError(f"no folder to write to ({error}): give one with --out FILE") from error


def _tell(line: str) -> None:
    """Beside what is printed for people or programs: a full-size model takes minutes."""
    print(line, file=sys.stderr, flush=True)


def _print_tables(profile: MachineProfile) -> None:
    evidence = profile.evidence
    print(f"\n{'stage':<18}{'backend':<12}{'precision':<11}{'ms':>10}{'gain':>8}")
    for entry in evidence["candidates"]:
        choice = profile.choices[entry["stage"]]
        taken = (choice.backend, choice.precision) == (entry["backend"], entry["precision"])
        print(_row(entry, taken))
    for line in evidence["refused"]:
        print(f"not tried: {line}")
    if evidence["judgement"]:
        figures = ", ".join(f"{name} {value:g}" for name, value in evidence["judgement"].items())
        print(f"\njudged on {', '.join(evidence['images'])}; the worst: {figures}")
    for name, frame in evidence["milliseconds"].items():
        before, after = frame[_REFERENCE], frame[_CHOSEN]
        ratio = f", {after / before:.2f} of it" if before else ""
        print(f"a new frame, {name}: {before:.1f} ms in fp32 on the CPU, {after:.1f} ms{ratio}")


def _row(entry: dict[str, Any], taken: bool) -> str:
    named = f"{entry['stage']:<18}{entry['backend']:<12}{entry['precision']:<11}"
    timed = (
        f"{entry['milliseconds']:>10.2f}{entry['gain']:>8.2f}"
        if "milliseconds" in entry
        else " " * 18
    )
    remark = "  taken" if taken else f"  {entry['refused']}" if "refused" in entry else ""
    return (named + timed + remark).rstrip()


def _device(text: str) -> int:
    if not text.isdecimal() or int(text) > _LAST_DEVICE:
        raise argparse.ArgumentTypeError(f"expected 0 to {_LAST_DEVICE}, got {text!r}")
    return int(text)


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
