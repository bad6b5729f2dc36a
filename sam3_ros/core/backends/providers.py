"""Each backend as ONNX Runtime's execution provider: its options, and how to get it.

docs/gpu.md has the reasons for the options and their sources.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sam3_ros.core.backends.gpu_libraries import BACKENDS_ON_GPU
from sam3_ros.core.backends.machine import gpu_name
from sam3_ros.core.backends.tf32 import TF32, allows_tf32
from sam3_ros.core.errors import BackendError
from sam3_ros.core.stages.session import SessionOptions
from sam3_ros.core.stages.shapes import ShapeProfile, SizeRange

__all__ = ["BACKENDS_ON_GPU", "OPTIONS_SINCE", "PROVIDERS", "Plugin", "Provider"]

ProviderOptions = dict[str, str]
#: A provider's name in ONNX Runtime, and its options.
Request = tuple[str, ProviderOptions]

#: The oldest ONNX Runtime whose providers know every option here.
OPTIONS_SINCE = "1.20"

# Measured on one H100 (docs/gpu.md): by measuring each convolution cuDNN chooses kernels four to
# six times slower than by its heuristics; but without TF32 the heuristics find none for some.
_TF32 = {"use_tf32": "1", "cudnn_conv_algo_search": "HEURISTIC"}
_EXACT = {"use_tf32": "0", "cudnn_conv_algo_search": "EXHAUSTIVE"}


@dataclass(frozen=True)
class Plugin:
    """A provider that ONNX Runtime was not built with: its package has a library to load."""

    #: The Python module of the package, which says where the library is.
    module: str
    #: The oldest ONNX Runtime whose Python API can use it, as (major, minor).
    since: tuple[int, int]


@dataclass(frozen=True)
class Provider:
    """A backend as ONNX Runtime's execution provider."""

    backend: str
    #: In ONNX Runtime.
    name: str
    #: The wheel that contains it.
    package: str
    #: What the machine must have besides.
    needs: str
    #: Makes the providers to ask for, best first.
    request: Callable[[SessionOptions], list[Request]]
    #: Names the device, by its index, that it builds engines for; None if it builds none.
    engines_for: Callable[[int], str] | None = None
    #: It also keeps what it measured while it built an engine.
    keeps_timings: bool = False
    #: It writes what it keeps when a session's memory is freed, which may be after its close, where
    #: a tensor outlives it. So it must itself reject a file that is damaged.
    writes_when_freed: bool = False
    #: ONNX Runtime's name for the kind of memory that its tensors are in.
    memory: str = "cpu"
    #: The precisions that it can compute fp32 files in, besides their own.
    computes: tuple[str, ...] = ()
    #: Whether its sessions can compute in a stream that they are given, SessionOptions.stream.
    takes_stream: bool = False
    #: Whether a session with these options replays its runs from CUDA graphs.
    replays: Callable[[SessionOptions], bool] = lambda _: False
    #: Where its library is, if it is a plug-in.
    plugin: Plugin | None = None

    def require_available(self, available: Sequence[str]) -> None:
        """Raise BackendError unless the installed ONNX Runtime was built with this provider."""
        if self.name not in available:
            raise BackendError(
                f"backend {self.backend!r} needs ONNX Runtime's {self.name}, and the installed one "
                f"has only {', '.join(available) or 'none'}: {self.how_to_get()}"
            )

    def require_running(self, running: Sequence[str]) -> None:
        """Raise BackendError if the session came up on another provider."""
        if not running or running[0] != self.name:
            raise BackendError(
                f"backend {self.backend!r} was asked for, but ONNX Runtime could not start "
                f"{self.name} and would run on {', '.join(running) or 'nothing'}: it needs "
                f"{self.needs}"
            )

    def how_to_get(self) -> str:
        """Return one line: the pip command and what the machine needs."""
        replaces = self.package != "onnxruntime" and self.plugin is None
        swap = "pip uninstall -y onnxruntime && " if replaces else ""
        return f"`{swap}pip install {self.package}`; it needs {self.needs}"


def cpu_request(_options: SessionOptions) -> list[Request]:
    """Ask for the CPU provider."""
    return [("CPUExecutionProvider", {})]


def cuda_request(options: SessionOptions) -> list[Request]:
    """Ask for the CUDA provider."""
    graphs = {"enable_cuda_graph": "1"} if options.cuda_graphs else {}
    return [("CUDAExecutionProvider", {**_cuda_options(options), **graphs})]


