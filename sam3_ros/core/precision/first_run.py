"""What the process does in which a bundle from a stranger runs first: load all, run each once.

It is started by core/trial and bounds itself: memory, time, files, and no core dump. It ends with
the process that started it.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sam3_ros.core.backends.factory import OPENVINO, open_session
from sam3_ros.core.backends.onnxruntime_session import import_onnxruntime
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import BackendError, Sam3RosError
from sam3_ros.core.precision.questions import few_images, standard_images
from sam3_ros.core.precision.recorded import recorded_of
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.session import Session, SessionOptions

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_MOST_BYTES_WRITTEN = 1 << 20
_BYTES_OF_A_THREAD = 16 << 20
_MOST_CHARACTERS = 2000
_NO_MEMORY = re.compile(
    r"bad_alloc|(failed|unable) to allocate|out of memory|cannot allocate|length_error"
)

Request = Mapping[str, Any]


def main(request: Request) -> None:
    """Run a bundle as core/trial asks, and print how that ended as JSON."""
    _end_with(request["parent"])
    answers = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no answer
    threads = request["threads"] or os.cpu_count() or 1
    _bound(resource.RLIMIT_CORE, 0)
    _bound(resource.RLIMIT_FSIZE, _MOST_BYTES_WRITTEN)
    _bound(resource.RLIMIT_CPU, int(request["seconds"] * threads) + 1)
    _import_engines({each["backend"] for each in request["stages"].values()})
    # The stacks of the engine's threads are reserved, hardly used.
    reserved = _address_space() + threads * _BYTES_OF_A_THREAD
    _bound(resource.RLIMIT_AS, reserved + request["memory"])
    os.write(answers, json.dumps(_tried(request)).encode())
    os._exit(0)  # the end of an interpreter with sessions takes time, and tells nothing


def _tried(request: Request) -> dict[str, Any]:
    stages: Mapping[str, Any] = request["stages"]
    on_gpu = any(each["is_for_gpu"] for each in stages.values())
    try:
        _run(request)
    except MemoryError as error:
        return {"error": _text(error), "out_of_memory": True}
    except Sam3RosError as error:
        text = _text(error)
        return {
            "error": text,
            "kind": type(error).__name__,
            "out_of_memory": _is_about_memory(error),
            "on_gpu_alone": on_gpu,
        }
    return {}


def _run(request: Request) -> None:
    stages, options = request["stages"], SessionOptions(request["threads"])
    bundle = Bundle.checked_before(Path(request["bundle"]))
    manifest = bundle.manifest
    graph = StageGraph(manifest.stages.values(), lambda stage: _opened(stages[stage.name], options))
    for name in stages:
        if manifest.stages[name].files:
            graph.load([name])
        else:
            _open_if_possible(stages[name], options)
    if request["asks"]:
        tokenizer = bundle.tokenizer_file if manifest.concept else None
        images = few_images(standard_images(manifest, tokenizer))
        recorded_of(graph, manifest, images)


def _opened(tried: Mapping[str, Any], options: SessionOptions) -> Session:
    """Open the first file that the CPU can run."""
    first, *others = tried["files"]
    try:
        return open_session(Path(first), tried["backend"], options)
    except BackendError as error:
        if not others or _is_about_memory(error):
            raise
        return _opened({**tried, "files": others}, options)


def _open_if_possible(tried: Mapping[str, Any], options: SessionOptions) -> None:
    """Make a session of a file that only a GPU need be able to run."""
    try:
        _opened(tried, options).close()
    except BackendError as error:
        if _is_about_memory(error):
            raise


def _is_about_memory(error: Exception) -> bool:
    return _NO_MEMORY.search(str(error).lower()) is not None


def _text(error: BaseException) -> str:
    return str(error)[:_MOST_CHARACTERS]


def _import_engines(backends: set[str]) -> None:
    """Import what runs the stages, so that its own memory does not count as the bundle's."""
    import_onnxruntime()
    if OPENVINO in backends:
        from sam3_ros.core.backends.openvino_session import core

        core().available_devices  # noqa: B018, loads the plug-ins


def _bound(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(what, (most, most))


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def _end_with(parent: int) -> None:
    """End when the parent ends, and be the first to go where memory runs out."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
