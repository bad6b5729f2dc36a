"""Reads a stage's weights back out of its ONNX file, so that a bundle alone can teach."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from sam3_ros.core.errors import ExportError


def layers_in(file: Path, stack: str) -> int:
    """Return how many layers a stack of the stage in an ONNX file has, such as `blocks`."""
    names = [each.name for each in onnx.load(file).graph.initializer]
    numbers = {name.split(".")[1] for name in names if name.startswith(f"{stack}.")}
    return len(numbers)


def read_weights(stage: nn.Module, file: Path) -> None:
    """Fill a stage with the weights of the ONNX file that was exported of one like it.

    The exporter keeps the names of most weights. It turns the matrix of a linear layer and drops
    its name, but not that of the bias; and it makes a batch norm part of the convolution before it.
    A bias of keys, which drops out, is not in the file, and is 0 then.
    Raises ExportError where a weight is not in the file, or has another shape.
    """
    found = found_weights(stage, file)
    parameters = {name for name, _ in stage.named_parameters()}
    lacking = sorted(parameters - set(found))
    if lacking:
        raise ExportError(
            f"{file}: expected the weights of {type(stage).__name__}, but it lacks "
            f"{', '.join(lacking[:5])}; take a bundle that the tabletop's training exported"
        )
    state = {name: found[name] for name in stage.state_dict() if name in found}
    try:
        stage.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ExportError(f"{file}: {error}") from error


def found_weights(stage: nn.Module, file: Path) -> dict[str, Tensor]:
    """Return the weights in an ONNX file by the names that a stage has for them, and others."""
    graph = onnx.load(file).graph
    # The tracker's neck is exported within a stage that gives its coarse map out twice, the prompts
    # within one that corrects.
    found = {
        each.name.removeprefix("neck.").removeprefix("prompts."): _tensor(each)
        for each in graph.initializer
    }
    found |= _turned_matrices(graph, found)
    found |= _plain_norms(stage, found)
    found |= _dropped_biases(stage, found)
    return found | _repeated(stage, found)


def _dropped_biases(stage: nn.Module, found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the biases of keys whose matrix is in the file without them."""
    matrices = [name.removesuffix("weight") for name in found if name.endswith("key.weight")]
    names = {f"{matrix}bias" for matrix in matrices} - found.keys()
    own = dict(stage.named_parameters())
    return {name: torch.zeros_like(own[name]) for name in names if name in own}


def _repeated(stage: nn.Module, found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights that a stage only repeats, which are constants of the exporter's naming: the
    one of that shape that is not empty."""
    own = dict(stage.named_parameters())
    constants = [x for name, x in found.items() if name not in own and x.any()]
    weights = {}
    for name in own.keys() - found.keys():
        alike = [x for x in constants if x.shape == own[name].shape]
        if own[name].ndim == 3 and len(alike) == 1:
            weights[name] = alike[0]
    return weights


def _tensor(initializer: onnx.TensorProto) -> Tensor:
    return torch.from_numpy(np.array(numpy_helper.to_array(initializer)))


def _turned_matrices(graph: onnx.GraphProto, found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the matrix of each product whose sum with a named bias comes next."""
    products = {
        node.output[0]: found[node.input[1]]
        for node in graph.node
        if node.op_type == "MatMul" and node.input[1] in found
    }
    matrices = {}
    for node in graph.node:
        if node.op_type != "Add":
            continue
        for bias, product in (node.input, reversed(node.input)):
            if bias.endswith(".bias") and product in products:
                matrices[f"{bias.removesuffix('bias')}weight"] = products[product].T.contiguous()
    return matrices


def _plain_norms(stage: nn.Module, found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return batch norms that only add what the convolution before them took over."""
    norms: dict[str, Tensor] = {}
    for name, module in stage.named_modules():
        if not isinstance(module, nn.BatchNorm2d):
            continue
        above, _, place = name.rpartition(".")
        bias = found.get(f"{above}.{int(place) - 1}.weight_bias")
        if bias is not None:
            norms |= {
                f"{name}.weight": torch.ones_like(bias),
                f"{name}.bias": bias,
                f"{name}.running_mean": torch.zeros_like(bias),
                f"{name}.running_var": torch.full_like(bias, 1 - module.eps),
            }
    return norms
