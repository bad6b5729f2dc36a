"""A smaller fusion and decoder learn from the shipped bundle, at few steps: make test-torch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import ExportError
from sam3_ros.core.image_file import read_rgb
from sam3_ros.core.precision.questions import TABLE
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.training.tabletop.batches import Batch, Batches
from sam3_ros.training.tabletop.clip_tokenizer import clip_tokenizer
from sam3_ros.training.tabletop.dataset import SceneFiles, render_scenes
from sam3_ros.training.tabletop.distil import (
    Distillation,
    DistilRecipe,
    Student,
    distil,
    divergence,
    student_of,
)
from sam3_ros.training.tabletop.encoder import Encoder
from sam3_ros.training.tabletop.evaluate import Tally
from sam3_ros.training.tabletop.network import TabletopDecoder, TabletopFusion
from sam3_ros.training.tabletop.small_bundle import (
    manifest_sum,
    origin,
    write_page,
    write_small_bundle,
)
from sam3_ros.training.tabletop.stage_weights import read_weights
from sam3_ros.training.tabletop.steps import RatedPhase
from sam3_ros.training.tabletop.teacher import Teacher

RECIPE = DistilRecipe(
    "a sum", phases=(RatedPhase(6, 1e-3, 1e-4),), images=1, prompts=3, warm_up=2, average=0.6
)


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    return Teacher(Bundle.open("tabletop"))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> SceneFiles:
    return render_scenes(tmp_path_factory.mktemp("scenes"), 3, seed=3)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("distilled") / "small.pt"


@pytest.fixture(scope="module")
def student(teacher: Teacher, scenes: SceneFiles, checkpoint: Path) -> Student:
    return distil(scenes, Encoder(clip_tokenizer()), teacher, RECIPE, checkpoint)


@pytest.fixture(scope="module")
def small(
    teacher: Teacher, student: Student, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Bundle, DistilRecipe]:
    recipe = DistilRecipe(manifest_sum(teacher.bundle))
    source = origin(teacher.bundle, recipe, "3 scenes")
    target = tmp_path_factory.mktemp("bundle") / "small"
    return write_small_bundle(teacher.bundle, student, target, source), recipe


def views(scenes: SceneFiles) -> Batch:
    """Return other views than those of the recipe's seed."""
    encode = Encoder(clip_tokenizer())
    return next(iter(Batches(scenes, encode, 2, range(1), seed=99, prompts=3, clicks=0)))


def loss(student: Student, teacher: Teacher, batch: Batch) -> float:
    torch.manual_seed(0)
    with torch.no_grad():
        return float(sum(Distillation(student, teacher)(batch).values()))


def test_counts_of_layers_are_arguments_and_keep_the_names() -> None:
    for stage in (TabletopFusion, TabletopDecoder):
        whole, one = set(stage().state_dict()), set(stage(1).state_dict())
        assert one < whole == set(stage(2).state_dict())
    fewer = set(TabletopDecoder().state_dict()) - set(TabletopDecoder(1).state_dict())
    assert {name.split(".")[1] for name in fewer} == {"1"}


def test_a_teacher_with_all_its_layers_has_nothing_to_learn(
    teacher: Teacher, scenes: SceneFiles
) -> None:
    """The weights that are read from the files answer, and queries begin where the teacher's do."""
    same = student_of(teacher, (0, 1), (0, 1))
    torch.manual_seed(0)
    with torch.no_grad():
        losses = Distillation(same, teacher)(views(scenes))
    for name, value in losses.items():
        if name != "mask":  # soft masks: dice has its least value above 0
            assert abs(float(value)) < 1e-4, name


def test_chances_that_are_equal_do_not_diverge() -> None:
    logits = torch.tensor([-3.0, 0.0, 9.0])
    assert divergence(logits, logits).abs().max() < 1e-6
    assert (divergence(logits + 1, logits) > 1e-5).all()


def test_a_few_steps_bring_the_student_nearer(
    teacher: Teacher, scenes: SceneFiles, student: Student
) -> None:
    untaught = student_of(teacher, RECIPE.fusion_blocks, RECIPE.decoder_layers)
    batch = views(scenes)
    assert loss(student, teacher, batch) < 0.9 * loss(untaught, teacher, batch)


def test_it_goes_on_from_its_checkpoint_with_its_own_teacher_alone(
    teacher: Teacher, scenes: SceneFiles, student: Student, checkpoint: Path
) -> None:
    again = distil(scenes, Encoder(clip_tokenizer()), teacher, RECIPE, checkpoint)
    for name, value in again.state_dict().items():
        assert torch.equal(value, student.state_dict()[name]), name
    with pytest.raises(RuntimeError, match="another recipe"):
        other = DistilRecipe("another sum", phases=RECIPE.phases, images=1)
        distil(scenes, Encoder(clip_tokenizer()), teacher, other, checkpoint)


def test_the_smaller_bundle_answers_and_says_who_taught_it(
    teacher: Teacher, small: tuple[Bundle, DistilRecipe]
) -> None:
    bundle, recipe = small
    prompts = [ConceptPrompt("red cube"), InteractivePrompt(points=((390.0, 225.0),))]
    with Segmenter.load(bundle) as segmenter:
        segments = segmenter.segment(read_rgb(TABLE), *prompts)
    assert segments
    assert bundle.manifest.source["teacher_sha256"] == recipe.teacher
    assert bundle.manifest.recorded_answers is not None
    changed = {
        name
        for name, entry in bundle.manifest.stages.items()
        if entry.files["fp32"].sha256 != teacher.bundle.manifest.stages[name].files["fp32"].sha256
    }
    assert changed == {"fusion", "decoder"}
    for name in changed:
        smaller, whole = bundle.stage_file(name, "fp32"), teacher.bundle.stage_file(name, "fp32")
        assert smaller.stat().st_size < 0.75 * whole.stat().st_size


def test_the_page_has_both_bundles_and_what_is_smaller(
    teacher: Teacher, small: tuple[Bundle, DistilRecipe], tmp_path: Path
) -> None:
    figures = Tally().figures(0)
    both = {"tabletop": figures, "tabletop_small": figures}
    write_page(tmp_path / "new" / "page.md", teacher.bundle, small[0], both)
    page = (tmp_path / "new" / "page.md").read_text()
    assert "| what | `tabletop` | `tabletop_small` |" in page
    assert "`fusion`, bytes" in page
    assert "`text`" not in page


def test_a_file_of_another_stage_is_refused() -> None:
    scoring = Bundle.open("tabletop").stage_file("scoring", "fp32")
    with pytest.raises(ExportError, match="TabletopFusion, but it lacks"):
        read_weights(TabletopFusion(), scoring)
    fusion = Bundle.open("tabletop").stage_file("fusion", "fp32")
    with pytest.raises(ExportError, match=r"it lacks blocks\.2"):
        read_weights(TabletopFusion(3), fusion)
