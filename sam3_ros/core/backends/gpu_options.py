"""What ONNX Runtime is asked for on a GPU; docs/gpu.md has the reasons and the sources."""

from __future__ import annotations

from collections.abc import Callable

from sam3_ros.core.stages.session import SessionOptions
from sam3_ros.core.stages.shapes import ShapeProfile, SizeRange

ProviderOptions = dict[str, str]
Request = tuple[str, ProviderOptions]

#: The oldest ONNX Runtime whose providers know every option here.
OPTIONS_SINCE = "1.20"


def cuda_request(options: SessionOptions) -> list[Request]:
    """The CUDA provider."""
    graphs = {"enable_cuda_graph": "1"} if options.cuda_graphs else {}
    return [("CUDAExecutionProvider", {**_cuda_options(options), **graphs})]


def tensorrt_request(options: SessionOptions) -> list[Request]:
    """The TensorRT provider, and CUDA for the operators that TensorRT does not know.

    Without CUDA behind it they would go to the CPU.
    """
    tensorrt = {
        "device_id": str(options.device_id),
        **_precision(options),
        **_profile(options),
        **_kept(options),
    }
    return [
        ("TensorrtExecutionProvider", tensorrt),
        ("CUDAExecutionProvider", _cuda_options(options)),
    ]


def tensorrt_replays(options: SessionOptions) -> bool:
    """Only where no shape is open: TensorRT's provider keeps one graph of a session."""
    return options.cuda_graphs and options.shapes is not None and options.shapes.is_fixed


def _cuda_options(options: SessionOptions) -> ProviderOptions:
    return {
        "device_id": str(options.device_id),
        # By default the matrix products of fp32 files are rounded to 10 bits of mantissa.
        "use_tf32": "0",
        # Every stage has an arena of its own; powers of two would leave half of each unused.
        "arena_extend_strategy": "kSameAsRequested",
        "cudnn_conv_algo_search": "EXHAUSTIVE",
    }


def _precision(options: SessionOptions) -> ProviderOptions:
    """TensorRT takes a file's types for a wish: half precision has to be allowed besides.

    Then it may also halve what the file keeps in single precision, hence the second option.
    """
    if options.file_precision != "fp16":
        return {}
    return {"trt_fp16_enable": "True", "trt_layer_norm_fp32_fallback": "True"}


def _profile(options: SessionOptions) -> ProviderOptions:
    profile = options.shapes
    if profile is None or not profile.ranges:
        return {"trt_cuda_graph_enable": "True"} if tensorrt_replays(options) else {}
    return {
        "trt_profile_min_shapes": _shapes(profile, lambda size: size.least),
        "trt_profile_opt_shapes": _shapes(profile, lambda size: size.usual),
        "trt_profile_max_shapes": _shapes(profile, lambda size: size.most),
    }


def _shapes(profile: ShapeProfile, pick: Callable[[SizeRange], int]) -> str:
    """For example boxes:1x0x4,box_labels:1x0"""
    return ",".join(
        f"{name}:{'x'.join(str(pick(size)) for size in sizes)}"
        for name, sizes in profile.ranges.items()
    )


def _kept(options: SessionOptions) -> ProviderOptions:
    if options.engines is None:
        return {}
    return {
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": str(options.engines.path),
        "trt_engine_cache_prefix": options.engines.prefix,
        "trt_timing_cache_enable": "True",
        "trt_timing_cache_path": str(options.engines.timings),
    }
