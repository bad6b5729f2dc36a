"""TF32: NVIDIA's GPUs multiply fp32 numbers ten times as fast, rounded to 10 bits of mantissa.

That is as many as fp16 has. So it is a precision of its own here, and `fp32` computes without it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from sam3_ros.core.errors import PrecisionError
from sam3_ros.core.stages.session import SessionOptions

#: The precision that allows it, computed from fp32 files.
TF32 = "tf32"
#: 0 in a process's environment forbids TF32 to all of NVIDIA's libraries in it.
OVERRIDE = "NVIDIA_TF32_OVERRIDE"
#: These use TF32 for fp32 layers, and have no option against it.
BY_ITSELF = frozenset({"tensorrt", "tensorrt_rtx"})


def allows_tf32(options: SessionOptions) -> bool:
    """Return whether products of fp32 may be in TF32.

    Also those in fp16 files, which keep softmax, LayerNorm and the like in fp32: without it they
    run at a tenth of the speed, and with it they lose no more than their neighbours.
    """
    return options.compute == TF32 or options.file_precision == "fp16"


def is_tf32_forbidden(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether the environment of the process forbids TF32 to NVIDIA's libraries."""
    return environment.get(OVERRIDE) == "0"


def require_tf32_as_asked(
    backend: str, options: SessionOptions, environment: Mapping[str, str] = os.environ
) -> None:
    """Raise PrecisionError where a backend would compute in TF32 unasked, or not though asked."""
    is_forbidden = is_tf32_forbidden(environment)
    if options.compute == TF32 and is_forbidden:
        raise PrecisionError(
            f"backend {backend!r} cannot compute in {TF32}: {OVERRIDE}=0 in the environment "
            f"forbids it to NVIDIA's libraries: unset it, or ask for fp32"
        )
    is_exact = options.compute == "stored" and options.file_precision == "fp32"
    if backend in BY_ITSELF and is_exact and not is_forbidden:
        raise PrecisionError(
            f"backend {backend!r} would compute fp32 in {TF32}, and has no option against it: set "
            f"{OVERRIDE}=0 in the environment of the process, or ask for {TF32}"
        )
