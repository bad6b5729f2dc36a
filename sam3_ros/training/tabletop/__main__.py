"""One command from nothing to the shipped bundle: scenes, training, export, evaluation, demo bag.

make tabletop                                  # all of it, into sam3_ros/bundles/tabletop
python -m sam3_ros.training.tabletop --help    # parts of it, elsewhere

`--steps distil` is not among them: it makes a smaller bundle from one that is there. Nor is
`begin`, which takes the place of `images`: it begins with the weights of a bundle.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.writer import record_concept, record_verification
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.training.tabletop.annotated import write_annotated_scenes
from sam3_ros.training.tabletop.begin import begin_with
from sam3_ros.training.tabletop.clip_features import encode_clips
from sam3_ros.training.tabletop.clip_tokenizer import clip_tokenizer
from sam3_ros.training.tabletop.dataset import SceneFiles, render_scenes
from sam3_ros.training.tabletop.demo_bag import write_demo_bag
from sam3_ros.training.tabletop.distil import DistilRecipe, distil
from sam3_ros.training.tabletop.evaluate import evaluate
from sam3_ros.training.tabletop.evaluate_following import evaluate_following
from sam3_ros.training.tabletop.export import END, PAD, START, concept_settings, export_bundle
from sam3_ros.training.tabletop.memory import TabletopMemory
from sam3_ros.training.tabletop.network import (
    CLICK_STAGES,
    CONCEPT_STAGES,
    CONTEXT_LENGTH,
    TabletopNetwork,
)
from sam3_ros.training.tabletop.phrases import all_words
from sam3_ros.training.tabletop.recording import record_tabletop
from sam3_ros.training.tabletop.report import write_report
from sam3_ros.training.tabletop.sequences import render_clips
from sam3_ros.training.tabletop.small_bundle import (
    manifest_sum,
    origin,
    write_page,
    write_small_bundle,
)
from sam3_ros.training.tabletop.teacher import Teacher
from sam3_ros.training.tabletop.train import CLICKED, CONCEPT, IMAGES, train
from sam3_ros.training.tabletop.train_memory import MemoryRecipe, train_memory

PACKAGE = Path(__file__).resolve().parents[2]
#: Each needs the image stages alone, so they share the cores.
BESIDE = ("concept", "clicks", "look")
STEPS = ("images", *BESIDE, "follow", "export", "evaluate", "describe", "bag")
OTHERS = ("begin", "distil", "coco")
TRAINING_SEED, CLIPS_SEED = 1000, 50_000
log = logging.getLogger("tabletop")


def main() -> None:
    """Run the chosen steps in order."""
    options = _options()
    _start_logging()
    torch.set_num_threads(options.threads)
    actions = {
        "begin": _begin,
        "images": _train_images,
        "beside": _train_beside,
        "follow": lambda options: _remember(options, until=None),
        "export": _export,
        "evaluate": _evaluate,
        "describe": _describe,
        "bag": lambda options: write_demo_bag(options.bag),
        "distil": _distil,
        "coco": lambda options: write_annotated_scenes(
            options.coco or options.work / "coco", options.unseen_scenes
        ),
    }
    chosen = {"beside" if step in BESIDE else step for step in options.steps}
    for name, action in actions.items():
        if name in chosen:
            action(options)


def _start_logging() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    for noisy in ("onnx_ir", "onnxscript"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _train_beside(options: argparse.Namespace) -> None:
    steps = [step for step in BESIDE if step in options.steps]
    _scenes(options)  # once, before two of them want them
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(len(steps), options.threads), fresh) as pool:
        list(pool.map(_run_beside, steps, [options] * len(steps)))


def _run_beside(step: str, options: argparse.Namespace) -> None:
    """Run one of the steps that share the cores, in a process of its own."""
    _start_logging()
    torch.set_num_threads(1)
    if step == "look":
        _remember(options, until=MemoryRecipe().phases[0].steps)
        return
    recipe = {"concept": CONCEPT, "clicks": CLICKED}[step]
    scenes, encode = _scenes(options), Encoder(clip_tokenizer())
    train(scenes, encode, trained_images(options.work), recipe, options.work / f"{step}.pt")


def _scenes(options: argparse.Namespace) -> SceneFiles:
    return render_scenes(options.work / "scenes", options.scenes, TRAINING_SEED)


def _train_images(options: argparse.Namespace) -> None:
    tokenizer = clip_tokenizer()
    network = TabletopNetwork(known_tokens(tokenizer))
    train(_scenes(options), Encoder(tokenizer), network, IMAGES, options.work / "images.pt")


def _begin(options: argparse.Namespace) -> None:
    """Take the weights of a bundle in place of the images' training."""
    tokenizer, bundle = clip_tokenizer(), Bundle.open(options.teacher)
    network = TabletopNetwork(known_tokens(tokenizer))
    begin_with(network, bundle, _scenes(options), Encoder(tokenizer))
    origin = {"bundle": bundle.manifest.name, "sha256": manifest_sum(bundle)}
    torch.save({"average": network.state_dict(), "begun_with": origin}, options.work / "images.pt")


