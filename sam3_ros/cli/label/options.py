"""The options of `sam3-ros label`, and what they mean."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sam3_ros.cli.command import positive_number, whole_number
from sam3_ros.cli.model_options import add_model_options
from sam3_ros.cli.picture_options import add_picture_options

if TYPE_CHECKING:
    from sam3_ros.label.inputs.selection import Selection
    from sam3_ros.label.job import LabelPrompt

FORMATS = ("mcap", "coco", "parquet", "review")
_CHUNK_FRAMES, _SPAN_FRAMES = 32, 1000
_MOST_RATE = 1_000_000
#: In place of an address: a cluster of its own.
OWN_CLUSTER = ""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare all options."""
    parser.add_argument(
        "bags",
        nargs="*",
        metavar="BAG",
        help="a bag, a video, a picture, a pattern, or a folder with any of these at any depth",
    )
    parser.add_argument(
        "--list",
        type=Path,
        action="append",
        default=[],
        dest="lists",
        metavar="FILE",
        help="a file that names one in each line; '-' for standard input; repeatable",
    )
    _add_prompt_options(parser)
    _add_selection_options(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("labels"),
        metavar="DIR",
        help="folder for what is written; the same one goes on where it was (default: %(default)s)",
    )
    parser.add_argument(
        "--formats",
        type=_formats,
        default=FORMATS,
        metavar="NAME,...",
        help=f"of {', '.join(FORMATS)} (default: all)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="an error where nothing was begun in the folder; without it, that is begun too",
    )
    _add_engine_options(parser)
    add_picture_options(parser)
    add_model_options(parser, threads="1 for each worker")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def _add_prompt_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("prompts")
    group.add_argument(
        "--text",
        action="append",
        default=[],
        metavar="WORDS",
        help="find every instance of this, with ';' between several; repeatable",
    )
    group.add_argument(
        "--prompts", type=Path, metavar="FILE", help="a YAML list of texts, or of text and label"
    )
    group.add_argument(
        "--score-threshold",
        type=_score,
        metavar="S",
        help="for prompts that have none of their own (default: the bundle's)",
    )


def _add_selection_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("which images")
    group.add_argument(
        "--topic",
        action="append",
        default=[],
        metavar="TOPIC",
        help="label this topic of a bag; repeatable (default: every topic with images)",
    )
    which = group.add_mutually_exclusive_group()
    which.add_argument(
        "--every", type=whole_number(1), default=1, metavar="N", help="every N-th image alone"
    )
    which.add_argument(
        "--rate",
        type=positive_number(f"a number of images a second above 0, to {_MOST_RATE:,}", _MOST_RATE),
        metavar="HZ",
        help="at most so many images a second of the recording",
    )
    group.add_argument(
        "--track",
        action="store_true",
        help="follow objects, under ids that are theirs within a bag and camera",
    )
    group.add_argument(
        "--chunk-frames",
        type=whole_number(1),
        metavar="N",
        help="images that a worker takes at a time, and that it costs to kill it (default: "
        f"{_CHUNK_FRAMES}); with --track of a track span (default: {_SPAN_FRAMES})",
    )


def _add_engine_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("workers")
    group.add_argument(
        "--workers",
        type=whole_number(1),
        metavar="N",
        help="processes, each with a model (default: one a core, or one a GPU); with --ray at most "
        "so many (default: as many as the cluster has room for)",
    )
    group.add_argument(
        "--ray",
        nargs="?",
        const=OWN_CLUSTER,
        metavar="ADDRESS",
        help="run on a Ray cluster; without an address on one of its own, on this machine",
    )


def inputs_of(options: argparse.Namespace) -> list[str]:
    """Return what is to be labelled. Raises PromptError for nothing, OSError for a list."""
    from sam3_ros.core.errors import Sam3RosError

    names = list(options.bags)
    for file in options.lists:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        # Names of files are bytes, which need not be text.
        lines = (line.strip() for line in os.fsdecode(data).split("\n"))
        names += [line for line in lines if line and not line.startswith("#")]
    if not names:
        raise Sam3RosError("nothing to label: name a bag, a video or a folder, or give --list FILE")
    return names


def prompts_of(options: argparse.Namespace) -> tuple[LabelPrompt, ...]:
    """Return the prompts. Raises PromptError for none, and for one that is malformed."""
    from dataclasses import replace

    from sam3_ros.core.errors import PromptError
    from sam3_ros.core.segmenter.phrases import required_phrases
    from sam3_ros.label.job import LabelPrompt
    from sam3_ros.label.prompt_file import read_prompt_list

    prompts = [LabelPrompt(phrase) for text in options.text for phrase in required_phrases(text)]
    if options.prompts is not None:
        prompts += read_prompt_list(options.prompts)
    prompts = list(dict.fromkeys(prompts))
    if not prompts:
        raise PromptError("nothing is asked: give --text or --prompts")
    ids = [prompt.id for prompt in prompts]
    twice = next((each for each in ids if ids.count(each) > 1), None)
    if twice is not None:
        raise PromptError(f"two prompts have the id {twice!r}: give one of them another")
    threshold = options.score_threshold
    return tuple(
        replace(each, score_threshold=threshold) if each.score_threshold is None else each
        for each in prompts
    )


def selection_of(options: argparse.Namespace) -> Selection:
    """Return which images are labelled, and how they are cut into chunks."""
    from sam3_ros.label.inputs.selection import Selection

    frames = options.chunk_frames or (_SPAN_FRAMES if options.track else _CHUNK_FRAMES)
    topics = tuple(sorted(set(options.topic)))
    return Selection(topics, options.every, options.rate, frames, options.track)


def _formats(text: str) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(
            f"expected some of {', '.join(FORMATS)} with commas between, got {text!r}"
        )
    return tuple(name for name in FORMATS if name in names)


def _score(text: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = -1.0
    if not 0 <= score <= 1:
        raise argparse.ArgumentTypeError(f"expected a score from 0 to 1, got {text!r}")
    return score
