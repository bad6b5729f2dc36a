"""The trainings that make the tabletop's network, and the folder in which they leave its weights.

The image stages come first. On them, what answers words, what answers clicks and what looks back
share nothing, so these three run beside each other, each on one core. What follows and what
corrects need the click stages too, and come last.
"""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import torch

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import ExportError
from sam3_ros.training.tabletop.begin import begin_with
from sam3_ros.training.tabletop.clip_features import encode_clips
from sam3_ros.training.tabletop.clip_tokenizer import clip_tokenizer
from sam3_ros.training.tabletop.corrections import Corrections
from sam3_ros.training.tabletop.dataset import SceneFiles, render_scenes
from sam3_ros.training.tabletop.encoder import Encoder, known_tokens
from sam3_ros.training.tabletop.memory import TabletopMemory
from sam3_ros.training.tabletop.network import CLICK_STAGES, CONCEPT_STAGES, TabletopNetwork
from sam3_ros.training.tabletop.sequences import render_clips
from sam3_ros.training.tabletop.shares import Share, is_first, run_shares
from sam3_ros.training.tabletop.small_bundle import manifest_sum
from sam3_ros.training.tabletop.train import CLICKED, CONCEPT, IMAGES, Recipe, train
from sam3_ros.training.tabletop.train_corrections import CorrectionRecipe, train_corrections
from sam3_ros.training.tabletop.train_memory import MemoryRecipe, train_memory

SCENES_SEED, CLIPS_SEED = 1000, 50_000
#: Each needs the image stages alone, so they share the cores. The longest goes first.
BESIDE = ("clicks", "concept", "look")


@dataclass(frozen=True)
class Recipes:
    """The recipe of each training."""

    images: Recipe = IMAGES
    concept: Recipe = CONCEPT
    clicks: Recipe = CLICKED
    memory: MemoryRecipe = field(default_factory=MemoryRecipe)
    corrections: CorrectionRecipe = field(default_factory=CorrectionRecipe)


@dataclass(frozen=True)
class Workplace:
    """A folder of scenes, clips and weights."""

    folder: Path
    #: How many there are, drawn from SCENES_SEED and CLIPS_SEED.
    scenes: int
    clips: int
    recipes: Recipes = field(default_factory=Recipes)

    def rendered(self) -> SceneFiles:
        """Return the scenes, rendered where they are not yet."""
        return render_scenes(self.folder / "scenes", self.scenes, SCENES_SEED)

    def images(self) -> TabletopNetwork:
        """Return the network as it was when the image stages were ready."""
        network = TabletopNetwork(known_tokens(clip_tokenizer()))
        network.load_state_dict(self.weights("images")["average"])
        return network

    def network(self) -> TabletopNetwork:
        """Return the network with what each training made of its stages."""
        network = self.images()
        for name, stages in (("concept", CONCEPT_STAGES), ("clicks", CLICK_STAGES)):
            average = self.weights(name)["average"]
            mine = {key: value for key, value in average.items() if key.split(".")[0] in stages}
            network.load_state_dict(mine, strict=False)
        return network

    def memory(self) -> TabletopMemory:
        """Return the stages that remember."""
        memory = TabletopMemory()
        memory.load_state_dict(self.weights("memory")["average"])
        return memory

    def corrections(self) -> Corrections:
        """Return what corrects answers."""
        corrections = Corrections()
        corrections.load_state_dict(self.weights("corrections")["average"])
        return corrections

    def sources(self) -> dict[str, str]:
        """Return what a manifest says of where the weights are from."""
        begun, recipes = self.weights("images").get("begun_with"), self.recipes
        images = f"of bundle {begun['bundle']}, {begun['sha256']}" if begun else recipes.images
        return {
            "scenes": f"{self.scenes} from seed {SCENES_SEED}",
            "images": str(images),
            "concept": str(recipes.concept),
            "clicks": str(recipes.clicks),
            "memory": f"{self.clips} clips from seed {CLIPS_SEED}, {recipes.memory}",
            "corrections": str(recipes.corrections),
        }

    def file(self, name: str) -> Path:
        """Return the file of a training's weights."""
        return self.folder / f"{name}.pt"

    def weights(self, name: str) -> dict[str, dict[str, torch.Tensor]]:
        """Read what a training left. Raises ExportError where it has not run yet."""
        if not self.file(name).exists():
            raise ExportError(
                f"{self.file(name)}: expected the weights of a training, but there is none; "
                "run the steps before this one first (--help lists them in their order)"
            )
        state: dict[str, dict[str, torch.Tensor]] = torch.load(self.file(name), weights_only=True)
        return state


def train_images(place: Workplace, processes: int) -> None:
    """Train the image stages from nothing, and the others as far as these need them."""
    place.rendered()  # once, before all want them
    whole = place.recipes.images.batch_size
    count = max(n for n in range(1, processes + 1) if whole % n == 0)
    run_shares(count, _train_images, place)


def _train_images(share: Share, place: Workplace) -> None:
    if is_first():
        start_logging()
    recipe, tokenizer = place.recipes.images, clip_tokenizer()
    torch.manual_seed(recipe.seed)  # the same weights to begin with everywhere
    network = TabletopNetwork(known_tokens(tokenizer))
    train(place.rendered(), Encoder(tokenizer), network, recipe, place.file("images"), share)


def begin(place: Workplace, bundle: Bundle) -> None:
    """Take the weights of a bundle in place of those that `train_images` makes."""
    tokenizer = clip_tokenizer()
    network = TabletopNetwork(known_tokens(tokenizer))
    begin_with(network, bundle, place.rendered(), Encoder(tokenizer))
    origin = {"bundle": bundle.manifest.name, "sha256": manifest_sum(bundle)}
    torch.save({"average": network.state_dict(), "begun_with": origin}, place.file("images"))


def train_beside(place: Workplace, steps: Sequence[str], processes: int) -> None:
    """Run some of the steps BESIDE each other, each in a process with one thread."""
    place.rendered()  # once, before two of them want them
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(len(steps), processes), fresh, start_logging) as pool:
        list(pool.map(_train_one, steps, [place] * len(steps)))


def _train_one(step: str, place: Workplace) -> None:
    torch.set_num_threads(1)
    if step == "look":
        remember(place, place.images(), until=place.recipes.memory.phases[0].steps)
        return
    recipe = {"concept": place.recipes.concept, "clicks": place.recipes.clicks}[step]
    encode = Encoder(clip_tokenizer())
    train(place.rendered(), encode, place.images(), recipe, place.file(step))


def remember(place: Workplace, network: TabletopNetwork, until: int | None = None) -> None:
    """Train the stages that remember up to a step. To look back needs the image stages alone."""
    clips = render_clips(place.folder / "clips", place.clips, CLIPS_SEED)
    features = encode_clips(clips, network, place.folder / "clip_features")
    train_memory(clips, features, network, place.recipes.memory, place.file("memory"), until)


def correct(place: Workplace) -> None:
    """Train what corrects answers."""
    checkpoint = place.file("corrections")
    train_corrections(place.rendered(), place.network(), place.recipes.corrections, checkpoint)


def start_logging() -> None:
    """Log each line with its time."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    for noisy in ("onnx_ir", "onnxscript"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
