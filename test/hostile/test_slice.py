"""A slice of `make fuzz`: hostile inputs of each kind, and right answers after them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ros_domains import own_domain

from hostile.batch import Fuzz
from hostile.inputs import BLOCK, Channel, input_of

pytestmark = pytest.mark.long

SEED = 7
# Beside other tests everything takes longer; how long, `make fuzz` judges.
HANG_S = 15.0
# Some of a block with raw images, and some of one with compressed ones.
NUMBERS = (*range(1, 66), *range(BLOCK + 1, BLOCK + 66))


def test_a_slice_of_hostile_inputs_ends_as_it_may(tmp_path: Path) -> None:
    with own_domain() as domain:
        verdict = Fuzz(SEED, tmp_path, domain, hang_s=HANG_S).run(NUMBERS)

    assert verdict.failures == []
    assert sum(verdict.outcomes.values()) == len(NUMBERS)
    assert verdict.good_answers > 0
    assert verdict.restarts == 0


def test_the_slice_has_inputs_of_every_kind() -> None:
    assert {input_of(SEED, number).channel for number in NUMBERS} == set(Channel)


def test_an_input_depends_on_seed_and_number_alone() -> None:
    one, same, other = input_of(1, 5), input_of(1, 5), input_of(2, 5)

    assert one == same
    assert one.chance().random() == same.chance().random() != other.chance().random()
