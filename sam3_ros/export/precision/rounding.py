"""The rounding of half precision as a GPU does it.

ONNX Runtime's CPU has next to no kernels for half: it computes in single precision and omits the
rounding between one half node and the next, so that neither loss nor overflow shows (a sum of half
values 60000 + 60000 is 120000 there, infinite on a GPU). A file that is measured on a CPU must
therefore state every rounding explicitly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import onnx
from onnx import NodeProto, TensorProto, helper

from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.order import StageSpec
from sam3_ros.core.stages.session import BRIEF_USE
from sam3_ros.export.precision.model_file import Values, load_flat, save

_ROUNDED = "__rounded"
_WIDE = "__wide"


def rounded_as_on_gpu(source: Path, folder: Path) -> Path:
    """Return a file to measure in place of `source`.

    It is `source` itself where that holds no half precision, otherwise what write_rounded makes of
    it, in `folder` under the same name.
    """
    model = onnx.load(source, load_external_data=False)
    casts = (a.i for n in model.graph.node if n.op_type == "Cast" for a in n.attribute)
    kinds = {tensor.data_type for tensor in model.graph.initializer} | set(casts)
    if TensorProto.FLOAT16 not in kinds:
        return source
    write_rounded(source, folder / source.name)
    return folder / source.name


def write_rounded(source: Path, target: Path) -> None:
    """Write a model with half precision in it so that any engine rounds as a GPU does.

    Every node that makes half values computes in single precision, as a GPU sums inside one node,
    and its result is cast to half and back. Raises ExportError where source cannot be read.
    """
    model = load_flat(source)
    values = Values.of(model)
    half = {name for name, kind in values.types.items() if kind == TensorProto.FLOAT16}
    widened: set[str] = set()
    nodes = [new for node in model.graph.node for new in _explicit(node, half, widened)]
    del model.graph.node[:], model.graph.value_info[:]
    model.graph.node.extend(nodes)
    save(model, target)


def _explicit(node: NodeProto, half: set[str], widened: set[str]) -> Iterator[NodeProto]:
    makes_half = half.intersection(node.output)
    if node.op_type == "Cast" or not (makes_half or half.intersection(node.input)):
        yield node
        return
    for name in half.intersection(node.input) - widened:
        widened.add(name)
        yield helper.make_node("Cast", [name], [name + _WIDE], to=TensorProto.FLOAT)
    new = NodeProto()
    new.CopyFrom(node)
    new.input[:] = [name + _WIDE if name in half else name for name in node.input]
    new.output[:] = [name + _ROUNDED if name in half else name for name in node.output]
    yield new
    for name in makes_half:
        yield helper.make_node("Cast", [name + _ROUNDED], [name], to=TensorProto.FLOAT16)


def measured_graph(
    stages: Iterable[StageSpec], files: Mapping[str, Path], scratch: Path
) -> StageGraph:
    """Return a graph of the stages on the CPU, half precision with every rounding that a GPU makes.

    files: by stage name. scratch: an existing folder for the files that are run in their place; it
    must outlive the graph.
    """
    return StageGraph(
        stages,
        lambda stage: open_session(
            rounded_as_on_gpu(files[stage.name], scratch), options=BRIEF_USE
        ),
    )
