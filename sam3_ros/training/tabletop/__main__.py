"""One command from nothing to the shipped bundle: scenes, training, export, evaluation, demo bag.

make tabletop                                  # all of it, into sam3_ros/bundles/tabletop
python -m sam3_ros.training.tabletop --help    # parts of it, elsewhere

`--steps distil` is not among them: it makes a smaller bundle from one that is there.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.writer import record_concept, record_verification
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.training.tabletop.annotated import write_annotated_scenes
from sam3_ros.training.tabletop.clip_features import encode_clips
from sam3_ros.training.tabletop.clip_tokenizer import clip_tokenizer
from sam3_ros.training.tabletop.dataset import render_scenes
from sam3_ros.training.tabletop.demo_bag import write_demo_bag
from sam3_ros.training.tabletop.distil import DistilRecipe, distil
from sam3_ros.training.tabletop.evaluate import evaluate
from sam3_ros.training.tabletop.evaluate_following import evaluate_following
from sam3_ros.training.tabletop.export import END, PAD, START, concept_settings, export_bundle
from sam3_ros.training.tabletop.memory import TabletopMemory
from sam3_ros.training.tabletop.network import CONTEXT_LENGTH, TabletopNetwork
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
from sam3_ros.training.tabletop.train import Recipe, train
from sam3_ros.training.tabletop.train_memory import MemoryRecipe, train_memory

PACKAGE = Path(__file__).resolve().parents[2]
STEPS = ("train", "remember", "export", "evaluate", "describe", "bag")
TRAINING_SEED, CLIPS_SEED = 1000, 50_000
log = logging.getLogger("tabletop")


def main() -> None:
    """Run the chosen steps in order."""
    options = _options()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    for noisy in ("onnx_ir", "onnxscript"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    torch.set_num_threads(options.threads)
    tokenizer = clip_tokenizer()
    known = known_tokens(tokenizer)
    checkpoint = options.work / "checkpoint.pt"
    memory_checkpoint = options.work / "memory.pt"
    if "train" in options.steps:
        scenes = render_scenes(options.work / "scenes", options.scenes, TRAINING_SEED)
        train(scenes, Encoder(tokenizer), known, Recipe(), checkpoint)
    if "remember" in options.steps:
        network = trained(checkpoint, known)
        clips = render_clips(options.work / "clips", options.clips, CLIPS_SEED)
        features = encode_clips(clips, network, options.work / "clip_features")
        train_memory(clips, features, network, MemoryRecipe(), memory_checkpoint)
    if "export" in options.steps:
        network, memory = trained(checkpoint, known), trained_memory(memory_checkpoint)
        bundle = export_bundle(network, memory, tokenizer, options.out, _source(options))
        record_tabletop(bundle)
    if "evaluate" in options.steps:
        _evaluate(options)
    if "describe" in options.steps:
        _describe(options)
    if "bag" in options.steps:
        write_demo_bag(options.bag)
    if "distil" in options.steps:
        _distil(options, Encoder(tokenizer))
    if "coco" in options.steps:
        write_annotated_scenes(options.coco or options.work / "coco", options.unseen_scenes)


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


def trained(checkpoint: Path, known: list[int]) -> TabletopNetwork:
    """Return the network with the averaged weights of a checkpoint."""
    network = TabletopNetwork(known)
    network.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
    return network


def trained_memory(checkpoint: Path) -> TabletopMemory:
    """Return the stages that remember with the averaged weights of a checkpoint."""
    memory = TabletopMemory()
    memory.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
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


def _distil(options: argparse.Namespace, encode: Encoder) -> None:
    """Teach a smaller fusion and decoder by a bundle, and compare the two."""
    bundle = Bundle.open(options.teacher)
    recipe = DistilRecipe(manifest_sum(bundle))
    teacher = Teacher(bundle, options.threads)
    scenes = render_scenes(options.work / "scenes", options.scenes, TRAINING_SEED)
    checkpoint = options.small.with_name(f"{options.small.name}.pt")
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    student = distil(scenes, encode, teacher, recipe, checkpoint)
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
    return {
        "origin": "trained by sam3_ros.training.tabletop on scenes rendered with MuJoCo",
        "command": "make tabletop",
        "recipe": f"{options.scenes} scenes from seed {TRAINING_SEED}, {Recipe()}",
        "memory_recipe": f"{options.clips} clips from seed {CLIPS_SEED}, {MemoryRecipe()}",
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sam3_ros.training.tabletop")
    parser.add_argument("--steps", nargs="+", choices=(*STEPS, "distil", "coco"), default=STEPS)
    parser.add_argument("--work", type=Path, default=Path(".tabletop"), help="scenes, weights")
    parser.add_argument("--out", type=Path, default=PACKAGE / "bundles" / "tabletop")
    parser.add_argument("--coco", type=Path, help="of step coco (default: coco in --work)")
    parser.add_argument("--teacher", default="tabletop", help="bundle to distil from")
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
