"""`sam3-ros verify --against`: what a bundle loses and saves beside another."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from sam3_ros.cli.command import positive_number, whole_number
from sam3_ros.cli.progress import print_step
from sam3_ros.cli.verify.against_tables import TOGETHER, against_tables
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.exit_codes import ExitCode

if TYPE_CHECKING:
    from sam3_ros.bench.baselines.paired import Ratios
    from sam3_ros.bench.setup import Setup
    from sam3_ros.bench.side_by_side.loss import QuestionLoss
    from sam3_ros.bench.side_by_side.pictures import AskedPicture
    from sam3_ros.core.bundle.bundle import Bundle

#: Most turns of a scenario, and the seconds after which no more begin than three.
_TURNS, _SECONDS = 30, 3.0


def add_against_options(parser: argparse.ArgumentParser) -> None:
    """Declare the other bundle, what both are asked, and the limit."""
    group = parser.add_argument_group(
        "beside another bundle", "what is lost and saved; only with --against"
    )
    group.add_argument(
        "--against", metavar="BUNDLE", help="name or folder of the bundle to compare with"
    )
    group.add_argument(
        "--images",
        action="append",
        metavar="IMAGE",
        help="pictures to ask of: a file, a folder or a pattern; repeatable (default: the shipped "
        "picture)",
    )
    group.add_argument(
        "--text",
        action="append",
        metavar="WORDS",
        help="what to ask for, with ';' between several; repeatable (default: objects of the "
        "shipped picture)",
    )
    group.add_argument(
        "--score-threshold",
        type=positive_number("a score above 0, at most 1", 1),
        metavar="S",
        help="for the texts of both (default: each bundle's own)",
    )
    group.add_argument(
        "--least-iou",
        type=positive_number("a number above 0, at most 1", 1),
        metavar="IOU",
        help="fail where texts, clicks or boxes have a lower mean IoU, missed and extra objects "
        "counted as 0",
    )
    group.add_argument(
        "--precision", metavar="P", help="of BUNDLE: which of its files, or bf16 (default: fp32)"
    )
    group.add_argument(
        "--against-precision", metavar="P", help="of the other bundle (default: fp32)"
    )
    group.add_argument("--backend", metavar="B", help="what runs both (default: cpu)")
    group.add_argument("--threads", type=whole_number(1), metavar="N", help="default: every core")


_ONLY_HERE = (
    *("images", "text", "score_threshold", "least_iou"),
    *("precision", "against_precision", "backend", "threads"),
)
_NOT_HERE = ("checkpoint", "rebuild", "reference", "record", "report", "image")


def refuse_mixed_options(options: argparse.Namespace) -> None:
    """Raise Sam3RosError for options of another comparison than the one that is asked for."""
    given = options.against is not None
    for name in _NOT_HERE if given else _ONLY_HERE:
        if getattr(options, name):
            option = "--" + name.replace("_", "-")
            instead = "; give --images" if name == "image" else ""
            raise Sam3RosError(
                f"{option} does not go with --against{instead}"
                if given
                else f"{option} goes with --against BUNDLE"
            )


def verify_against(options: argparse.Namespace) -> int:
    """Compare as the options say, and print. Raises as opening and asking bundles does."""
    from sam3_ros.bench.side_by_side.saving import bytes_of_files

    ours, theirs = _setups(options)
    pair = _opened(ours, theirs)
    pictures = _pictures(options, "concept" in pair.common)
    found = _found(ours, theirs, pictures, options.score_threshold)
    document = {
        "bundle": pair.ours.manifest.name,
        "plan": ours.plan.described(pair.ours.manifest.stages_in_use),
        "against": pair.theirs.manifest.name,
        "against_plan": theirs.plan.described(pair.theirs.manifest.stages_in_use),
        "threads": options.threads,
        "least_iou": options.least_iou,
        **_losses(found.questions, options.least_iou),
        "left_out": pair.left_out,
        "times": [each.as_dict() for each in found.times],
        "bytes": {
            "bundle": bytes_of_files(pair.ours, ours.plan),
            "against": bytes_of_files(pair.theirs, theirs.plan),
        },
    }
    print(json.dumps(document, indent=2) if options.json else against_tables(document))
    return ExitCode.OK if document["passed"] else ExitCode.UNSATISFIED


def _setups(options: argparse.Namespace) -> tuple[Setup, Setup]:
    from sam3_ros.bench.setup import Setup
    from sam3_ros.core.stages.plan import StageChoice

    backend = options.backend or "cpu"
    ours = StageChoice(backend, options.precision or "fp32")
    theirs = StageChoice(backend, options.against_precision or "fp32")
    return (
        Setup(options.bundle, ours, threads=options.threads),
        Setup(options.against, theirs, threads=options.threads),
    )


@dataclass(frozen=True, eq=False)
class _Pair:
    """The two bundles, and what both can be asked."""

    ours: Bundle
    theirs: Bundle
    #: Capabilities of both.
    common: frozenset[str]

    @property
    def left_out(self) -> list[str]:
        """What only one of them takes, a sentence each."""
        sides = ((self.ours, self.theirs), (self.theirs, self.ours))
        return [
            f"{_PROMPTS[each]} are not compared: bundle {other.manifest.name!r} takes none"
            for one, other in sides
            for each in one.capabilities
            if each in _PROMPTS and each not in other.capabilities
        ]


#: What a capability is asked by, for people.
_PROMPTS = {"concept": "texts", "interactive": "clicks and boxes"}


def _opened(ours: Setup, theirs: Setup) -> _Pair:
    """Open both bundles and read all of their files but the graphs.

    Raises Sam3RosError where there is no prompt that both can answer.
    """
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.precision.other_files import check_other_files

    one, other = Bundle.open(ours.bundle), Bundle.open(theirs.bundle)
    pair = _Pair(one, other, frozenset({*one.capabilities} & {*other.capabilities} & {*_PROMPTS}))
    if not pair.common:
        takes = [f"{each.manifest.name!r} takes {_taken(each)}" for each in (one, other)]
        raise Sam3RosError(f"two bundles that take the same prompts are needed; {'; '.join(takes)}")
    check_other_files(one)
    check_other_files(other)
    return pair


def _pictures(options: argparse.Namespace, takes_texts: bool) -> Iterator[AskedPicture]:
    """Return what to ask of; files are read one at a time, later.

    Raises Sam3RosError for files that are not there, for texts where a bundle takes none, and for
    none where they are needed.
    """
    from sam3_ros.bench.side_by_side.pictures import pictures_of, shipped_pictures
    from sam3_ros.cli.segment.inputs import find_inputs
    from sam3_ros.core.segmenter.phrases import required_phrases

    texts = [phrase for text in options.text or () for phrase in required_phrases(text)]
    if texts and not takes_texts:
        raise Sam3RosError("--text: one of the two bundles takes no texts; leave it out")
    if not options.images:
        return iter(shipped_pictures(texts))
    if takes_texts and not texts:
        raise Sam3RosError("--images goes with --text WORDS: what to ask for in these pictures")
    inputs = find_inputs(options.images)
    for _, reason in inputs.refused:
        raise Sam3RosError(reason)
    for remark in inputs.remarks:
        print_step(f"sam3-ros: warning: {remark}")
    return pictures_of(inputs.images, texts)


@dataclass(frozen=True, eq=False)
class _Found:
    """What the two bundles answered, and how long they took."""

    questions: Sequence[QuestionLoss]
    times: Sequence[Ratios]


def _found(
    ours: Setup, theirs: Setup, pictures: Iterator[AskedPicture], score_threshold: float | None
) -> _Found:
    from sam3_ros.bench.measurement import Budget
    from sam3_ros.bench.scenarios import Workload
    from sam3_ros.bench.side_by_side.loss import losses
    from sam3_ros.bench.side_by_side.saving import times_in_turns

    first = next(pictures)
    with ours.load() as one, theirs.load() as other:
        questions: list[QuestionLoss] = []
        for picture in chain((first,), pictures):
            print_step(f"asking both of {picture.name}")
            questions += losses(one, other, picture, score_threshold)
        print_step("timing both in turns")
        text = first.texts[0] if first.texts else ""
        workload = Workload(first.rgb, text, prompts=1, cameras=1)
        warm_ups = max(ours.least_warm_ups, theirs.least_warm_ups)
        budget = Budget(_TURNS, _SECONDS, least_warm_ups=warm_ups)
        return _Found(questions, times_in_turns(one, other, workload, budget))


def _losses(questions: Sequence[QuestionLoss], least_iou: float | None) -> dict[str, Any]:
    """Return the figures by kind and of all, whether each reaches the limit, and the questions."""
    from sam3_ros.bench.side_by_side.loss import KINDS, Loss

    of_kind = {kind: [each for each in questions if each.kind == kind] for kind in KINDS}
    found = {kind: Loss.of(each) for kind, each in of_kind.items() if each}
    loss = {kind: each.as_dict() for kind, each in {**found, TOGETHER: Loss.of(questions)}.items()}
    held = {k: least_iou is None or each.holds(least_iou) for k, each in found.items()}
    return {
        "passed": all(held.values()),
        "below_the_limit": [kind for kind, holds in held.items() if not holds],
        "loss": loss,
        "questions": [each.as_dict() for each in questions],
    }


def _taken(bundle: Bundle) -> str:
    asked = [_PROMPTS[each] for each in bundle.capabilities if each in _PROMPTS]
    return ", ".join(asked) or "neither texts nor clicks"
