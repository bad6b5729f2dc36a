"""From rendered scenes to a bundle that the segmenter runs, at few steps: make test-torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.writer import record_verification
from sam3_ros.core.errors import ExportError
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.text import ClipTokenizer
from sam3_ros.training.tabletop import dataset
from sam3_ros.training.tabletop.begin import begin_with
from sam3_ros.training.tabletop.clip_tokenizer import clip_tokenizer
from sam3_ros.training.tabletop.corrections import Corrections
from sam3_ros.training.tabletop.dataset import SceneFiles, random_view, render_scenes
from sam3_ros.training.tabletop.encoder import Encoder, known_tokens
from sam3_ros.training.tabletop.evaluate import evaluate
from sam3_ros.training.tabletop.evaluate_following import evaluate_following
from sam3_ros.training.tabletop.export import (
    export_bundle,
    largest_difference,
    stage_exports,
    stages_of,
)
from sam3_ros.training.tabletop.films import Film
from sam3_ros.training.tabletop.memory import TabletopMemory
from sam3_ros.training.tabletop.network import CLICK_STAGES, TabletopNetwork
from sam3_ros.training.tabletop.sequences import FRAMES, render_clips
from sam3_ros.training.tabletop.steps import RatedPhase
from sam3_ros.training.tabletop.train import CONCEPT, Phase, Recipe, train
from sam3_ros.training.tabletop.train_corrections import CorrectionRecipe
from sam3_ros.training.tabletop.train_memory import MemoryPhase, MemoryRecipe
from sam3_ros.training.tabletop.trainings import (
    BESIDE,
    Recipes,
    Workplace,
    begin,
    correct,
    remember,
    train_beside,
    train_images,
)
from sam3_ros.training.tabletop.world import SMALLEST_VISIBLE, World

pytestmark = pytest.mark.long

MEMORY_RECIPE = MemoryRecipe(
    (MemoryPhase(2, 1e-3, 1e-4, follows=False), MemoryPhase(1, 1e-3, 1e-4, follows=True)),
    objects=2,
    objects_of_clip=2,
    length=3,
)
RECIPES = Recipes(
    Recipe(
        (Phase(1, 1e-3, 1e-4, prompts=0, clicks=0), Phase(2, 1e-3, 1e-4)),
        images_kept=False,
        batch_size=2,
        save_every=2,
    ),
    Recipe((Phase(1, 1e-3, 0.0, clicks=0),), batch_size=2),
    Recipe((Phase(1, 1e-3, 0.0, prompts=0),), batch_size=2),
    MEMORY_RECIPE,
    CorrectionRecipe((RatedPhase(1, 1e-3, 1e-4),), images=1, objects=2, corrected=2),
)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> SceneFiles:
    return render_scenes(tmp_path_factory.mktemp("scenes"), 6, seed=3)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("training")
    place = Workplace(folder, 6, 2, RECIPES)
    train_images(place, 2)
    train_beside(place, BESIDE, 2)
    remember(place, place.network())
    correct(place)
    source = {"origin": "a test", **place.sources()}
    tokenizer = clip_tokenizer()
    parts = place.network(), place.memory(), place.corrections()
    return export_bundle(*parts, tokenizer, folder / "bundle", source)


def test_a_seed_draws_the_same_scene_again() -> None:
    with World(5) as one, World(5) as other:
        first, second = one.draw(), other.draw()
    assert first.objects == second.objects
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.image, second.image)


def test_scenes_are_the_same_from_one_process_or_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "SCENES_PER_SEED", 1)
    files = render_scenes(tmp_path, 2, seed=40)
    for index in (0, 1):
        with World(40 + index, 320, 240) as world:
            scene = world.draw()
        np.testing.assert_array_equal(files.images[index], scene.image)
        np.testing.assert_array_equal(files.labels[index], scene.labels)


def test_every_object_of_a_scene_is_seen() -> None:
    with World(6) as world:
        scene = world.draw()
    seen = np.bincount(scene.labels.ravel(), minlength=256)[1 : len(scene.objects) + 1]
    assert len(scene.objects) >= 2
    assert (seen >= SMALLEST_VISIBLE).all()


def test_a_view_keeps_image_and_labels_together(scenes: SceneFiles) -> None:
    """The colour under each label must not change with crop and mirror."""
    rng = np.random.default_rng(0)
    view = random_view(scenes, 0, rng)
    number = int(np.flatnonzero(view.visible)[0]) + 1
    original = scenes.images[0][(scenes.labels[0] == number)[::2, ::2]].mean(0)
    seen = view.image[(view.labels == number)[::2, ::2]].mean(0)
    assert int(original.argmax()) == int(seen.argmax())


def test_the_exported_bundle_answers_words_clicks_and_boxes(bundle: Bundle) -> None:
    with World(7) as world:
        image = world.draw().image
    with Segmenter.load(bundle) as segmenter:
        prompts = [ConceptPrompt("red cube"), InteractivePrompt(points=((320.0, 240.0),))]
        for segment in segmenter.segment(image, *prompts):
            assert segment.mask.shape == (480, 640)
    sizes = [bundle.stage_file(stage, "fp32").stat().st_size for stage in bundle.manifest.stages]
    assert sum(sizes) <= 15_000_000


def test_the_files_say_nothing_of_the_machine_that_made_them(bundle: Bundle) -> None:
    for stage in bundle.manifest.stages:
        assert b"network.py" not in bundle.stage_file(stage, "fp32").read_bytes()


def test_the_evaluation_gives_every_figure_of_the_report(bundle: Bundle) -> None:
    from sam3_ros.training.tabletop.report import table

    with Segmenter.load(bundle) as segmenter:
        figures = evaluate(segmenter, scenes=2)
    assert "2 unseen scenes" in table(figures)
    recorded = record_verification(bundle.path, {"unseen_scenes": figures})
    assert recorded.manifest.verification["unseen_scenes"] == figures


def test_training_and_run_time_read_phrases_alike(bundle: Bundle) -> None:
    assert bundle.manifest.concept is not None
    run_time = ClipTokenizer(bundle.tokenizer_file, bundle.manifest.concept.tokenizer)
    training = Encoder(clip_tokenizer())
    for text in ("red cube", "the two  Donuts", "zebra", "café naïve", "x" * 200):
        np.testing.assert_array_equal(run_time.encode(text)[0], training(text))


def test_training_goes_on_from_its_checkpoint(scenes: SceneFiles, tmp_path: Path) -> None:
    tokenizer = clip_tokenizer()
    known, checkpoint = known_tokens(tokenizer), tmp_path / "images.pt"
    recipe = Recipe((Phase(2, 1e-3, 1e-4),), batch_size=1, save_every=1)
    train(scenes, Encoder(tokenizer), TabletopNetwork(known), recipe, checkpoint)
    before = checkpoint.stat().st_mtime_ns
    train(scenes, Encoder(tokenizer), TabletopNetwork(known), recipe, checkpoint)  # nothing is left
    assert checkpoint.stat().st_mtime_ns == before
    with pytest.raises(RuntimeError, match="another recipe"):
        train(scenes, Encoder(tokenizer), TabletopNetwork(known), CONCEPT, checkpoint)


def test_words_and_clicks_learn_apart_on_kept_images(scenes: SceneFiles, tmp_path: Path) -> None:
    tokenizer = clip_tokenizer()
    network = TabletopNetwork(known_tokens(tokenizer))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    recipe = Recipe((Phase(1, 1e-3, 1e-4, prompts=0),), batch_size=1)
    after = train(scenes, Encoder(tokenizer), network, recipe, tmp_path / "clicks.pt").state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == set(CLICK_STAGES)


def test_a_training_begins_with_what_a_bundle_answers(bundle: Bundle, tmp_path: Path) -> None:
    place = Workplace(tmp_path, 6, 2, RECIPES)
    begin(place, bundle)
    network = place.images().eval()
    stages, examples = stages_of(network, TabletopMemory(), Corrections()), stage_exports()
    # What corrects is trained anew: here nothing is corrected.
    prompts = examples["prompt_encoder"]
    a_box = {**prompts.inputs, "point_labels": torch.tensor([[2, 3, -1, -1]])}
    examples["prompt_encoder"] = replace(prompts, inputs=a_box)
    for name, _ in network.named_children():
        file = bundle.stage_file(name, "fp32")
        assert largest_difference(stages[name], examples[name], file) < 1e-3
    assert place.weights("images")["begun_with"]["bundle"] == "tabletop"


def test_a_step_whose_steps_before_have_not_run_says_so(tmp_path: Path) -> None:
    place = Workplace(tmp_path, 6, 2, RECIPES)
    with pytest.raises(ExportError, match=r"corrections\.pt: .* run the steps before this one"):
        place.corrections()


def test_a_bundle_of_another_network_is_not_begun_with(bundle: Bundle, tmp_path: Path) -> None:
    files = {name: bundle.stage_file(name, "fp32") for name in bundle.manifest.stages}
    files["tracker_neck"] = files["text"]
    other = SimpleNamespace(stage_file=lambda name, _: files[name])
    network = TabletopNetwork(known_tokens(clip_tokenizer()))
    with pytest.raises(ExportError, match="expected weights of TabletopNeck"):
        begin_with(
            network, cast(Bundle, other), render_scenes(tmp_path, 1, 3), lambda _: np.zeros(1)
        )


def test_clips_show_the_same_objects_from_frame_to_frame(tmp_path: Path) -> None:
    clips = render_clips(tmp_path, 1, seed=8)
    assert clips.images.shape == (1, FRAMES, 240, 320, 3)
    there = np.flatnonzero(clips.objects[0, :, 0] >= 0) + 1
    for labels in clips.labels[0]:
        assert set(np.unique(labels[(labels > 0) & (labels < 101)])) <= set(there)
    again = render_clips(tmp_path, 1, seed=8)
    np.testing.assert_array_equal(again.labels, clips.labels)


def test_the_exported_bundle_follows_by_its_memory(bundle: Bundle) -> None:
    assert "video" in bundle.manifest.capabilities
    with World(9) as world:
        scene = world.draw()
    film = Film("pan", [scene.image] * 3, [scene.labels] * 3, (1, 2))
    with Segmenter.load(bundle) as segmenter:
        figures = evaluate_following(segmenter, [film])
    assert figures["every_1"]["tracks"] == 2
