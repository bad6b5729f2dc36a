"""One command from nothing to the shipped bundle: scenes, training, export, evaluation, demo bag.

make tabletop                                  # all of it, into sam3_ros/bundles/tabletop
python -m sam3_ros.training.tabletop --help    # parts of it, elsewhere

`--steps distil` is not among them: it makes a smaller bundle from one that is there. Nor is
`begin`, which takes the place of `images`: it begins with the weights of a bundle.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

import torch

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.writer import record_concept, record_verification
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.training.tabletop.annotated import write_annotated_scenes
from sam3_ros.training.tabletop.clip_tokenizer import clip_tokenizer
from sam3_ros.training.tabletop.demo_bag import write_demo_bag
from sam3_ros.training.tabletop.distil import DistilRecipe, distil
from sam3_ros.training.tabletop.encoder import Encoder
from sam3_ros.training.tabletop.evaluate import evaluate
from sam3_ros.training.tabletop.evaluations import evaluate_all
from sam3_ros.training.tabletop.export import concept_settings, export_bundle
from sam3_ros.training.tabletop.recording import record_tabletop
from sam3_ros.training.tabletop.report import write_report
from sam3_ros.training.tabletop.small_bundle import (
    manifest_sum,
    origin,
    write_page,
    write_small_bundle,
)
from sam3_ros.training.tabletop.teacher import Teacher
from sam3_ros.training.tabletop.trainings import (
    BESIDE,
    SCENES_SEED,
    Workplace,
    begin,
    correct,
    remember,
    start_logging,
    train_beside,
    train_images,
)

PACKAGE = Path(__file__).resolve().parents[2]
STEPS = ("images", *BESIDE, "follow", "correct", "export", "evaluate", "describe", "bag")
OTHERS = ("begin", "distil", "coco")
log = logging.getLogger("tabletop")


def main() -> None:
    """Run the chosen steps in order."""
    options = _options()
    start_logging()
    torch.set_num_threads(options.threads)
    place = Workplace(options.work, options.scenes, options.clips)
    beside = [step for step in BESIDE if step in options.steps]
    actions = {
        "begin": lambda: begin(place, Bundle.open(options.teacher)),
        "images": lambda: train_images(place, options.threads),
        "beside": lambda: train_beside(place, beside, options.threads),
        "follow": lambda: remember(place, place.network()),
        "correct": lambda: correct(place),
        "export": lambda: _export(place, options),
        "evaluate": lambda: _evaluate(options),
        "describe": lambda: _describe(options),
        "bag": lambda: write_demo_bag(options.bag),
        "distil": lambda: _distil(place, options),
        "coco": lambda: write_annotated_scenes(
            options.coco or options.work / "coco", options.unseen_scenes
        ),
    }
    chosen = {"beside" if step in BESIDE else step for step in options.steps}
    for name, action in actions.items():
        if name in chosen:
            action()


def _export(place: Workplace, options: argparse.Namespace) -> None:
    sources = place.sources()
    first = "begin" if sources["images"].startswith("of bundle") else "images"
    steps = " ".join([first, *STEPS[1:]])
    source = {
        "origin": "trained by sam3_ros.training.tabletop on scenes rendered with MuJoCo",
        "command": f'make tabletop ARGS="--steps {steps}"',
        **sources,
    }
    parts = place.network(), place.memory(), place.corrections()
    record_tabletop(export_bundle(*parts, clip_tokenizer(), options.out, source))


def _evaluate(options: argparse.Namespace) -> None:
    figures, following = evaluate_all(options.out, options.unseen_scenes, options.threads)
    for name, value in (*figures.items(), *following.items()):
        log.info("%s: %s", name, value)
    bundle = Bundle.open(options.out)
    found = {"unseen_scenes": figures, "following": following}
    record_verification(options.out, {**bundle.manifest.verification, **found})
    write_report(options.report, figures, following)


def _distil(place: Workplace, options: argparse.Namespace) -> None:
    """Teach a smaller fusion and decoder by a bundle, and compare the two."""
    bundle = Bundle.open(options.teacher)
    recipe = DistilRecipe(manifest_sum(bundle))
    teacher = Teacher(bundle, options.threads)
    checkpoint = options.small.with_name(f"{options.small.name}.pt")
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    student = distil(place.rendered(), Encoder(clip_tokenizer()), teacher, recipe, checkpoint)
    drawn = f"{place.scenes} scenes from seed {SCENES_SEED}"
    small = write_small_bundle(bundle, student, options.small, origin(bundle, recipe, drawn))
    figures = {}
    for each in (bundle, small):
        with Segmenter.load(each, threads=options.threads) as segmenter:
            figures[each.manifest.name] = evaluate(segmenter, options.unseen_scenes)
    found = {"unseen_scenes": figures[small.manifest.name]}
    small = record_verification(small.path, {**small.manifest.verification, **found})
    page = options.small.with_name(f"{options.small.name}.md")
    write_page(page, bundle, small, figures)
    log.info("%s: %s, and %s", small.manifest.name, small.path, page)


def _describe(options: argparse.Namespace) -> None:
    """Write the vocabulary as it is now; an export writes it too."""
    concept = Bundle.open(options.out).manifest.concept
    assert concept is not None
    record_concept(options.out, concept_settings(concept.tokenizer.file))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sam3_ros.training.tabletop")
    parser.add_argument("--steps", nargs="+", choices=(*STEPS, *OTHERS), default=STEPS)
    parser.add_argument("--work", type=Path, default=Path(".tabletop"), help="scenes, weights")
    parser.add_argument("--out", type=Path, default=PACKAGE / "bundles" / "tabletop")
    parser.add_argument("--coco", type=Path, help="of step coco (default: coco in --work)")
    parser.add_argument(
        "--teacher", default="tabletop", help="bundle to begin with, or to distil from"
    )
    small = Path(".tabletop") / "small"
    parser.add_argument("--small", type=Path, default=small, help="bundle to distil into")
    parser.add_argument("--bag", type=Path, default=PACKAGE / "demo_data" / "tabletop_bag")
    parser.add_argument("--report", type=Path, default=PACKAGE.parent / "docs" / "tabletop.md")
    parser.add_argument("--scenes", type=int, default=9000)
    parser.add_argument("--clips", type=int, default=480)
    parser.add_argument("--unseen-scenes", type=int, default=500)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except Sam3RosError as error:
        sys.exit(f"tabletop: {error}")
