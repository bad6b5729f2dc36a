"""The judging part of `sam3-ros replay`: --expect, --update and --against."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sam3_ros.cli.command import whole_number
from sam3_ros.cli.node_options import node_parameters, require_parameters
from sam3_ros.cli.replay.outcome import NODE_FAILED, print_remarks, print_result, run_watched
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.exit_codes import ExitCode

if TYPE_CHECKING:
    from sam3_ros.replay.ask.settings import NodeSettings, ReplaySettings
    from sam3_ros.replay.golden.expectation import Expectation, Judging
    from sam3_ros.replay.golden.run import JudgedReplay, Update
    from sam3_ros.replay.report.report import ReplayReport

WRONG = ExitCode.UNSATISFIED
_WORST = 5
_PARAMS_FILE = "params_file"
#: Options that go with --expect; how the bag is played is in its file.
_BESIDE_EXPECT = frozenset(
    {
        *(
            "bag",
            "expect",
            "update",
            "update_from",
            "against",
            "junit",
            "json",
            "worst",
            "out",
            "force",
            "run",
        ),
        *("no_node", "node", "patience", "params_file", "player", "default_of", "whole_parser"),
        *("bundle", "backend", "precision", "threads", "param"),
    }
)


def add_judging_options(parser: argparse.ArgumentParser) -> None:
    """Declare what a replay is compared with, and what is written of it."""
    group = parser.add_argument_group("judging")
    group.add_argument(
        "--expect", type=Path, metavar="FILE", help="a YAML file: what to play, and golden frames"
    )
    group.add_argument("--update", action="store_true", help="write new golden frames instead")
    group.add_argument(
        "--update-from",
        type=Path,
        metavar="LABELS",
        help="write golden frames of a bag of labels, which `sam3-ros label` has written",
    )
    group.add_argument(
        "--against",
        action="append",
        default=[],
        type=_change,
        metavar="NAME=VALUE",
        help="replay twice and compare: the second time with this parameter, such as "
        "precision=fp16 or bundle=PATH; may be repeated",
    )
    group.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML, for CI")
    group.add_argument(
        "--worst",
        type=whole_number(0),
        default=_WORST,
        metavar="N",
        help="pictures of the N worst frames into --out (default: %(default)s)",
    )
    parser.set_defaults(default_of=parser.get_default)


def is_judged(options: argparse.Namespace) -> bool:
    """Return whether to judge. Raises Sam3RosError for options that do not go together."""
    if sum(map(bool, (options.update, options.update_from, options.against))) > 1:
        raise Sam3RosError(
            "--update and --update-from write golden frames and --against needs none: give one"
        )
    for name in ("update", "update_from", "junit"):
        if getattr(options, name) and not (options.expect or options.against):
            raise Sam3RosError(f"--{name.replace('_', '-')} needs --expect FILE")
    return bool(options.expect or options.against)


def run_judged(options: argparse.Namespace, played: ReplaySettings) -> int:
    """Run and return the exit code: 0 if all is as expected, 1 if not, 2 if the node failed.

    played: what the other options ask for; used where there is no --expect.
    """
    from sam3_ros.replay.ask.settings import Player
    from sam3_ros.replay.golden.expectation import Judging, read_expectation

    if options.junit is not None:
        options.junit.unlink(missing_ok=True)  # an old one could be taken for this run's
    if options.expect is None:
        settings = replace(played, rate=None)
        return _compare(options, settings, Judging())
    _require_only_beside(options)
    expectation = read_expectation(options.expect)
    if played.player is Player.ROS2:
        expectation = _for_ros2_player(expectation)
    settings = _settings(expectation, options, played)
    if options.update:
        return _update(settings, expectation)
    if options.update_from is not None:
        return _update_from(options.update_from, settings, expectation)
    if options.against:
        return _compare(options, replace(settings, rate=None), expectation.judging)
    return _judge(options, settings, expectation)


def _judge(options: argparse.Namespace, settings: ReplaySettings, expectation: Expectation) -> int:
    from sam3_ros.replay.golden.frames import GoldenFrames
    from sam3_ros.replay.golden.run import judge_replay

    golden = GoldenFrames(expectation.golden)
    judged = run_watched(
        lambda progress: judge_replay(
            settings,
            golden,
            expectation.judging,
            progress,
            against=str(expectation.path),
            worst=options.worst,
        )
    )
    return _print_verdict(options, judged)


def _compare(options: argparse.Namespace, settings: ReplaySettings, judging: Judging) -> int:
    from sam3_ros.replay.golden.run import replay_against

    other = _changed(settings.node, dict(options.against))
    words = ", ".join(f"{name}={value}" for name, value in options.against)
    judged = run_watched(
        lambda progress: replay_against(
            settings,
            other,
            judging,
            progress,
            against=f"itself without {words}",
            worst=options.worst,
        )
    )
    return _print_verdict(options, judged)


def _update(settings: ReplaySettings, expectation: Expectation) -> int:
    from sam3_ros.cli.replay.tables import verdict_table
    from sam3_ros.replay.golden.run import update_golden

    update = run_watched(
        lambda progress: update_golden(settings, expectation.golden, expectation.judging, progress)
    )
    if update is None:
        return NODE_FAILED
    if update.before is not None:
        print(verdict_table(update.before))
        print()
    print_remarks(update.report)
    _print_unasked(update.report)
    print(_what_changed(update))
    return 0


def _update_from(labels: Path, settings: ReplaySettings, expectation: Expectation) -> int:
    from sam3_ros.replay.golden.from_labels import golden_from_labels

    golden = golden_from_labels(labels, settings, expectation.golden, expectation.judging)
    print(f"{len(golden.keys)} golden frames in {golden.folder}, of {labels}")
    return 0


def _what_changed(update: Update) -> str:
    prompts = () if update.before is None else update.before.prompts
    ious = [prompt.least_iou for prompt in prompts if prompt.least_iou is not None]
    worst = f", worst IoU against the old {min(ious):.3f}" if ious else ""
    return (
        f"{update.frames} golden frames in {update.folder}: {update.added} new, "
        f"{update.removed} gone{worst}"
    )


def _print_verdict(options: argparse.Namespace, judged: JudgedReplay | None) -> int:
    from sam3_ros.cli.replay.tables import verdict_table
    from sam3_ros.replay.golden.verdicts import write_junit

    if judged is None:
        return NODE_FAILED
    verdict = judged.verdict
    document = {**verdict.document(), "replay": judged.report.document()}
    print_result(verdict_table(verdict), document, options.json)
    print_remarks(judged.report)
    _print_unasked(judged.report)
    if options.junit is not None:
        write_junit(verdict, options.junit)
    if not verdict.passed and options.out is None:
        print("sam3-ros: --out DIR leaves pictures of the worst frames", file=sys.stderr)
    return 0 if verdict.passed else WRONG


def _print_unasked(report: ReplayReport) -> None:
    """Print which prompts were not asked: golden frames do not show why a mask is empty."""
    from sam3_ros.cli.replay.tables import unasked_prompts

    for line in unasked_prompts(report):
        print(f"sam3-ros: {line}", file=sys.stderr)


def _settings(
    expectation: Expectation, options: argparse.Namespace, played: ReplaySettings
) -> ReplaySettings:
    from sam3_ros.replay.ask.settings import BESIDE_IMAGES, CameraSource, ReplaySettings

    play = expectation.play
    topics: dict[str, str | None] = dict(play.cameras) or {"": None}
    depths = dict.fromkeys(topics, BESIDE_IMAGES) if play.depth == {} else play.depth or {}
    cameras = tuple(CameraSource(n, topic, depth=depths.get(n)) for n, topic in topics.items())
    node = replace(
        played.node,
        parameters=(*play.parameters, *node_parameters(options)),
        params_file=options.params_file or play.params_file,
    )
    return ReplaySettings(
        bag=options.bag,
        cues=play.cues,
        rate=play.rate,
        loops=play.loops,
        cameras=cameras,
        clock=play.clock,
        repeat_stamps=play.repeat_stamps,
        only_every=play.only_every,
        player=played.player,
        node=node,
        out=options.out,
        force=options.force,
    )


def _for_ros2_player(expectation: Expectation) -> Expectation:
    """Judge the same images, although `ros2 bag play` sends every image, at its recorded time."""
    play, judging = expectation.play, expectation.judging
    return replace(
        expectation,
        play=replace(play, rate=play.rate or 1.0, only_every=1),
        judging=replace(judging, every=judging.every * play.only_every),
    )


def _require_only_beside(options: argparse.Namespace) -> None:
    for name, value in vars(options).items():
        if name not in _BESIDE_EXPECT and value != options.default_of(name):
            raise Sam3RosError(
                f"--{name.replace('_', '-')} does not go with --expect: the file says what is "
                "played, so that one file is one test"
            )


def _changed(node: NodeSettings, changes: dict[str, str]) -> NodeSettings:
    """Return the node of the second replay. Raises Sam3RosError for an unknown parameter."""
    require_parameters("--against", changes, (_PARAMS_FILE,))
    parameters = {**dict(node.parameters), **changes}
    file = node.params_file
    if _PARAMS_FILE in parameters:
        given = parameters.pop(_PARAMS_FILE)
        file = Path(given) if given else None
    return replace(node, parameters=tuple(parameters.items()), params_file=file)


def _change(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    name = name.strip().removesuffix(":")  # as -p has it
    if not (separator and name):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name, value
