"""Fixtures of the tests with PyTorch."""

from __future__ import annotations

import os

import torch

# Workers side by side would have more threads than there are cores, and be slower than one.
if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)
