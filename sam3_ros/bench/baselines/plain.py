"""The plain baseline: the same files, one default session each, every stage on every frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from sam3_ros.bench.baselines.paired import CallSeconds, time_call
from sam3_ros.bench.baselines.stage_chain import PLAIN, ChainQuestion, Image, StageChain
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import BackendError
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.stages.order import StageSpec
from sam3_ros.core.stages.session import Tensor, on_host

#: TensorRT is compared with what ONNX Runtime does without it.
_PROVIDERS = {"cuda": "CUDAExecutionProvider", "tensorrt": "CUDAExecutionProvider"}
_ON_CPU = "CPUExecutionProvider"
_DTYPES = {
    "tensor(bool)": np.bool_,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}


@dataclass(frozen=True, eq=False)
class _PlainSession:
    """A session of one file."""

    #: The onnxruntime.InferenceSession.
    engine: Any
    #: By the input's name in the file.
    dtypes: Mapping[str, Any]


class PlainSessions:
    """Sessions as a user of ONNX Runtime makes them: fp32, one a file, default options."""

    def __init__(self, bundle: Bundle, backend: str, threads: int | None) -> None:
        """Open a session for every stage; threads: None for ONNX Runtime's default.

        Raises BackendError where a file or the provider cannot be loaded.
        """
        self.provider = _PROVIDERS.get(backend, _ON_CPU)
        names = bundle.manifest.stages_in_use
        self._sessions = {
            name: self._open(str(bundle.stage_file(name, "fp32")), threads) for name in names
        }

    def run(self, stage: StageSpec, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run one stage; values by canonical name, in and out."""
        session = self._sessions[stage.name]
        feeds = {
            name: np.asarray(on_host(values[canonical]), session.dtypes[name])
            for canonical, name in stage.inputs.items()
        }
        names = list(stage.outputs.values())
        results = session.engine.run(names, feeds)
        return dict(zip(stage.outputs, results, strict=True))

    def close(self) -> None:
        """Free the sessions' memory."""
        self._sessions.clear()

    def _open(self, path: str, threads: int | None) -> _PlainSession:
        ort = import_module("onnxruntime")
        options = ort.SessionOptions()
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            engine = ort.InferenceSession(path, options, providers=[self.provider])
        except Exception as error:
            raise BackendError(f"the plain chain cannot load {path}: {error}") from error
        if engine.get_providers()[0] != self.provider:
            raise BackendError(f"the plain chain needs {self.provider}, which does not start here")
        return _PlainSession(
            engine, {each.name: _DTYPES[each.type] for each in engine.get_inputs()}
        )


class PlainBaseline:
    """The plain chain of stages on one image."""

    name = "plain"
    fixed_cost = True

    def __init__(self, bundle: Bundle, backend: str, threads: int | None, image: Image) -> None:
        """Open the sessions.

        Raises BundleError for a bundle without fp32 files, BackendError as PlainSessions does.
        """
        self._image = image
        self._sessions = PlainSessions(bundle, backend, threads)
        tokenizer = bundle.tokenizer_file if bundle.manifest.concept else None
        self._chain = StageChain(bundle.manifest, self._sessions.run, tokenizer, PLAIN)
        self.description = (
            f"the fp32 files of {bundle.manifest.name} ({bundle.path}), one ONNX Runtime session "
            f"each with default options on {self._sessions.provider}, every stage on every frame, "
            f"masks of all queries"
        )

    def time_answer(self, asked: str, question: ChainQuestion) -> CallSeconds:
        return time_call(lambda: self.answers(asked, question))

    def answers(self, asked: str, question: ChainQuestion) -> list[Segment]:
        return self._chain.answer(self._image, question, asked)

    def stage_ms(self) -> Mapping[str, float]:
        """Return nothing: its stages are not timed by themselves."""
        return {}

    def close(self) -> None:
        self._sessions.close()
