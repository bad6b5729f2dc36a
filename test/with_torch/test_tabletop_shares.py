"""Processes that learn together have the weights that one would have of the whole batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from shared_learning import fail_second, learn

from sam3_ros.training.tabletop.shares import run_shares


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    run_shares(1, learn, tmp_path)
    run_shares(2, learn, tmp_path)
    alone = torch.load(tmp_path / "0-of-1.pt")
    for rank in (0, 1):
        torch.testing.assert_close(torch.load(tmp_path / f"{rank}-of-2.pt"), alone)


def test_what_one_process_raises_ends_all() -> None:
    with pytest.raises(Exception, match="the second cannot"):
        run_shares(2, fail_second)
