"""`sam3-ros ask`: asks the running node by words, a click or a box."""

from __future__ import annotations

import argparse
import json
import math
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from sam3_ros.cli.command import add_command, add_json_option, positive_number
from sam3_ros.cli.needs import require
from sam3_ros.cli.table import left, right, table
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.exit_codes import ExitCode
from sam3_ros.core.visible_text import visible

if TYPE_CHECKING:
    from sam3_ros.asking.question import NodeQuestion
    from sam3_ros.asking.reply import Found, Reply
    from sam3_ros.asking.standing import StandingQuestions
    from sam3_ros.cli.command import Commands
    from sam3_ros.core.geometry import Box


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "ask",
        "ask the running node what to find, and show its first answer",
        """
        sam3-ros ask "red cube"    # from now on, in place of the texts before
        sam3-ros ask "red cube; ball" --json
        sam3-ros ask --track "ball"    # beside the others; each object keeps its id
        sam3-ros ask --click 320,240
        sam3-ros ask --box 100,80,220,190
        sam3-ros ask --once "red cube"    # one image; the prompts in use stay
        sam3-ros ask --image photo.jpg "red cube"
        sam3-ros ask --list
        sam3-ros ask --remove "red cube"
        sam3-ros ask --clear
        """,
        _run,
    )
    parser.description = (
        f"{parser.description} It ends with 0 if something was found, with 1 if nothing was, and "
        "with 2 if it was refused or nobody answered."
    )
    _add_questions(parser)
    parser.add_argument("--of", default="", metavar="CAMERA", help="of several cameras this one")
    parser.add_argument("--node", metavar="NAME", help="of several nodes this one")
    parser.add_argument(
        "--no-wait", action="store_true", help="do not wait for the answer, only for the node's yes"
    )
    parser.add_argument(
        "--patience",
        type=positive_number("seconds, such as 10", 86400),
        default=10.0,
        metavar="S",
        help="seconds to wait for an answer (default: %(default)g)",
    )
    add_json_option(parser)


def _add_questions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "text", nargs="*", metavar="TEXT", help='what to find; phrases are separated by ";"'
    )
    parser.add_argument(
        "--click", type=_point, metavar="X,Y", help="a pixel on one object of the newest image"
    )
    parser.add_argument("--box", type=_box, metavar="X0,Y0,X1,Y1", help="a box around one object")
    parser.add_argument(
        "--track",
        action="store_true",
        help="give each object an id that stays from image to image; what else is asked stays",
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--list", action="store_true", help="show the prompts in use")
    action.add_argument(
        "--remove", action="append", metavar="ID", help="stop asking this prompt; repeatable"
    )
    action.add_argument("--clear", action="store_true", help="stop asking anything")
    action.add_argument(
        "--once", action="store_true", help="ask about one image, by the service ~/segment"
    )
    parser.add_argument(
        "--image", type=Path, metavar="FILE", help="with --once, which it implies: this image"
    )


def _run(options: argparse.Namespace) -> int:
    require("rclpy", "sam3_ros.msg", "sam3_ros.srv")
    from sam3_ros.asking.nodes import Asker
    from sam3_ros.asking.once import ask_once, image_of
    from sam3_ros.asking.standing import StandingQuestions
    from sam3_ros.topics.listening import topic_node

    question = _question(options)
    image = None if options.image is None else image_of(options.image)
    with ExitStack() as stack:
        asker = Asker(*stack.enter_context(topic_node()))
        stack.callback(asker.close)
        node = asker.node_to_ask(options.node)
        if options.once or image is not None:
            return _report(ask_once(asker, node, question, image, options.patience), options)
        standing = StandingQuestions(asker, node, options.patience)
        if options.list:
            return _list(standing, options.json)
        if options.clear:
            return _report(standing.clear(), options)
        if options.remove:
            return _report(standing.remove(options.remove, options.of), options)
        return _report(standing.ask(question, not options.no_wait), options)


def _question(options: argparse.Namespace) -> NodeQuestion:
    """Return what is asked. Raises Sam3RosError if nothing is, or two things at once are."""
    from sam3_ros.asking.question import NodeQuestion

    text = "; ".join(options.text) if options.text else None
    question = NodeQuestion(text, options.click, options.box, options.of, options.track)
    if options.track and (options.once or options.image is not None):
        raise Sam3RosError("--track follows from image to image, --once and --image ask about one")
    others = options.list or options.clear or options.remove
    if others and (not question.is_empty or options.image is not None):
        raise Sam3RosError("--list, --remove and --clear ask nothing: leave the question away")
    if question.is_empty and not others:
        raise Sam3RosError('nothing is asked: give a text such as "red cube", --click or --box')
    return question


def _report(reply: Reply, options: argparse.Namespace) -> int:
    """Print the outcome and return the exit code."""
    for text in reply.warnings:
        print(f"warning: {visible(text)}", file=sys.stderr)
    if options.json:
        print(json.dumps(reply.document(), indent=2))
    if reply.refusals:
        raise Sam3RosError("; ".join(reply.refusals))
    is_answered = reply.image is not None
    if not options.json:
        if not is_answered:
            print(f"{reply.node}: done")
        elif not reply.found:
            print("nothing found")
        rows = [
            (
                _name(each),
                f"{each.score:.3f}",
                "box " + ", ".join(f"{corner:.1f}" for corner in each.box),
            )
            for each in reply.found
        ]
        for line in table((left(), right(), left()), rows):
            print(line)
    return ExitCode.UNSATISFIED if is_answered and not reply.found else ExitCode.OK


def _name(found: Found) -> str:
    name = found.label or found.prompt_id
    return f"{name} #{found.track_id}" if found.track_id else name


def _list(standing: StandingQuestions, for_program: bool) -> int:
    prompts = standing.in_use()
    rows = [
        (
            each.prompt.id,
            each.prompt.text or "points and box",
            each.prompt.camera or "every camera",
            each.label_value,
            each.prompt.tracking,
            each.source,
        )
        for each in prompts
    ]
    names = ("id", "text", "camera", "value", "tracking", "source")
    if for_program:
        print(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=2))
        return 0
    columns = (
        *(left("id"), left("asked"), left("camera"), right("value")),
        *(left("tracked"), left("from")),
    )
    in_words = [(*row[:4], "yes" if row[4] else "no", row[5]) for row in rows]
    for line in table(columns, in_words):
        print(line)
    return 0


def _numbers(text: str, count: int, form: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise argparse.ArgumentTypeError(f"expected {form} in pixels, got {text!r}")
    return numbers


def _point(text: str) -> tuple[float, float]:
    x, y = _numbers(text, 2, "X,Y")
    return x, y


def _box(text: str) -> Box:
    from sam3_ros.core.errors import PromptError
    from sam3_ros.core.geometry import box_of_corners

    try:
        return box_of_corners(_numbers(text, 4, "X0,Y0,X1,Y1"))
    except (PromptError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error
