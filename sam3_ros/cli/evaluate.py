"""`sam3-ros evaluate`: how well a bundle answers on pictures whose objects are known."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam3_ros.cli.command import add_command, add_json_option, prepare_output, whole_number
from sam3_ros.cli.model_options import ConfiguredModel, add_model_options, configured_model
from sam3_ros.cli.needs import require
from sam3_ros.cli.out_folder import add_force_option, require_absent
from sam3_ros.cli.picture_options import add_picture_options
from sam3_ros.cli.progress import ProgressLine
from sam3_ros.cli.table import Column, left, right, table
from sam3_ros.core.visible_text import visible
from sam3_ros.core.whole_file import write_whole

if TYPE_CHECKING:
    from sam3_ros.cli.command import Commands
    from sam3_ros.evaluation.evaluation import Evaluation
    from sam3_ros.evaluation.figures import EvaluationFigures

NOTHING_ANSWERED, PICTURES_LEFT_OUT = 1, 2
_PROMPTS, _CHOICES = ("text", "point", "box"), ("bundle", "best")
_NAMES_TOLD = 5
#: Of a prompt: the columns of the table by category, by the name of the figure.
_TEXT_COLUMNS = {
    "objects": "objects",
    "answers": "answers",
    "mean_iou_of_matched": "IoU of matched",
    "recall": "recall",
    "precision": "precision",
    "absent": "absent",
    "absent_answered_with_nothing": "of it nothing",
    "AP": "AP",
}
_OBJECT_COLUMNS = {
    "objects": "objects",
    "not_answered": "no answer",
    "mean_iou": "mean IoU",
    "AP": "AP",
}


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "evaluate",
        "measure a bundle on pictures with known objects (COCO's annotation files): IoU, AP, and "
        "whether it keeps silent about what is not there",
        """
        sam3-ros evaluate my_bundle --coco instances_val2017.json --images val2017 --limit 200
        sam3-ros evaluate my_bundle --coco shelf.json --images shelf --prompt box --json
        sam3-ros evaluate mobilesam --coco shelf.json --images shelf --prompt point --clicks 3
        """,
        _run,
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="name or folder of a bundle")
    parser.add_argument(
        "--coco", type=Path, required=True, metavar="FILE", help="annotations with masks, as JSON"
    )
    parser.add_argument(
        "--images", type=Path, required=True, metavar="DIR", help="the folder of its pictures"
    )
    _add_questions(parser)
    parser.add_argument(
        "--limit", type=whole_number(1), metavar="N", help="only the first N pictures of the file"
    )
    parser.add_argument(
        "--answers", type=Path, metavar="FILE", help="write all answers, as COCO's results"
    )
    add_force_option(parser)
    add_picture_options(parser)
    add_model_options(parser, with_bundle=False)
    add_json_option(parser)


def _add_questions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--prompt",
        choices=_PROMPTS,
        default="text",
        help="ask by each category's name, or point at each object by clicks or its box (text)",
    )
    parser.add_argument(
        "--categories",
        metavar="NAMES",
        help="only these of the file, with ; between them (default: all)",
    )
    parser.add_argument(
        "--least-score",
        type=_score,
        metavar="S",
        help="with text: AP counts answers above it (0.05)",
    )
    parser.add_argument(
        "--clicks",
        type=whole_number(1, 20),
        metavar="N",
        help="with point: each after the first corrects the answer before it (1)",
    )
    parser.add_argument(
        "--mask-choice",
        choices=_CHOICES,
        help="with point and box: the mask by the bundle's rule, as in the node; or the best of "
        "three by the model's estimate, as published tables have it (bundle)",
    )
    parser.add_argument(
        "--crowds", action="store_true", help="with point and box: point at crowds too"
    )


def _run(options: argparse.Namespace) -> int:
    _refuse_unused(options)
    require("pycocotools")
    from sam3_ros.core.images.size_bound import MAX_MEGAPIXELS
    from sam3_ros.evaluation.annotations import read_annotations
    from sam3_ros.evaluation.evaluation import Evaluation
    from sam3_ros.evaluation.settings import require_capability, with_mask_choice

    if options.answers is not None:
        _refuse_own_file(options)
        require_absent(options.answers, force=options.force)
        prepare_output(options.answers)
    model, settings = configured_model(options), _settings(options)
    require_capability(model.bundle, settings.prompt)
    annotated = read_annotations(options.coco)
    if options.categories is not None:
        annotated = annotated.only([name.strip() for name in options.categories.split(";")])
    _require_folder(options.images)
    model = replace(model, bundle=with_mask_choice(model.bundle, options.mask_choice or "bundle"))
    with model.load() as segmenter:
        evaluation = Evaluation(
            segmenter,
            annotated,
            options.images,
            settings,
            options.bit_depth,
            options.max_megapixels or MAX_MEGAPIXELS,
        )
        with ProgressLine() as line:
            figures = evaluation.run(
                options.limit,
                lambda done, of: line.show(f"{done} of {of} pictures", done / of),
            )
    if options.answers is not None:
        _write_answers(options.answers, evaluation)
    _report(options, model, figures)
    if figures.pictures_left_out:
        return PICTURES_LEFT_OUT
    if evaluation.detections:
        return 0
    print("sam3-ros: nothing was answered", file=sys.stderr)
    return NOTHING_ANSWERED


def _refuse_unused(options: argparse.Namespace) -> None:
    """Raise Sam3RosError for an option that goes with another prompt."""
    from sam3_ros.core.errors import Sam3RosError

    unused = {
        "--least-score": options.least_score is not None and options.prompt != "text",
        "--clicks": options.clicks is not None and options.prompt != "point",
        "--mask-choice": options.mask_choice is not None and options.prompt == "text",
        "--crowds": options.crowds and options.prompt == "text",
    }
    for name, is_unused in unused.items():
        if is_unused:
            raise Sam3RosError(
                f"{name} does not go with --prompt {options.prompt}: leave one of them out"
            )


def _refuse_own_file(options: argparse.Namespace) -> None:
    """Raise Sam3RosError where the answers would take the annotations' place."""
    from sam3_ros.core.errors import Sam3RosError

    answers, coco = options.answers, options.coco
    if answers.exists() and coco.exists() and answers.samefile(coco):
        raise Sam3RosError(f"{answers} has the annotations: name another file")


