"""What corrections add to a prompt, and to which; and how they are taught."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sam3_ros.training.tabletop.batches import PADDING
from sam3_ros.training.tabletop.clip_tokenizer import clip_tokenizer
from sam3_ros.training.tabletop.corrections import CorrectedPrompts, Corrections, is_correction
from sam3_ros.training.tabletop.dataset import SceneFiles, render_scenes
from sam3_ros.training.tabletop.encoder import known_tokens
from sam3_ros.training.tabletop.network import (
    GRID,
    MASK_GRID,
    D,
    TabletopNetwork,
    TabletopPromptEncoder,
)
from sam3_ros.training.tabletop.steps import RatedPhase
from sam3_ros.training.tabletop.train_corrections import (
    CorrectionRecipe,
    Marked,
    MarkedObjects,
    _Talk,
    train_corrections,
)

RECIPE = CorrectionRecipe((RatedPhase(2, 1e-3, 1e-4),), images=2, objects=3, corrected=4)

NONE, FORMER = torch.zeros(1), torch.ones(1)
KINDS = {
    "one click": ([1, -1], NONE, False),
    "a click on what is not meant": ([0, -1], NONE, False),
    "a click and more padding": ([1, -1, -1, -1], NONE, False),
    "a box": ([2, 3], NONE, False),
    "a box on an answer": ([2, 3], FORMER, False),
    "no point": ([], NONE, False),
    "what is followed": ([-1, -1], NONE, False),
    "a mask that is given": ([-1, -1], FORMER, False),
    "a second click": ([1, 1], NONE, True),
    "a click on what is too much": ([1, 0], NONE, True),
    "two on what is not meant": ([0, 0], NONE, True),
    "a click on an answer": ([1, -1], FORMER, True),
    "a click and a box": ([2, 3, 0], NONE, True),
}


@pytest.mark.parametrize(("labels", "has_mask", "corrects"), KINDS.values(), ids=KINDS)
def test_to_what_is_no_correction_not_a_bit_is_added(labels, has_mask, corrects):
    torch.manual_seed(0)
    prompts, corrections = TabletopPromptEncoder(), Corrections()
    for parameter in corrections.parameters():  # as after training
        torch.nn.init.normal_(parameter, std=0.1)
    given = (
        torch.rand(1, len(labels), 2) * 200,
        torch.tensor([labels], dtype=torch.long),
        torch.randn(1, 1, *MASK_GRID) * 5,
        has_mask,
    )
    alone, corrected = prompts(*given), CorrectedPrompts(prompts, corrections)(*given)
    assert bool(is_correction(given[1], has_mask)) == corrects
    assert corrected[0].shape == (1, len(labels) + 1, D)
    assert corrected[1].shape == (1, D, *GRID)
    assert all(bool(torch.isfinite(each).all()) for each in corrected)
    same = [torch.equal(one, other) for one, other in zip(alone, corrected, strict=True)]
    assert same == [not corrects] * 2


def test_before_training_corrections_change_nothing():
    prompts = TabletopPromptEncoder()
    given = (torch.rand(1, 2, 2), torch.tensor([[1, 0]]), torch.rand(1, 1, *MASK_GRID), FORMER)
    for one, other in zip(
        prompts(*given), CorrectedPrompts(prompts, Corrections())(*given), strict=True
    ):
        assert torch.equal(one, other)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> SceneFiles:
    return render_scenes(tmp_path_factory.mktemp("scenes"), 4, seed=3)


def test_a_step_marks_the_same_objects_again(scenes: SceneFiles) -> None:
    first, second = (list(MarkedObjects(scenes, RECIPE, range(5, 7))) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.points, other.points)
        assert torch.equal(one.pixel_values, other.pixel_values)
        assert one.seed == other.seed
    assert first[0].seed != first[1].seed


def test_what_is_marked_lies_on_its_object(scenes: SceneFiles) -> None:
    seen = 0
    for batch in MarkedObjects(scenes, RECIPE, range(8)):
        for image, target, points, labels in zip(
            batch.image, batch.target, batch.points, batch.point_labels, strict=True
        ):
            if labels.tolist() == [1]:
                x, y = (2 * points[0]).long().tolist()
                assert batch.labels[image, y, x] == target
                seen += 1
            else:
                assert labels.tolist() == [2, 3]
    assert seen > 10


def talk() -> _Talk:
    """Return an object 200 times, and the same answer to it: a half, and something beside it."""
    labels = torch.zeros(1, 480, 640, dtype=torch.uint8)
    labels[:, 160:320, 160:320] = 7
    count = 200
    talk = _Talk(
        Marked(
            pixel_values=torch.zeros(1, 3, 240, 320),
            labels=labels,
            image=torch.zeros(count, dtype=torch.long),
            target=torch.full((count,), 7),
            points=torch.tensor([[[100.5, 100.5]]]).repeat(count, 1, 1),
            point_labels=torch.ones(count, 1, dtype=torch.long),
            seed=0,
        )
    )
    logits = torch.full((count, *MASK_GRID), -50.0)
    logits[:, 40:80, 60:90] = 50.0
    talk.answer(logits)
    return talk


def test_the_next_click_lies_in_the_error_and_has_its_sign() -> None:
    corrected = talk()
    corrected.mark(np.random.default_rng(0))
    assert corrected.points.shape == (200, 2, 2)
    for (x, y), label in zip(corrected.points[:, 1].tolist(), corrected.told[:, 1], strict=True):
        assert 80 <= y <= 160
        # Missing is 40 px wide, and too much is 20.
        assert 80 <= x <= 120 and label == 1


def test_former_answer_and_former_marks_are_told_now_and_then() -> None:
    corrected = talk()
    corrected.mark(np.random.default_rng(0))
    has_former, alone = corrected.has_former > 0, corrected.told[:, 0] == PADDING
    assert 50 < has_former.sum() < 110
    assert 20 < alone.sum() < 60
    assert not (alone & ~has_former).any()
    former = corrected.former[:, 0]
    assert not former[~has_former].any()
    assert former[has_former].abs().max() == former[has_former].abs().min() == 32


def test_half_of_those_that_are_kept_have_the_worst_answers() -> None:
    kept = talk()
    logits = torch.full((200, *MASK_GRID), -50.0)
    logits[:, 40:80, 40:80] = 50.0  # all of it
    logits[:10, :, :] = -50.0
    kept.answer(logits)
    kept.image = torch.arange(200)
    kept.keep(20, np.random.default_rng(0))
    assert sorted(kept.image[:10].tolist()) == list(range(10))
    assert len(set(kept.image.tolist())) == 20
    assert not np.isin(kept.image[10:], np.arange(10)).any()


def test_nothing_but_corrections_learns(scenes: SceneFiles, tmp_path: Path) -> None:
    network = TabletopNetwork(known_tokens(clip_tokenizer()))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    learnt = train_corrections(scenes, network, RECIPE, tmp_path / "corrections.pt")
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert learnt.token.weight.any() and learnt.draw[-1].weight.any()
    again = train_corrections(scenes, network, RECIPE, tmp_path / "corrections.pt")  # is finished
    assert torch.equal(learnt.token.weight, again.token.weight)
