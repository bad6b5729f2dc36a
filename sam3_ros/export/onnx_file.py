"""One stage as one ONNX file, with its weights beside it where they are too large for one file."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import onnx
import torch
from onnxscript import opset18 as op
from torch.export import Dim

from sam3_ros.core.bundle.files import ModelFile
from sam3_ros.core.errors import ExportError
from sam3_ros.export.stage import StageModule

#: What PyTorch's exporter writes without converting, and what the oldest ONNX Runtime that we
#: allow, OpenVINO and TensorRT all read. Later sets add nothing that these networks use.
OPSET = 18

#: A protocol buffer ends at 2 GiB, and writing one takes its size twice in memory.
EXTERNAL_ABOVE_BYTES = 1_500_000_000

# Distinct, so that the exporter does not take two axes of equal length for the same axis.
_EXPORT_LENGTHS = (2, 3, 5, 7, 11, 13)
_NOISY = ("torch.onnx", "torch.export", "torch.fx", "torch._dynamo", "onnxscript", "onnx_ir")


def gelu(x: Any, approximate: str = "none") -> Any:
    """Return x * (1 + erf(x / sqrt 2)) * 0.5, in the order that ONNX Runtime fuses to one operator.

    PyTorch's exporter writes x * (0.5 * (...)), which runs as five operators and takes a tenth of
    the time of an image encoder. The tanh approximation, which EfficientViT uses, is written by its
    formula: x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) * 0.5 (Hendrycks, Gimpel, 2016).
    """
    if approximate == "tanh":
        cubic = op.Add(x, op.Mul(op.Pow(x, 3.0), 0.044715))
        tanh = op.Tanh(op.Mul(cubic, math.sqrt(2.0 / math.pi)))
        return op.Mul(op.Mul(x, op.Add(tanh, 1.0)), 0.5)
    both = op.Mul(x, op.Add(op.Erf(op.Div(x, math.sqrt(2.0))), 1.0))
    return op.Mul(both, 0.5)


#: Operators that are written other than by PyTorch's exporter, for torch.onnx.export.
TRANSLATIONS: Mapping[Callable[..., Any], Callable[..., Any]] = MappingProxyType(
    {torch.ops.aten.gelu.default: gelu}
)


def write_onnx(
    stage: StageModule, path: Path, external_above: int = EXTERNAL_ABOVE_BYTES, seed: int = 0
) -> ModelFile:
    """Write a stage at `path`, folded, its tensors under their canonical names.

    Axes that TensorInput names with a string may grow; the same string is the same length. Weights
    of more than external_above bytes go to `<path>.data`. The file names nothing of this machine.
    Raises ExportError where PyTorch cannot export the stage, or fixes an axis that must grow.
    """
    lengths = dict(zip(stage.lengths(), _EXPORT_LENGTHS, strict=False))
    folded = stage.folded().eval()
    external = weight_bytes(folded) > external_above
    try:
        with _quiet():
            torch.onnx.export(
                folded,
                tuple(stage.examples(lengths, seed).values()),
                str(path),
                input_names=list(stage.inputs),
                output_names=list(stage.outputs),
                dynamic_shapes=_dynamic_shapes(stage),
                dynamo=True,
                opset_version=OPSET,
                custom_translation_table=dict(TRANSLATIONS),
                external_data=external,
                verbose=False,
            )
    except Exception as error:  # the exporter's own errors have no common base
        reason = _last_cause(error)
        raise ExportError(f"PyTorch cannot export {type(stage).__name__}: {reason}") from error
    strip_notes(path)
    _require_growing(stage, path)
    return onnx_file(path)


def onnx_file(path: Path) -> ModelFile:
    """Return the file with the data files that it refers to; they must be in the same folder."""
    model = onnx.load(path, load_external_data=False)
    names = {
        entry.value
        for tensor in model.graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return ModelFile(path, tuple(path.with_name(name) for name in sorted(names)))


def weight_bytes(stage: torch.nn.Module) -> int:
    """Return the size of all parameters and buffers; a shared one counts once."""
    tensors = {id(t): t for t in (*stage.parameters(), *stage.buffers())}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def strip_notes(path: Path) -> None:
    """Remove the exporter's stack traces: they name folders of the machine it ran on."""
    model = onnx.load(path, load_external_data=False)
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
        del part.metadata_props[:]
        part.ClearField("doc_string")
    for function in model.functions:
        del function.metadata_props[:]
        for node in function.node:
            del node.metadata_props[:]
    for tensor in graph.initializer:
        del tensor.metadata_props[:]
    onnx.save(model, path)


def _dynamic_shapes(stage: StageModule) -> tuple[Mapping[int, Dim] | None, ...]:
    axes = {name: Dim(name, min=stage.shortest.get(name, 1)) for name in stage.lengths()}
    return tuple(
        {axis: axes[length] for axis, length in tensor.growing.items()} or None
        for tensor in stage.inputs.values()
    )


def _require_growing(stage: StageModule, path: Path) -> None:
    graph = onnx.load(path, load_external_data=False).graph
    written = {value.name: value.type.tensor_type.shape.dim for value in graph.input}
    for name, tensor in stage.inputs.items():
        if name not in written:
            raise ExportError(f"{path.name}: {type(stage).__name__} never uses its input {name!r}")
        for axis, length in tensor.growing.items():
            if written[name][axis].HasField("dim_value"):
                raise ExportError(
                    f"{path.name}: the axis {length!r} of {name!r} was fixed at "
                    f"{written[name][axis].dim_value}: the stage's code depends on its length"
                )


def _last_cause(error: BaseException) -> str:
    """Return the innermost error: the exporter wraps the reason in pages of advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines)[:300]}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the exporter's warnings and prints; they are about its internals."""
    levels = {name: logging.getLogger(name).level for name in _NOISY}
    try:
        for name in _NOISY:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
