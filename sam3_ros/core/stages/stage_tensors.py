"""Does a session have the tensors that its stage names, and of the right rank?"""

from __future__ import annotations

from collections.abc import Mapping

from sam3_ros.core.errors import BundleError
from sam3_ros.core.stages.order import Stage
from sam3_ros.core.stages.session import Session, TensorSpec
from sam3_ros.core.stages.tensor_names import RANKS


def check_tensors(stage: Stage, session: Session) -> None:
    """Raise BundleError if a named tensor is absent, an input goes unfed, or a rank is wrong."""
    _check_present(stage, "input", stage.inputs, session.inputs)
    _check_present(stage, "output", stage.outputs, session.outputs)
    unfed = set(session.inputs).difference(stage.inputs.values())
    if unfed:
        raise BundleError(
            f"stage {stage.name!r}: the file wants the inputs {sorted(unfed)}, which the manifest "
            f"does not feed"
        )
    _check_ranks(stage, stage.inputs, session.inputs)
    _check_ranks(stage, stage.outputs, session.outputs)


def _check_present(
    stage: Stage, kind: str, named: Mapping[str, str], specs: Mapping[str, TensorSpec]
) -> None:
    for canonical, name in named.items():
        if name not in specs:
            raise BundleError(
                f"stage {stage.name!r}: the manifest maps {canonical!r} to the {kind} {name!r}, "
                f"but the file's {kind}s are {', '.join(specs) or 'none'}"
            )


def _check_ranks(stage: Stage, named: Mapping[str, str], specs: Mapping[str, TensorSpec]) -> None:
    for canonical, name in named.items():
        shape = specs[name].shape
        expected = RANKS.get(canonical, len(shape))
        # An empty shape is how ONNX Runtime describes an output whose rank the file leaves open.
        if shape and len(shape) != expected:
            raise BundleError(
                f"stage {stage.name!r}: {canonical!r} must have {expected} dimensions, but the "
                f"file has {specs[name]}"
            )
