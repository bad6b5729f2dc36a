"""Eight-bit weights for matrix products; the other factor is quantised at run time.

ONNX Runtime's dynamic quantisation, of MatMul and Gemm with stored weights only. Convolutions stay
in float32: quantised dynamically they are slower on every CPU tried, and wrong. Products of two
computed values, as in attention, stay in float32 too.

Weights and activations are both unsigned. With signed weights, which are faster where a CPU has
VNNI, x86-64 without it (Intel before Cascade Lake, Ice Lake and Alder Lake, AMD before Zen 4) sums
two products in 16 bits: 2 * 255 * 127 exceeds 32767 and is silently cut off. Weights of 7 bits
avoid that too (2 * 255 * 64 = 32640), at twice the loss in the masks. Unsigned ones give the same
results everywhere, with all their 8 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from sam3_ros.core.errors import ExportError
from sam3_ros.export.onnx_file import EXTERNAL_ABOVE_BYTES, onnx_file
from sam3_ros.export.precision.half_graph import rewrite
from sam3_ros.export.precision.model_file import (
    Feeds,
    Values,
    load_flat,
    open_engine,
    require_valid,
    save,
)
from sam3_ros.export.precision.placement import tables_in_half
from sam3_ros.export.precision.spread import measure_spreads
from sam3_ros.export.precision.stored_products import as_matmuls

#: Stages whose outputs are the masks, the scores and the exemplars themselves: an eighth of a
#: model's weights and less of its time, and each rounding shows. Left in float32.
CLOSE_TO_ANSWERS = frozenset(
    {
        "geometry",
        "mask_decoder",
        "memory_encoder",
        "object_pointer",
        "prompt_encoder",
        "scoring",
        "segmentation",
    }
)
#: A file that does not shrink to this share of its float32 size is not worth its loss.
WORTHWHILE = 0.8
#: The peak (spread.py) of a product's input from which on 255 steps are too coarse: their rounding
#: is then 7 % of the root mean square. Trained transformers have a few such inputs, where single
#: channels are a hundred times the others (Dettmers et al., arXiv 2208.07339).
MOST_UNEVEN = 60.0


@dataclass(frozen=True)
class Int8Report:
    """The result of converting one file."""

    #: False where int8 would gain too little; then the float32 file is to be used.
    written: bool
    #: Size of the file to use: the float32 file's where nothing was written.
    bytes: int
    fp32_bytes: int
    int8_products: int
    #: Number of products with stored weights that stay in float32 because the other factor is too
    #: uneven.
    uneven_products: int
    #: Why nothing was written; else "".
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return {
            "written": self.written,
            "bytes": self.bytes,
            "fp32_bytes": self.fp32_bytes,
            "int8_products": self.int8_products,
            "uneven_products": self.uneven_products,
            "reason": self.reason,
        }


def convert_to_int8(
    source: Path,
    target: Path,
    feeds: Sequence[Feeds],
    external_above: int = EXTERNAL_ABOVE_BYTES,
) -> Int8Report:
    """Write `source`, a float32 ONNX file, at `target` with 8-bit weights, if that is worth it.

    feeds: inputs by name as the stage meets them in use; a product whose input they show to be more
    uneven than MOST_UNEVEN stays in float32. Inputs and outputs keep their types. More than
    external_above bytes of weights go to a file beside target. Raises ExportError where source
    cannot be read, or the result is not valid ONNX or cannot be loaded.
    """
    with TemporaryDirectory(dir=target.parent) as folder:
        prepared, quantised = Path(folder) / "prepared.onnx", Path(folder) / "quantised.onnx"
        _prepare(source, prepared)
        uneven, with_vectors = _products_in_float32(prepared, feeds)
        _quantise(prepared, quantised, [*uneven, *with_vectors])
        model = load_flat(quantised)
        del model.metadata_props[:]  # internal notes of the quantiser
        products = sum(node.op_type == "MatMulInteger" for node in model.graph.node)
        written = save(model, target, external_above)
    fp32_bytes = onnx_file(source).bytes
    size = sum(path.stat().st_size for path in written)
    if not products or size > WORTHWHILE * fp32_bytes:
        for path in written:
            path.unlink()
        reason = (
            f"with {products} products in int8 it would have {size / fp32_bytes:.0%} of the size"
        )
        return Int8Report(False, fp32_bytes, fp32_bytes, 0, len(uneven), reason)
    require_valid(target)
    open_engine(target)  # raises where it cannot be loaded
    return Int8Report(True, size, fp32_bytes, products, len(uneven), "")


def _prepare(source: Path, prepared: Path) -> None:
    """Write the graph as the quantiser needs it, with embedding tables in half precision.

    The tables' rounding is far below that of 8 bits, and they can be most of a text encoder.
    """
    model = load_flat(source)
    values = Values.of(model)
    rewrite(model, values, tables_in_half(model, values))
    as_matmuls(model)
    del model.graph.value_info[:]  # describes removed values; the quantiser infers its own
    for index, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{index}"  # the quantiser identifies nodes by name
    add_pre_process_metadata(model)
    save(model, prepared)


def _products_in_float32(prepared: Path, feeds: Sequence[Feeds]) -> tuple[list[str], list[str]]:
    """Return names of the products whose input is too uneven, and of those with a stored vector,
    which no kernel has in eight bits."""
    model = load_flat(prepared)
    values = Values.of(model)
    products = [n for n in model.graph.node if n.op_type == "MatMul" and values.stored(n)]
    vectors = {tensor.name for tensor in model.graph.initializer if len(tensor.dims) < 2}
    with_vectors = [node.name for node in products if vectors & {*node.input}]
    read_by = {node.name: node.input[0] for node in products if node.name not in with_vectors}
    spreads = measure_spreads(prepared, sorted(set(read_by.values())), feeds, prepared.parent)
    uneven = [name for name, value in read_by.items() if spreads[value].peak > MOST_UNEVEN]
    return uneven, with_vectors


def _quantise(prepared: Path, quantised: Path, left_out: list[str]) -> None:
    try:
        quantize_dynamic(
            prepared,
            quantised,
            op_types_to_quantize=["MatMul"],
            nodes_to_exclude=left_out,
            per_channel=True,
            weight_type=QuantType.QUInt8,
            use_external_data_format=True,
            extra_options={"MatMulConstBOnly": True},
        )
    except Exception as error:  # its errors have no common base
        raise ExportError(f"{prepared.name} cannot be quantised: {error}") from error
