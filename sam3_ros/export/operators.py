"""How some of PyTorch's operators are written as ONNX, other than by PyTorch's exporter."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from onnx.defs import OpSchema, has, register_schema
from onnxscript import opset18 as op
from onnxscript.values import Opset

#: The domain of ONNX Runtime's own operators.
ONNX_RUNTIME = "com.microsoft"
ATTENTION = "MultiHeadAttention"
# Added to the score of what must not be attended to: its weight becomes 0, in float16 as well.
_NEVER = -8e3


def gelu(x: Any, approximate: str = "none") -> Any:
    """Return x * (1 + erf(x / sqrt 2)) * 0.5, in the order that ONNX Runtime fuses to one operator.

    PyTorch's exporter writes x * (0.5 * (...)), which runs as five operators and takes a tenth of
    the time of an image encoder. The tanh approximation is fused as (x * 0.5) * (1 + tanh(...)) of
    sqrt(2 / pi) * (x + 0.044715 x^3) (Hendrycks, Gimpel, 2016): as eight operators it takes a third
    of the time of EfficientViT-SAM's encoder.
    """
    if approximate == "tanh":
        cubic = op.Add(x, op.Mul(op.Pow(x, 3.0), 0.044715))
        tanh = op.Tanh(op.Mul(cubic, math.sqrt(2.0 / math.pi)))
        return op.Mul(op.Mul(x, 0.5), op.Add(tanh, 1.0))
    both = op.Mul(x, op.Add(op.Erf(op.Div(x, math.sqrt(2.0))), 1.0))
    return op.Mul(both, 0.5)


def own_gelu(x: Any, approximate: str = "none") -> Any:
    """Return GELU as one operator of ONNX Runtime, also in half precision.

    ONNX Runtime fuses `gelu`'s formula only where all of it has one precision.
    """
    return _own().FastGelu(x) if approximate == "tanh" else _own().Gelu(x)


def own_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Return scaled dot product attention, [B,H,Q,c], as one operator of ONNX Runtime.

    It takes and gives [B,Q,H*c]; the exporter cancels the transposes that meet. Values may have
    another width than queries and keys.
    """
    _require_plain(dropout_p, is_causal, enable_gqa)
    heads, width = int(query.shape[1]), int(query.shape[3])

    read = int(value.shape[3])

    def joined(tensor: Any) -> Any:
        size = heads * int(tensor.shape[3])
        return op.Reshape(op.Transpose(tensor, perm=[0, 2, 1, 3]), _sizes(0, 0, size))

    bias = [] if attn_mask is None else [None, None, _for_every_query(attn_mask, query)]
    answer = _own().MultiHeadAttention(
        joined(query),
        joined(key),
        joined(value),
        *bias,
        num_heads=heads,
        scale=width**-0.5 if scale is None else scale,
    )
    return op.Transpose(op.Reshape(answer, _sizes(0, 0, heads, read)), perm=[0, 2, 1, 3])


def whole_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Return scaled dot product attention as two products and a softmax, which TensorRT fuses.

    PyTorch's exporter scales queries and keys, each by the root, which is one operator more.
    """
    _require_plain(dropout_p, is_causal, enable_gqa)
    factor = int(query.shape[3]) ** -0.5 if scale is None else scale
    scores = op.MatMul(op.Mul(query, factor), op.Transpose(key, perm=[0, 1, 3, 2]))
    if attn_mask is not None:
        scores = op.Add(scores, _additive(attn_mask))
    return op.MatMul(op.Softmax(scores, axis=-1), value)


def _for_every_query(mask: Any, query: Any) -> Any:
    """Return the mask [B or 1,H or 1,Q,N]; the operator does not repeat it for the queries."""
    mask = _additive(mask)
    if len(mask.shape) == 2:  # [Q,N]
        return op.Unsqueeze(mask, _sizes(0, 1))
    if mask.shape[2] != 1 or query.shape[2] == 1:
        return mask
    queries = op.Shape(query, start=2, end=3)
    shape = op.Concat(_sizes(1, 1), queries, _sizes(1), axis=0)
    return op.Expand(mask, shape)


def _additive(mask: Any) -> Any:
    if mask.dtype.name == "BOOL":
        return op.Where(mask, 0.0, _NEVER)
    return mask


def _sizes(*sizes: int) -> Any:
    return op.Constant(value_ints=list(sizes))


def _require_plain(dropout_p: float, is_causal: bool, enable_gqa: bool) -> None:
    if dropout_p or is_causal or enable_gqa:
        raise NotImplementedError("attention with dropout, a causal flag or shared heads")


def _own() -> Opset:
    """Return ONNX Runtime's operators, which onnx must know to write them.

    Contract: github.com/microsoft/onnxruntime, docs/ContribOperators.md.
    """
    if not has(ATTENTION, domain=ONNX_RUNTIME):
        for schema in (_attention_schema(), _unary_schema("Gelu"), _unary_schema("FastGelu")):
            register_schema(schema)
    return Opset(ONNX_RUNTIME, 1)


def _attention_schema() -> OpSchema:
    optional = OpSchema.FormalParameterOption.Optional
    inputs = [OpSchema.FormalParameter("query", "T")]
    for name in ("key", "value", "bias", "key_padding_mask", "attention_bias"):
        kind = "M" if name == "key_padding_mask" else "T"
        inputs.append(OpSchema.FormalParameter(name, kind, param_option=optional))
    return OpSchema(
        ATTENTION,
        ONNX_RUNTIME,
        1,
        inputs=inputs,
        outputs=[OpSchema.FormalParameter("output", "T")],
        type_constraints=[_FLOATS, ("M", ["tensor(int32)"], "")],
        attributes=[
            OpSchema.Attribute("num_heads", OpSchema.AttrType.INT, "", required=True),
            OpSchema.Attribute("scale", OpSchema.AttrType.FLOAT, "", required=False),
        ],
    )


def _unary_schema(name: str) -> OpSchema:
    return OpSchema(
        name,
        ONNX_RUNTIME,
        1,
        inputs=[OpSchema.FormalParameter("x", "T")],
        outputs=[OpSchema.FormalParameter("y", "T")],
        type_constraints=[_FLOATS],
    )


_FLOATS = ("T", ["tensor(float)", "tensor(float16)"], "")
_Translations = Mapping[Callable[..., Any], Callable[..., Any]]
_GELU = torch.ops.aten.gelu.default
_SDPA = torch.ops.aten.scaled_dot_product_attention.default

#: Translations for torch.onnx.export: for any engine, one query chunk after the other.
PLAIN: _Translations = MappingProxyType({_GELU: gelu})
#: The same with whole attention.
WHOLE: _Translations = MappingProxyType({_GELU: gelu, _SDPA: whole_attention})
#: With ONNX Runtime's own operators.
OF_ONNX_RUNTIME: _Translations = MappingProxyType({_GELU: own_gelu, _SDPA: own_attention})
