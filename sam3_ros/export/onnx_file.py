"""One stage as one ONNX file, with its weights beside it where they are too large for one file."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stdout
from io import StringIO
from pathlib import Path

import onnx
import torch
from torch.export import Dim

from sam3_ros.core.bundle.files import ModelFile
from sam3_ros.core.errors import ExportError
from sam3_ros.export.attention import whole_attention
from sam3_ros.export.fused_attention import tidy_attention
from sam3_ros.export.rendition import PORTABLE, Rendition
from sam3_ros.export.stage import StageModule

#: What PyTorch's exporter writes without converting, and what the oldest ONNX Runtime that we
#: allow, OpenVINO and TensorRT all read. Later sets add nothing that these networks use.
OPSET = 18

#: A protocol buffer ends at 2 GiB, and writing one takes its size twice in memory.
EXTERNAL_ABOVE_BYTES = 1_500_000_000

# Distinct, so that the exporter does not take two axes of equal length for the same axis.
_EXPORT_LENGTHS = (2, 3, 5, 7, 11, 13)
_NOISY = ("torch.onnx", "torch.export", "torch.fx", "torch._dynamo", "onnxscript", "onnx_ir")


def write_onnx(
    stage: StageModule,
    path: Path,
    rendition: Rendition = PORTABLE,
    external_above: int = EXTERNAL_ABOVE_BYTES,
    seed: int = 0,
) -> ModelFile:
    """Write a rendition of a stage at `path`, folded, its tensors under their canonical names.

    Axes that TensorInput names with a string may grow, unless the rendition fixes them; the same
    string is the same length. Weights of more than external_above bytes go to `<path>.data`. The
    file names nothing of this machine. Raises ExportError where PyTorch cannot export the stage, or
    fixes an axis that must grow.
    """
    lengths = {**dict(zip(stage.lengths(), _EXPORT_LENGTHS, strict=False)), **rendition.fixed}
    folded = stage.folded().eval()
    written_as = nullcontext() if rendition.is_portable else whole_attention(folded)
    external = weight_bytes(folded) > external_above
    try:
        with _quiet(), written_as:
            torch.onnx.export(
                folded,
                tuple(stage.examples(lengths, seed).values()),
                str(path),
                input_names=list(stage.inputs),
                output_names=list(stage.outputs),
                dynamic_shapes=_dynamic_shapes(stage, rendition.fixed),
                dynamo=True,
                opset_version=OPSET,
                custom_translation_table=dict(rendition.translations),
                external_data=external,
                verbose=False,
            )
    except Exception as error:  # the exporter's own errors have no common base
        reason = _last_cause(error)
        raise ExportError(f"PyTorch cannot export {type(stage).__name__}: {reason}") from error
    strip_notes(path)
    if not rendition.is_portable:
        tidy_attention(path)
    _require_growing(stage, path, rendition.fixed)
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


def _dynamic_shapes(
    stage: StageModule, fixed: Mapping[str, int]
) -> tuple[Mapping[int, Dim] | None, ...]:
    growing = (name for name in stage.lengths() if name not in fixed)
    axes = {name: Dim(name, min=stage.shortest.get(name, 1)) for name in growing}
    return tuple(
        {axis: axes[length] for axis, length in tensor.growing.items() if length in axes} or None
        for tensor in stage.inputs.values()
    )


def _require_growing(stage: StageModule, path: Path, fixed: Mapping[str, int]) -> None:
    graph = onnx.load(path, load_external_data=False).graph
    written = {value.name: value.type.tensor_type.shape.dim for value in graph.input}
    for name, tensor in stage.inputs.items():
        if name not in written:
            raise ExportError(f"{path.name}: {type(stage).__name__} never uses its input {name!r}")
        for axis, length in tensor.growing.items():
            if length not in fixed and written[name][axis].HasField("dim_value"):
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