def tensorrt_request(options: SessionOptions) -> list[Request]:
    """Ask for the TensorRT provider, and CUDA for the operators that TensorRT lacks.

    Without CUDA they would go to the CPU.
    """
    tensorrt = {
        "device_id": str(options.device_id),
        **_stream(options),
        **_precision(options),
        **_profile(options),
        **_kept(options),
    }
    return [
        ("TensorrtExecutionProvider", tensorrt),
        ("CUDAExecutionProvider", _cuda_options(options)),
    ]


def tensorrt_rtx_request(options: SessionOptions) -> list[Request]:
    """Ask for TensorRT for RTX. The device is no option: a plug-in's session is made for one.

    It computes in the precisions that the file has, so nothing is to be allowed.
    """
    graphs = {"enable_cuda_graph": "1"} if options.cuda_graphs else {}
    kept = {} if options.engines is None else {"nv_runtime_cache_path": str(options.engines.path)}
    asked = {**_ranges("nv_profile", options.shapes), **graphs, **kept}
    return [("NvTensorRTRTXExecutionProvider", asked)]


def tensorrt_replays(options: SessionOptions) -> bool:
    """Return whether no shape is open: TensorRT's provider keeps one graph of a session."""
    return options.cuda_graphs and options.shapes is not None and options.shapes.is_fixed


def _cuda_options(options: SessionOptions) -> ProviderOptions:
    return {
        "device_id": str(options.device_id),
        **_stream(options),
        # Every stage has an arena of its own; powers of two would leave half of each unused.
        "arena_extend_strategy": "kSameAsRequested",
        **(_TF32 if allows_tf32(options) else _EXACT),
    }


def _stream(options: SessionOptions) -> ProviderOptions:
    return {} if options.stream is None else {"user_compute_stream": str(options.stream)}


def _precision(options: SessionOptions) -> ProviderOptions:
    """Allow half precision for a file that is stored in it, which TensorRT does not by itself.

    TensorRT may then also halve what the file keeps in single precision, hence the second option.
    """
    if options.file_precision != "fp16":
        return {}
    return {"trt_fp16_enable": "True", "trt_layer_norm_fp32_fallback": "True"}


def _profile(options: SessionOptions) -> ProviderOptions:
    graphs = {"trt_cuda_graph_enable": "True"} if tensorrt_replays(options) else {}
    return _ranges("trt_profile", options.shapes) or graphs


def _ranges(prefix: str, profile: ShapeProfile | None) -> ProviderOptions:
    """Return the options with the sizes to come; none where they are fixed or unknown."""
    if profile is None or not profile.ranges:
        return {}
    return {
        f"{prefix}_min_shapes": _shapes(profile, lambda size: size.least),
        f"{prefix}_opt_shapes": _shapes(profile, lambda size: size.usual),
        f"{prefix}_max_shapes": _shapes(profile, lambda size: size.most),
    }


def _shapes(profile: ShapeProfile, pick: Callable[[SizeRange], int]) -> str:
    """Return shapes as TensorRT reads them, for example boxes:1x0x4,box_labels:1x0"""
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


_CUDA_NEEDS = "an NVIDIA GPU with its driver, CUDA 13 and cuDNN 9 (for onnxruntime-gpu 1.31)"
_RTX_CARDS = "an NVIDIA RTX card of compute capability 8.6, 8.9 or 12.0 and later"

PROVIDERS = {
    provider.backend: provider
    for provider in (
        Provider("cpu", "CPUExecutionProvider", "onnxruntime", "nothing else", cpu_request),
        Provider(
            "cuda",
            "CUDAExecutionProvider",
            "onnxruntime-gpu",
            _CUDA_NEEDS,
            cuda_request,
            memory="cuda",
            computes=(TF32,),
            takes_stream=True,
            replays=lambda options: options.cuda_graphs,
        ),
        Provider(
            "tensorrt",
            "TensorrtExecutionProvider",
            "onnxruntime-gpu",
            f"{_CUDA_NEEDS}, and the TensorRT 10 libraries (pip install tensorrt-cu13==10.*)",
            tensorrt_request,
            engines_for=gpu_name,
            keeps_timings=True,
            memory="cuda",
            computes=(TF32,),
            takes_stream=True,
            replays=tensorrt_replays,
        ),
        Provider(
            "tensorrt_rtx",
            "NvTensorRTRTXExecutionProvider",
            "onnxruntime-ep-nv-tensorrt-rtx",
            f"{_RTX_CARDS}, with a driver for CUDA 13",
            tensorrt_rtx_request,
            engines_for=gpu_name,
            writes_when_freed=True,
            memory="cuda",
            computes=(TF32,),
            # TensorRT for RTX captures by itself, for each set of shapes; from fixed addresses it
            # need not capture anew.
            replays=lambda options: options.cuda_graphs,
            plugin=Plugin("onnxruntime_ep_nv_tensorrt_rtx", (1, 25)),
        ),
    )
}
