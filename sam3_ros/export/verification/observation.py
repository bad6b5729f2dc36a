"""What stages are given, and what they make of it, while a model is at work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from sam3_ros.export.stage import Stage
from sam3_ros.export.verification.stages import StageCase

#: Of a stage; the tensors of a full-size model take tens of megabytes each.
KEPT = 2


@contextmanager
def observing(stages: Mapping[str, Stage]) -> Iterator[dict[str, list[StageCase]]]:
    """While open, keeps of each stage its first and its latest run in PyTorch."""
    cases: dict[str, list[StageCase]] = {name: [] for name in stages}
    with ExitStack() as hooks:
        for name, stage in stages.items():
            handle = stage.register_forward_hook(_keeping(stage, cases[name]))
            hooks.callback(handle.remove)
        yield cases


def _keeping(stage: Stage, cases: list[StageCase]) -> Callable[[nn.Module, Any, Any], None]:
    def keep(_: nn.Module, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> None:
        del cases[KEPT - 1 :]
        cases.append(
            StageCase(
                "the first real input" if not cases else "the last real input",
                {name: t.numpy() for name, t in zip(stage.inputs, inputs, strict=True)},
                {name: t.numpy() for name, t in zip(stage.outputs, outputs, strict=True)},
            )
        )

    return keep