def _settings(options: argparse.Namespace) -> Any:
    from sam3_ros.evaluation.settings import EvaluationSettings

    given = {"clicks": options.clicks, "least_score": options.least_score}
    return EvaluationSettings(
        options.prompt,
        with_crowds=options.crowds,
        **{name: value for name, value in given.items() if value is not None},
    )


def _require_folder(folder: Path) -> None:
    from sam3_ros.core.errors import AnnotationError

    if not folder.is_dir():
        raise AnnotationError(f"expected the folder of the pictures, got {folder}: no such folder")


def _score(text: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = -1.0
    if not 0 <= score < 1:
        raise argparse.ArgumentTypeError(f"expected a score from 0 to below 1, got {text!r}")
    return score


def _write_answers(path: Path, evaluation: Evaluation) -> None:
    write_whole(path, json.dumps([each.document() for each in evaluation.detections]) + "\n")


def _report(
    options: argparse.Namespace, model: ConfiguredModel, figures: EvaluationFigures
) -> None:
    for name, reason in list(figures.pictures_left_out.items())[:_NAMES_TOLD]:
        text = reason if name in reason else f"{name}: {reason}"
        print(f"sam3-ros: left out: {visible(text)}", file=sys.stderr)
    if (more := len(figures.pictures_left_out) - _NAMES_TOLD) > 0:
        print(f"sam3-ros: left out: {more} pictures more", file=sys.stderr)
    if not options.json:
        print("\n".join(_lines(options, model, figures)))
        return
    document = {
        "bundle": model.bundle.manifest.name,
        **model.document(),
        "mask_choice": options.mask_choice or "bundle",
        "clicks": options.clicks or 1,
        "least_score": figures.settings.least_score,
        **figures.document(),
    }
    print(json.dumps(document, indent=2))


def _lines(
    options: argparse.Namespace, model: ConfiguredModel, figures: EvaluationFigures
) -> Iterator[str]:
    asked = {"text": "by name", "point": f"{options.clicks or 1} click(s)", "box": "by box"}
    yield visible(
        f"{model.bundle.manifest.name}, {model.described}: {figures.pictures} pictures, "
        f"{asked[options.prompt]}, {figures.seconds:.0f} s"
    )
    yield from table([left(), right()], _cells(figures.figures), indent=2)
    yield ""
    names = _TEXT_COLUMNS if options.prompt == "text" else _OBJECT_COLUMNS
    columns: list[Column] = [left("category"), *map(right, names.values())]
    rows = [
        (row.name, *(_shown(row.figures.get(name)) for name in names))
        for row in figures.by_category
        if row.figures.get("objects") or row.figures.get("absent")
    ]
    yield from table(columns, rows)
    left_out = {
        f"annotations {reason}": count for reason, count in figures.annotations_left_out.items()
    }
    if figures.pictures_left_out:
        left_out = {"pictures (above)": len(figures.pictures_left_out), **left_out}
    if left_out:
        yield ""
        yield "left out"
        yield from table([right(), left()], [(n, what) for what, n in left_out.items()], indent=2)
    if figures.remarks:
        yield ""
        yield from (visible(f"- {remark}") for remark in figures.remarks)


def _cells(figures: Mapping[str, float | int | None]) -> Iterator[tuple[str, str]]:
    for name, figure in figures.items():
        yield name.replace("_", " "), _shown(figure)


def _shown(figure: float | int | None) -> str:
    if figure is None:
        return "-"
    return f"{figure:.4f}" if isinstance(figure, float) else str(figure)
