"""What a user would run instead: the same files, one session each, every stage on every frame."""

from __future__ import annotations

from sam3_ros.bench.rivals.plain_sessions import PlainSessions
from sam3_ros.bench.rivals.rivalry import Spent, spent
from sam3_ros.bench.rivals.stage_chain import PLAIN, ChainQuestion, Image, StageChain
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.segmenter.segments import Segment


class PlainRival:
    """The plain chain on one image."""

    name = "plain"
    one_for_all = True

    def __init__(self, bundle: Bundle, backend: str, threads: int | None, image: Image) -> None:
        """Raises BundleError for a bundle without fp32 files, BackendError as PlainSessions."""
        self._image = image
        self._sessions = PlainSessions(bundle, backend, threads)
        tokenizer = bundle.tokenizer_file if bundle.manifest.concept else None
        self._chain = StageChain(bundle.manifest, self._sessions.run, tokenizer, PLAIN)
        self.description = (
            f"the fp32 files of {bundle.manifest.name} ({bundle.path}), one ONNX Runtime session "
            f"each with default options on {self._sessions.provider}, every stage on every frame, "
            f"masks of all queries"
        )

    def spend(self, asked: str, question: ChainQuestion) -> Spent:
        return spent(lambda: self.answers(asked, question))

    def answers(self, asked: str, question: ChainQuestion) -> list[Segment]:
        return self._chain.answer(self._image, question, asked)

    def close(self) -> None:
        self._sessions.close()
