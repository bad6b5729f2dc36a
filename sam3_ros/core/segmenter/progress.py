"""How far the loading of a model is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class LoadProgress:
    """Loading of a stage begins: the number-th of count, from 1. bytes: of its files."""

    stage: str
    number: int
    count: int
    bytes: int

    def __str__(self) -> str:
        megabytes = (
            f"{self.bytes / 1e6:.3g} MB" if self.bytes < 1e9 else f"{self.bytes / 1e9:.3g} GB"
        )
        return f"stage {self.number} of {self.count}, {self.stage}, {megabytes}"


OnProgress: TypeAlias = Callable[[LoadProgress], None]
