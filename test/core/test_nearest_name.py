from __future__ import annotations

import pytest

from sam3_ros.core.nearest_name import did_you_mean

KNOWN = ("segment", "bench", "--negative-point", "tabletop", "tensorrt", "tensorrt_rtx")


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("segmnt", "; did you mean 'segment'?"),
        ("TABLETOP", "; did you mean 'tabletop'?"),
        ("--negativ-point", "; did you mean '--negative-point'?"),
        ("tensorrt-rtx", "; did you mean 'tensorrt_rtx'?"),
        ("kitchen", ""),
        ("", ""),
    ],
)
def test_the_name_that_was_meant_is_told(name: str, end: str) -> None:
    assert did_you_mean(name, KNOWN) == end


def test_nothing_known_gives_nothing() -> None:
    assert did_you_mean("segment", ()) == ""


def test_a_name_of_megabytes_is_like_none() -> None:
    assert did_you_mean("segment" * 10**6, KNOWN) == ""
