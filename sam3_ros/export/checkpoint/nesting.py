"""Finds the model's tensors in the nested contents of a checkpoint, and what lies beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.checkpoint.contents import Leftover, Note

#: Names that training scripts give the entry with the model.
MODEL_KEYS = ("model", "state_dict", "model_state_dict")
#: Where the model is if it is not there: an average of its weights, or a wrapper's own name.
OTHER_MODEL_KEYS = (
    "module",
    "ema",
    "model_ema",
    "ema_model",
    "ema_state_dict",
    "state_dict_ema",
    "model_weights",
    "weights",
    "params",
    "network",
    "net",
)
#: Of all of these, the names of an average of the weights over the steps of a training.
AVERAGES = ("ema", "model_ema", "ema_model", "ema_state_dict", "state_dict_ema")
#: The beginnings of keys of a training's own state.
_OF_TRAINING = ("optim", "lr_scheduler", "scheduler", "scaler")
#: SAM's positions, one module of transformers' `SamModel` under two names.
_AT_TWO_PLACES = (
    "shared_image_embedding.positional_embedding",
    "prompt_encoder.shared_embedding.positional_embedding",
)
#: Prefixes that PyTorch's wrappers for several devices and for compiling put before every name.
WRAPPERS = ("module.", "_orig_mod.")
#: What EfficientSAM3's training inserts into names, and its own loader removes.
STUDENT_WRAPPER = "student_trunk."


def notes_of(document: Any, prefix: str = "") -> dict[str, Note]:
    """Return the numbers and strings beside the model by dotted name."""
    found: dict[str, Note] = {}
    if not isinstance(document, Mapping):
        return found
    for key, value in document.items():
        name = f"{prefix}{key}"
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            found[name] = value
        elif isinstance(value, Mapping) and not any(isinstance(v, Tensor) for v in value.values()):
            found |= notes_of(value, f"{name}.")
    return found


@dataclass(frozen=True)
class Nested:
    """What a file holds."""

    #: The model's tensors by name, without wrappers' prefixes.
    model: dict[str, Tensor]
    #: Everything else.
    leftovers: tuple[Leftover, ...]
    #: The key of the entry with the model; dotted where it lies deeper, empty at the top.
    place: str


def split_off_model(document: Any) -> Nested:
    """Return the model in a file, and what lies beside it.

    Weights are taken before an average of them. Raises CheckpointError: no model, more than one,
    entries that are not tensors or have no numbers, one name twice, two tensors over the same
    numbers.
    """
    model, leftovers, place = _descend(document)
    odd = [f"{name} ({type(v).__name__})" for name, v in model.items() if not _dense(v)]
    if odd:
        raise CheckpointError(
            f"the model has {len(odd)} entries that are not (dense) tensors: {_first(odd)}; "
            f"save its state_dict alone"
        )
    if empty := [name for name, tensor in model.items() if tensor.is_meta]:
        raise CheckpointError(
            f"{len(empty)} tensors have a shape and no numbers (device 'meta'): {_first(empty)}; "
            f"save the model once its weights are loaded"
        )
    tensors = unwrapped(model)
    _refuse_overlaps(tensors)
    return Nested(tensors, tuple(leftovers), place)


def unwrapped(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries without wrappers' prefixes. Raises CheckpointError for a name twice."""
    found: dict[str, Any] = {}
    for name, value in model.items():
        bare = _bare(name)
        if bare in found:
            raise CheckpointError(
                f"two tensors are called {bare} once the prefixes {', '.join(WRAPPERS)} are "
                f"removed; save one model alone"
            )
        found[bare] = value
    return found


