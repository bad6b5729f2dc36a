"""Linear layers that follow each other as one, for the file that is exported.

In use a batch norm is a factor and an offset for each channel, so a convolution and its batch norm
are one convolution. Engines find such pairs too, but they multiply in float32 and leave out what a
module sums in branches. Here kernels are combined in float64.
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import TypeVar

from torch import Tensor, nn

Part = TypeVar("Part", bound=nn.Module)
#: Weight and bias of a convolution, in float64.
Kernel = tuple[Tensor, Tensor]


class Foldable(nn.Module):
    """A module that another module can stand in for when it is exported."""

    def folded(self) -> nn.Module:
        """Return a module that computes the same with less work, from the current weights."""
        raise NotImplementedError


def with_folded_parts(module: Part) -> Part:
    """Return the module with every Foldable below it folded, and the batch norms of sequences.

    It shares with the module what did not change, and is the module where nothing did.
    """
    parts = {name: _folded(part) for name, part in module._modules.items() if part is not None}
    if isinstance(module, nn.Sequential):
        _fold_norms(parts)
    if all(module._modules[name] is part for name, part in parts.items()):
        return module
    return _copied(module, _modules={**module._modules, **parts})


def factor_and_offset(norm: nn.BatchNorm2d) -> Kernel:
    """Return f64[C] and f64[C]: what a batch norm multiplies by and then adds, in evaluation."""
    weight, bias = norm.weight.detach().double(), norm.bias.detach().double()
    factor = weight / (norm.running_var.double() + norm.eps).sqrt()
    return factor, bias - norm.running_mean.double() * factor


def kernel_of(convolution: nn.Conv2d) -> Kernel:
    """Return the kernel of a convolution, its bias 0 where it has none."""
    weight = convolution.weight.detach().double()
    if convolution.bias is None:
        return weight, weight.new_zeros(len(weight))
    return weight, convolution.bias.detach().double()


def normed(kernel: Kernel, norm: nn.BatchNorm2d) -> Kernel:
    """Return the kernel of a convolution and the batch norm after it."""
    (weight, bias), (factor, offset) = kernel, factor_and_offset(norm)
    return weight * factor[:, None, None, None], bias * factor + offset


def with_kernel(convolution: nn.Conv2d, kernel: Kernel) -> nn.Conv2d:
    """Return a convolution of the same shape, stride and so on, in float32 as the original."""
    names = ("weight", "bias")
    numbers = (each.to(convolution.weight.dtype).contiguous() for each in kernel)
    parameters = (nn.Parameter(each, requires_grad=False) for each in numbers)
    return _copied(convolution, _parameters=dict(zip(names, parameters, strict=True)))


def with_norm(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """Return one convolution in place of a convolution and the batch norm after it."""
    return with_kernel(convolution, normed(kernel_of(convolution), norm))


def _folded(part: nn.Module) -> nn.Module:
    return part.folded() if isinstance(part, Foldable) else with_folded_parts(part)


def _fold_norms(parts: dict[str, nn.Module]) -> None:
    """Fold in place the batch norms that stand right behind a convolution in a sequence."""
    for name, after in pairwise(list(parts)):
        convolution, norm = parts[name], parts[after]
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            parts[name], parts[after] = with_norm(convolution, norm), nn.Identity()


def _copied(module: Part, **attributes: object) -> Part:
    """Return a shallow copy with other attributes; assigning them would register them."""
    copied = copy.copy(module)
    copied.__dict__.update(attributes)
    return copied