def _remember(options: argparse.Namespace, until: int | None) -> None:
    """Train the stages that remember up to a step, on the image stages as they are."""
    network = trained_images(options.work) if until else trained(options.work)
    clips = render_clips(options.work / "clips", options.clips, CLIPS_SEED)
    features = encode_clips(clips, network, options.work / "clip_features")
    train_memory(clips, features, network, MemoryRecipe(), options.work / "memory.pt", until)


def _export(options: argparse.Namespace) -> None:
    network, memory = trained(options.work), trained_memory(options.work)
    bundle = export_bundle(network, memory, clip_tokenizer(), options.out, _source(options))
    record_tabletop(bundle)


def known_tokens(tokenizer: Tokenizer) -> list[int]:
    """Return the token ids that occur in phrases about the tabletop."""
    words = [*all_words(), "visual"]
    return sorted({token for word in words for token in tokenizer.encode(word).ids} | {START, END})


class Encoder:
    """Encodes a phrase for the text stage: int64 [CONTEXT_LENGTH]."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def __call__(self, text: str) -> np.ndarray:
        ids = [START, *self._tokenizer.encode(text).ids[: CONTEXT_LENGTH - 2], END]
        return np.array(ids + [PAD] * (CONTEXT_LENGTH - len(ids)), np.int64)


def trained_images(work: Path) -> TabletopNetwork:
    """Return the network as it was when the image stages were ready."""
    network = TabletopNetwork(known_tokens(clip_tokenizer()))
    network.load_state_dict(torch.load(work / "images.pt", weights_only=True)["average"])
    return network


def trained(work: Path) -> TabletopNetwork:
    """Return the network with what each training made of its stages."""
    network = trained_images(work)
    for name, stages in (("concept", CONCEPT_STAGES), ("clicks", CLICK_STAGES)):
        average = torch.load(work / f"{name}.pt", weights_only=True)["average"]
        mine = {key: value for key, value in average.items() if key.split(".")[0] in stages}
        network.load_state_dict(mine, strict=False)
    return network


def trained_memory(work: Path) -> TabletopMemory:
    """Return the stages that remember."""
    memory = TabletopMemory()
    memory.load_state_dict(torch.load(work / "memory.pt", weights_only=True)["average"])
    return memory


def _evaluate(options: argparse.Namespace) -> None:
    with Segmenter.load(options.out, threads=options.threads) as segmenter:
        figures = evaluate(segmenter, options.unseen_scenes)
        following = evaluate_following(segmenter)
    for name, value in (*figures.items(), *following.items()):
        log.info("%s: %s", name, value)
    bundle = Bundle.open(options.out)
    found = {"unseen_scenes": figures, "following": following}
    record_verification(options.out, {**bundle.manifest.verification, **found})
    write_report(options.report, figures, following)


def _distil(options: argparse.Namespace) -> None:
    """Teach a smaller fusion and decoder by a bundle, and compare the two."""
    bundle = Bundle.open(options.teacher)
    recipe = DistilRecipe(manifest_sum(bundle))
    teacher = Teacher(bundle, options.threads)
    scenes = _scenes(options)
    checkpoint = options.small.with_name(f"{options.small.name}.pt")
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    student = distil(scenes, Encoder(clip_tokenizer()), teacher, recipe, checkpoint)
    drawn = f"{options.scenes} scenes from seed {TRAINING_SEED}"
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


def _source(options: argparse.Namespace) -> dict[str, str]:
    images = torch.load(options.work / "images.pt", weights_only=True)
    begun = images.get("begun_with")
    first = f"weights of bundle {begun['bundle']}, {begun['sha256']}" if begun else str(IMAGES)
    steps = " ".join(["begin", *STEPS[1:]])
    return {
        "origin": "trained by sam3_ros.training.tabletop on scenes rendered with MuJoCo",
        "command": f'make tabletop ARGS="--steps {steps}"' if begun else "make tabletop",
        "scenes": f"{options.scenes} from seed {TRAINING_SEED}",
        "images": first,
        "concept": str(CONCEPT),
        "clicks": str(CLICKED),
        "memory": f"{options.clips} clips from seed {CLIPS_SEED}, {MemoryRecipe()}",
    }


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
    parser.add_argument("--clips", type=int, default=320)
    parser.add_argument("--unseen-scenes", type=int, default=500)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except Sam3RosError as error:
        sys.exit(f"tabletop: {error}")
