"""What each stage is fed when a real picture is asked about: to time it on that."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.stages.session import Array, OpenSession, Session, SessionOptions
from sam3_ros.core.stages.session_wrapper import WrappedSession

#: By the input's name in the file.
Feeds = Mapping[str, Array]


class FeedsRecorder:
    """An open_session whose sessions remember the first that they are fed, by stage."""

    def __init__(self, bundle: Bundle, open_session: OpenSession) -> None:
        stages = bundle.manifest.stages_in_use
        self._stage_of = {bundle.stage_file(stage, "fp32"): stage for stage in stages}
        self._open_session = open_session
        self.feeds: dict[str, Feeds] = {}

    def __call__(self, path: Path, backend: str, options: SessionOptions) -> Session:
        session = self._open_session(path, backend, options)
        return _RemembersFirst(session, self._stage_of[path], self.feeds)


class _RemembersFirst(WrappedSession):
    def __init__(self, real: Session, stage: str, feeds: dict[str, Feeds]) -> None:
        super().__init__(real)
        self._stage = stage
        self._feeds = feeds

    def run(self, feeds: Feeds) -> dict[str, Array]:
        self._feeds.setdefault(self._stage, dict(feeds))
        return super().run(feeds)
