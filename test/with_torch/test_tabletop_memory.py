"""The tabletop's stages that remember, untrained: what must hold whatever the weights are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sam3_ros.training.tabletop.memory import MEMORY_MASK, MEMORY_WIDTH, TabletopMemory
from sam3_ros.training.tabletop.memory_batches import frames_through
from sam3_ros.training.tabletop.network import GRID, D, TabletopPromptEncoder
from sam3_ros.training.tabletop.sequences import FRAMES
from sam3_ros.training.tabletop.train_memory import MemoryPhase, MemoryRecipe


@pytest.fixture(scope="module")
def memory() -> TabletopMemory:
    torch.manual_seed(0)
    return TabletopMemory().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def seen() -> tuple[torch.Tensor, ...]:
    """A frame, its looks, three memories with ages, two pointers with ages."""
    torch.manual_seed(1)
    frame, looks, memories = (
        torch.rand(n, c, *GRID) for n, c in ((1, D), (1, D), (3, MEMORY_WIDTH))
    )
    ages, since = torch.tensor([0, 2, 1]), torch.tensor([0.2, 0.4])
    return frame, looks, memories, ages, torch.rand(2, D), since


def test_memories_and_pointers_count_in_any_order(
    memory: TabletopMemory, seen: tuple[torch.Tensor, ...]
) -> None:
    frame, looks, memories, ages, pointers, since = seen
    other = (memories.flip(0), ages.flip(0), pointers.flip(0), since.flip(0))
    torch.testing.assert_close(
        memory.memory_attention(*seen),
        memory.memory_attention(frame, looks, *other),
        atol=1e-5,
        rtol=0,
    )


@pytest.mark.parametrize("part", range(1, 6))
def test_each_input_of_the_attention_counts(
    memory: TabletopMemory, seen: tuple[torch.Tensor, ...], part: int
) -> None:
    changed = list(seen)
    changed[part] = changed[part].roll(1) if part in (3, 5) else changed[part] * 0.5
    assert not torch.equal(memory.memory_attention(*seen), memory.memory_attention(*changed))


def test_one_memory_without_pointers_is_enough(
    memory: TabletopMemory, seen: tuple[torch.Tensor, ...]
) -> None:
    frame, looks, memories, ages, pointers, since = seen
    tracked = memory.memory_attention(frame, looks, memories[:1], ages[:1], pointers[:0], since[:0])
    assert tracked.shape == frame.shape


def test_objects_of_a_batch_are_answered_apart(memory: TabletopMemory) -> None:
    frame, looks = torch.rand(1, D, *GRID), torch.rand(1, D, *GRID)
    masks, scores = torch.rand(2, 1, *MEMORY_MASK), torch.tensor([[1.0], [-1.0]])
    both = memory.memory_encoder(frame, looks, masks, scores)
    for number in range(2):
        alone = memory.memory_encoder(frame, looks, masks[number][None], scores[number][None])
        torch.testing.assert_close(both[number], alone[0], atol=1e-5, rtol=0)


def test_a_frame_without_the_object_is_remembered_as_such(memory: TabletopMemory) -> None:
    frame, mask = torch.rand(1, D, *GRID), torch.zeros(1, 1, *MEMORY_MASK)
    there, absent = (
        memory.memory_encoder(frame, frame, mask, torch.tensor([[score]])) for score in (1.0, -1.0)
    )
    assert not torch.equal(there, absent)
    tokens = torch.rand(1, 4, D)
    pointers = memory.object_pointer(tokens, torch.tensor([[-1.0]]))
    assert torch.equal(pointers[0, 0], pointers[0, 3])


def test_a_rough_mask_is_drawn_as_the_prompt_encoder_draws_it() -> None:
    torch.manual_seed(2)
    prompts, attention = TabletopPromptEncoder(), TabletopMemory().memory_attention
    attention.draw_as(prompts)
    logits = torch.full((1, 1, 120, 160), 3.0)
    wanted = prompts.mask(logits) - prompts.no_mask
    torch.testing.assert_close(attention.mask_embedding(logits), wanted)


def test_frames_are_taken_at_one_pace_and_turn_or_stay_at_an_end() -> None:
    for seed in range(50):
        frames = frames_through(np.random.default_rng(seed), 7)
        assert len(frames) == 7
        assert frames.min() >= 0 and frames.max() < FRAMES
        assert np.abs(np.diff(frames)).max() <= 3


def test_the_rate_begins_anew_with_each_phase() -> None:
    phases = (
        MemoryPhase(100, 1e-3, 1e-4, follows=False),
        MemoryPhase(100, 5e-4, 0.0, follows=True),
    )
    recipe = MemoryRecipe(phases, warm_up=10)
    assert recipe.steps == 200
    assert recipe.phase_of(100)[1].follows
    assert recipe.learning_rate(0) == pytest.approx(1e-4)
    assert recipe.learning_rate(99) < 2e-4 < recipe.learning_rate(110)


def test_at_first_cells_match_those_that_look_alike() -> None:
    """Before any training, the object is where the cells have the object's look."""
    fresh = TabletopMemory()
    looks = torch.rand(4, D, *GRID)
    fresh.look_from(looks)
    key = fresh.memory_attention.key(fresh.memory_encoder.look(looks).flatten(2).transpose(1, 2))
    query = fresh.memory_attention.query(looks).flatten(2).transpose(1, 2)
    torch.testing.assert_close(key, query, atol=1e-4, rtol=1e-4)