def _descend(document: Any) -> tuple[dict[str, Any], list[Leftover], str]:
    leftovers: list[Leftover] = []
    keys: list[str] = []
    while True:
        if not isinstance(document, Mapping):
            raise CheckpointError(
                f"the file holds a {type(document).__name__}; tensors by name were expected, "
                f'such as torch.save({{"model": STATE_DICT}}, FILE) writes'
            )
        nested = _nested(document)
        if len(nested) > 1:
            raise CheckpointError(
                f"the file holds several models ({', '.join(nested)}); save the one to use alone"
            )
        if not nested:
            break
        leftovers += [
            Leftover(str(key), _bytes_in(value))
            for key, value in document.items()
            if key != nested[0]
        ]
        keys.append(nested[0])
        document = document[nested[0]]
    if not any(isinstance(value, Tensor) for value in document.values()):
        if parts := _parts(document):
            beside = [key for key in document if key not in parts]
            leftovers += [Leftover(str(key), _bytes_in(document[key])) for key in beside]
            named = {f"{key}.{name}": v for key, part in parts.items() for name, v in part.items()}
            return named, leftovers, ".".join(keys)
        raise CheckpointError(
            f"found no tensors at the top or below {', '.join(MODEL_KEYS)}; "
            f"the file holds {_first([str(key) for key in document]) or 'nothing'}{_role(document)}"
        )
    return {str(key): value for key, value in document.items()}, leftovers, ".".join(keys)


def _nested(document: Mapping[Any, Any]) -> list[str]:
    """Return the keys below which the model may be, empty where its tensors are here."""
    if nested := [key for key in MODEL_KEYS if isinstance(document.get(key), Mapping)]:
        return nested
    if any(isinstance(value, Tensor) for value in document.values()):
        return []
    return [key for key in OTHER_MODEL_KEYS if isinstance(document.get(key), Mapping)]


def _parts(document: Mapping[Any, Any]) -> dict[str, Mapping[Any, Any]]:
    """Return the entries that are tensors by name: parts of a model, or a model under its own name.

    Their keys become the first part of the names, where a family looks for its own.
    """
    return {
        str(key): value
        for key, value in document.items()
        if not str(key).startswith(_OF_TRAINING)
        and isinstance(value, Mapping)
        and value
        and all(isinstance(each, Tensor) for each in value.values())
    }


def _role(document: Mapping[Any, Any]) -> str:
    """Say what a training script keeps in a file without a model, empty where it is not known."""
    keys = {str(key) for key in document}
    if keys >= {"state", "param_groups"}:
        return (
            ": the state of an optimiser alone; name the file with the model, which the training "
            "wrote beside it"
        )
    if any(key.startswith(_OF_TRAINING) for key in keys):
        return (
            ": a training's state (optimiser, schedule) without the model; name the file with the "
            "model"
        )
    return ""


def _dense(value: Any) -> bool:
    return isinstance(value, Tensor) and value.layout == torch.strided and not value.is_quantized


def _bare(name: str) -> str:
    while prefix := next((wrapper for wrapper in WRAPPERS if name.startswith(wrapper)), ""):
        name = name.removeprefix(prefix)
    return name.replace(STUDENT_WRAPPER, "")


def _refuse_overlaps(tensors: Mapping[str, Tensor]) -> None:
    """Raise CheckpointError where two tensors share numbers.

    Slices of one buffer are common, but one number under two names is a mistake in saving, other
    than of a module that stands at two places.
    """
    spans = sorted((*_span(tensor), name) for name, tensor in tensors.items() if tensor.numel())
    for (_, end, name), (start, _, other) in pairwise(spans):
        if start < end and not (name.endswith(_AT_TWO_PLACES) and other.endswith(_AT_TWO_PLACES)):
            raise CheckpointError(
                f"{name} and {other} share the same numbers in the file; "
                f"save them apart: {{name: tensor.clone() for name, tensor in STATE_DICT.items()}}"
            )


def _span(tensor: Tensor) -> tuple[int, int]:
    last = sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True))
    start = tensor.data_ptr()
    return start, start + (last + 1) * tensor.element_size()


def _bytes_in(value: Any) -> int:
    storages = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
        for tensor in _tensors_in(value)
        if _dense(tensor)
    }
    return sum(storages.values())


def _tensors_in(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from _tensors_in(entry)
    elif isinstance(value, (list, tuple, set)):
        for entry in value:
            yield from _tensors_in(entry)


def _first(names: list[str], count: int = 5) -> str:
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more
