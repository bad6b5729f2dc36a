"""Prompts on the command line of `sam3-ros segment`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import chain, count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt

MOST_PROMPTS = 254


def add_prompt_options(parser: argparse.ArgumentParser) -> None:
    """Declare text, exemplars, points and boxes."""
    group = parser.add_argument_group(
        "prompts",
        "coordinates are pixels from the top left corner",
    )
    group.add_argument(
        "--text",
        action="append",
        default=[],
        metavar="WORDS",
        help="find every instance of this, with ';' between several; repeatable",
    )
    group.add_argument(
        "--exemplar",
        action="append",
        default=[],
        type=_numbers,
        metavar="X0,Y0,X1,Y1",
        help="a box around one object like those to find, with or without text; repeatable",
    )
    group.add_argument(
        "--point",
        action="append",
        default=[],
        type=_numbers,
        metavar="X,Y",
        help="a point on the one object meant; repeatable",
    )
    group.add_argument(
        "--negative-point",
        action="append",
        default=[],
        type=_numbers,
        metavar="X,Y",
        help="a point that is not on it; repeatable",
    )
    group.add_argument(
        "--box",
        action="append",
        default=[],
        type=_numbers,
        metavar="X0,Y0,X1,Y1",
        help="a box around one object, by two corners; each is a prompt of its own",
    )
    group.add_argument(
        "--together", action="store_true", help="points and the box mean the same object"
    )


def prompts_from(options: argparse.Namespace) -> list[Prompt]:
    """Return the prompts. Raises PromptError for one that is malformed, and for none at all."""
    from sam3_ros.core.errors import PromptError

    concepts = list(_concepts(options))
    taken = {prompt.id for prompt in concepts}
    prompts: list[Prompt] = [*concepts, *_interactive(options, taken)]
    if not prompts:
        raise PromptError("nothing is asked: give --text, --point or --box")
    if len(prompts) > MOST_PROMPTS:
        raise PromptError(f"at most {MOST_PROMPTS} prompts fit a label image, got {len(prompts)}")
    return prompts


def _concepts(options: argparse.Namespace) -> Iterator[ConceptPrompt]:
    from sam3_ros.core.geometry import box_of_corners
    from sam3_ros.core.segmenter.phrases import required_phrases
    from sam3_ros.core.segmenter.prompts import ConceptPrompt

    exemplars = tuple(box_of_corners(corners) for corners in options.exemplar)
    if not options.text and exemplars:
        yield ConceptPrompt(exemplars=exemplars)
    unique: dict[str, ConceptPrompt] = {}
    for phrase in chain.from_iterable(map(required_phrases, options.text)):
        prompt = ConceptPrompt(phrase, exemplars=exemplars)
        unique.setdefault(prompt.id, prompt)
    yield from unique.values()


def _interactive(options: argparse.Namespace, taken: set[str]) -> Iterator[InteractivePrompt]:
    from sam3_ros.core.errors import PromptError
    from sam3_ros.core.geometry import box_of_corners
    from sam3_ros.core.segmenter.prompts import InteractivePrompt

    points = (*options.point, *options.negative_point)
    labels = (1,) * len(options.point) + (0,) * len(options.negative_point)
    boxes = [box_of_corners(corners) for corners in options.box]
    if options.together:
        if len(boxes) != 1:
            raise PromptError(f"--together needs exactly one --box, got {len(boxes)}")
        yield InteractivePrompt(points, labels, boxes[0], _free_id("point+box", taken))
        return
    if points:
        yield InteractivePrompt(points, labels, id=_free_id("point", taken))
    for box in boxes:
        yield InteractivePrompt(box=box, id=_free_id("box", taken))


def _free_id(name: str, taken: set[str]) -> str:
    """Return the name, with a number if it is taken, and add it to the taken ones."""
    names = chain((name,), (f"{name} {number}" for number in count(2)))
    free = next(each for each in names if each not in taken)
    taken.add(free)
    return free


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"expected numbers with commas between, such as 120,80; got {text!r}"
        ) from error
