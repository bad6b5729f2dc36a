"""Loads the model while the page is there already."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.ros.error_text import described

LoadSegmenter = Callable[[], Segmenter]
# A thread that comes back from a library while Python ends is torn out of it, which aborts the
# process; so long a model is waited for.
_ENDING_SECONDS = 5.0


@dataclass(frozen=True)
class ModelNames:
    """What people read of a model."""

    name: str = ""
    backend: str = ""
    precision: str = ""

    @classmethod
    def of(cls, segmenter: Segmenter) -> ModelNames:
        manifest, plan = segmenter.bundle.manifest, segmenter.plan
        choices = [plan.of(stage) for stage in manifest.stages_to_judge]
        return cls(
            manifest.name,
            _listed(choice.backend for choice in choices),
            _listed(choice.precision for choice in choices),
        )


class ModelLoading:
    """A thread that loads a model once."""

    def __init__(self, load: LoadSegmenter, on_end: Callable[[Segmenter | None], None]) -> None:
        """on_end: takes the segmenter, or None where it cannot be loaded; on the thread."""
        self._load = load
        self._on_end = on_end
        self._is_closed = False
        self._lock = threading.Lock()
        self._segmenter: Segmenter | None = None
        #: What was loaded; nothing before.
        self.model = ModelNames()
        #: Why it cannot be loaded; empty otherwise.
        self.failure = ""
        #: Whether it is still at it.
        self.is_running = True
        self._thread = threading.Thread(target=self._run, name="look model", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Free the model, now or as soon as it is loaded; nobody may use it any more.

        Waits some seconds for a model that is being loaded.
        """
        with self._lock:
            self._is_closed = True
            segmenter, self._segmenter = self._segmenter, None
        if segmenter is not None:
            segmenter.close()
        if threading.current_thread() is not self._thread:
            self._thread.join(_ENDING_SECONDS)

    def _run(self) -> None:
        segmenter: Segmenter | None = None
        try:
            segmenter = self._load()
            self.model = ModelNames.of(segmenter)
        except Exception as error:  # a backend's own errors are of many kinds
            self.failure = described(error)
        with self._lock:
            is_closed = self._is_closed
            self._segmenter = None if is_closed else segmenter
        if is_closed and segmenter is not None:
            segmenter.close()
        self.is_running = False
        self._on_end(None if is_closed else segmenter)


def _listed(names: Iterable[str]) -> str:
    return " + ".join(dict.fromkeys(names))
