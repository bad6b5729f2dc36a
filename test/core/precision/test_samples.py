"""Samples of tensors: which differences they show."""

from __future__ import annotations

from math import gcd

import numpy as np
import pytest

from sam3_ros.core.precision.samples import SAMPLES, TensorSamples, stride_over

TENSOR = np.random.default_rng(3).standard_normal((1, 64, 48, 40)).astype(np.float32)


def distance(changed: np.ndarray) -> float:
    return TensorSamples.of(TENSOR).distance(TensorSamples.of(changed))


def test_a_scale_is_its_own_distance() -> None:
    assert distance(TENSOR) == 0
    assert distance(TENSOR * np.float32(1.05)) == pytest.approx(0.05, rel=1e-3)


def test_two_swapped_channels_of_many_are_seen() -> None:
    swapped = TENSOR.copy()
    swapped[:, [5, 9]] = swapped[:, [9, 5]]

    assert distance(swapped) > 0.1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_not_finite_is_seen_wherever_it_is(value: float) -> None:
    broken = TENSOR.copy()
    broken[0, 17, 3, 1] = value

    assert distance(broken) == float("inf")


def test_what_was_not_finite_in_fp32_may_be_so_elsewhere() -> None:
    masked = TENSOR.copy()
    masked[0, 0] = -np.inf

    assert TensorSamples.of(masked).distance(TensorSamples.of(masked)) == 0


def test_another_shape_is_infinitely_far() -> None:
    assert distance(TENSOR[:, :8]) == float("inf")


@pytest.mark.parametrize("shape", [(1, 256, 288, 288), (1, 5184, 256), (1, 77, 256), (1, 1), (0,)])
def test_the_stride_sees_every_channel(shape: tuple[int, ...]) -> None:
    stride = stride_over(shape)

    assert all(gcd(stride, size) == 1 for size in shape if size)
    assert np.prod(shape) / stride <= SAMPLES


def test_booleans_are_sampled_too() -> None:
    mask = np.array([[True, True, False, False]])

    assert TensorSamples.of(mask).distance(TensorSamples.of(~mask)) > 0
    assert TensorSamples.of(mask).distance(TensorSamples.of(mask)) == 0
