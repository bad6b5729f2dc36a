"""The entry point of the library: encode an image once, a text once, then ask.

with Segmenter.load("tabletop") as segmenter:
    image = segmenter.encode_image(rgb)
    cubes = segmenter.ask(image, ["red cube"])
    mug = segmenter.ask(image, [InteractivePrompt(points=((120, 80),))])
    tracking = segmenter.track()

Above 300 lines, because every public call states its contract here; the work is in its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import chain, islice
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from sam3_ros.core.backends.cpu_memory import give_back_free_heap
from sam3_ros.core.backends.factory import open_session as open_with_onnxruntime
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import ImageError, PromptError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.checks import require_capability
from sam3_ros.core.segmenter.concept import ConceptAnswers
from sam3_ros.core.segmenter.embedding import ON_CPU, ImageEmbedding
from sam3_ros.core.segmenter.interactive import InteractiveAnswers
from sam3_ros.core.segmenter.loading import OnProgress, StageLoading
from sam3_ros.core.segmenter.phrases import required_phrases
from sam3_ros.core.segmenter.pixels import require_rgb
from sam3_ros.core.segmenter.positions import placed
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt
from sam3_ros.core.segmenter.remarks import Remarks
from sam3_ros.core.segmenter.segments import Segment, Segments
from sam3_ros.core.segmenter.text import ClipTokenizer, KeptTexts, TextEmbedding, TextEncoder
from sam3_ros.core.stages.graph import OpenStage, StageGraph
from sam3_ros.core.stages.plan import REFERENCE, StageChoice, StagePlan
from sam3_ros.core.stages.session import Array, OpenSession, SessionOptions
from sam3_ros.core.timings import CallTimings
from sam3_ros.core.tracking.asking import Asking
from sam3_ros.core.tracking.choice import following_of
from sam3_ros.core.tracking.session import TrackingSession
from sam3_ros.core.tracking.settings import TrackingSettings
from sam3_ros.core.trial.trial import require_tried


class Segmenter:
    """Answers prompts on images with the stages of one bundle. One thread at a time.

    What a call returns carries the seconds that the call took (`timings`).
    """

    def __init__(self, bundle: Bundle, open_stage: OpenStage) -> None:
        """Wrap a bundle whose stages open_stage opens; Segmenter.load does it for you."""
        self.bundle = bundle
        self._loading: StageLoading | None = None
        self._timings = CallTimings()
        manifest = bundle.manifest
        self._graph = StageGraph(manifest.stages.values(), open_stage, observer=self._timings.add)
        tokenizer: ClipTokenizer | None = None
        self._texts: TextEncoder | None = None
        self._concept: ConceptAnswers | None = None
        self._interactive: InteractiveAnswers | None = None
        if manifest.concept is not None:
            tokenizer = ClipTokenizer(bundle.tokenizer_file, manifest.concept.tokenizer)
            self._texts = TextEncoder(tokenizer, self._graph, self._timings)
            self._concept = ConceptAnswers(manifest.concept, self._texts, self._timings)
        if manifest.interactive is not None:
            self._interactive = InteractiveAnswers(manifest.interactive, self._timings)
        self._remarks = Remarks(manifest, tokenizer)

    @classmethod
    def load(
        cls,
        bundle: str | Path | Bundle = "tabletop",
        backend: str = "cpu",
        precision: str = "fp32",
        threads: int | None = None,
        open_session: OpenSession = open_with_onnxruntime,
        device_id: int = 0,
        engine_cache: Path | None = None,
        on_progress: OnProgress | None = None,
        plan: StagePlan | None = None,
        cuda_graphs: bool = False,
    ) -> Segmenter:
        """Open a bundle (by name, folder, or already open) and sessions for the stages in use.

        device_id: index of the GPU. engine_cache: folder that keeps the engines that a backend
        builds, so that it builds them once. on_progress is called before each stage is loaded.
        plan: what runs each stage, instead of one backend and precision for all; leave those at
        their defaults then. cuda_graphs: record what a GPU runs and replay it for inputs of the
        same shapes, with one launch instead of hundreds.

        A bundle that did not come with sam3_ros runs first in a process of its own, once
        (core/trial); not where the caller brings an open_session.

        Raises BundleError for a bundle that is damaged or whose files do not fit its manifest,
        BackendError where the backend is not available, PrecisionError for a precision it lacks,
        ValueError for a backend or precision beside a plan.
        """
        choice = StageChoice(backend, precision)
        if plan is not None and choice != REFERENCE:
            raise ValueError(
                f"a plan says what runs each stage, so backend and precision cannot be {choice} as "
                f"well: leave them at {REFERENCE}"
            )
        opened = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
        options = SessionOptions(threads=threads, device_id=device_id, cuda_graphs=cuda_graphs)
        chosen = plan or StagePlan(choice)
        loading = StageLoading(opened, chosen, options, open_session, engine_cache)
        segmenter = cls(opened, loading.open)  # reads the tokenizer, which takes no process
        if open_session is open_with_onnxruntime:
            require_tried(opened, chosen, threads)
        segmenter._loading = loading
        try:
            for progress in loading.steps():
                if on_progress is not None:
                    on_progress(progress)
                segmenter._graph.load([progress.stage])
            give_back_free_heap()
        except BaseException:
            segmenter.close()
            raise
        return segmenter

    @property
    def plan(self) -> StagePlan:
        """What runs each stage; ValueError for a segmenter that Segmenter.load did not make."""
        return self._loaded_by().plan

    @property
    def threads(self) -> int | None:
        """The threads of the engine, as `load` was given them."""
        return self._loaded_by().threads

    def change_plan(self, plan: StagePlan) -> None:
        """Reopen the stages for which this plan chooses otherwise. Raises as `load` does.

        Embeddings that were made before must not be used any more.
        """
        loading, manifest = self._loaded_by(), self.bundle.manifest
        before, stages = manifest.stages_to_load(loading.plan), manifest.stages_to_load(plan)
        changed = [stage for stage in stages if plan.of(stage) != loading.plan.of(stage)]
        loading.plan = plan
        self._graph.unload(stage for stage in before if stage not in stages)
        self._graph.reopen(changed)
        give_back_free_heap()
        if self._texts is not None:
            self._texts.forget()

    @property
    def graph(self) -> StageGraph:
        """The stages, for those who want the model's tensors rather than segments."""
        return self._graph

    @property
    def providers(self) -> dict[str, str]:
        """What really runs each stage, for example {"image": "CPUExecutionProvider"}."""
        return self._graph.providers

    def encode_image(self, image: npt.NDArray[np.uint8]) -> ImageEmbedding:
        """Prepare an image, uint8 [H, W, 3] in RGB, for any number of `ask`s.

        The network's image stages run in the first `ask` that needs them, but the image is read
        now: the caller may write over it. Raises ImageError, and InferenceError where a stage
        prepares the pixels and fails.
        """
        with self._timings.of_call() as timings:
            embedding = self._encode_image(image)
        embedding.timings = timings.as_dict()
        return embedding

    def encode_text(self, text: str) -> TextEmbedding:
        """Return the phrase as the model reads it; the last 256 phrases are kept.

        Raises PromptError for a text that no prompt may hold, or a bundle that takes no text.
        """
        with self._timings.of_call() as timings:
            require_capability(ConceptPrompt(text), self.bundle.manifest)
            assert self._texts is not None
            embedding = self._texts.encode(text)
        return replace(embedding, timings=timings.as_dict())

    def ask(
        self,
        embedding: ImageEmbedding,
        prompts: Iterable[Prompt | str] | Prompt | str,
        score_threshold: float | Sequence[float | None] | None = None,
    ) -> Segments:
        """Return every segment that answers a prompt: in the prompts' order, best first for each.

        A str is a ConceptPrompt of that text, or several of what semicolons separate in it; they
        count as one in `by_prompt` and among the thresholds. score_threshold replaces the bundle's
        for concept prompts: one for all, or one for each prompt. A segment has at least one pixel.
        All prompts are checked before anything runs: PromptError names the prompt that cannot be
        answered and why. Raises InferenceError when a stage fails. On a GPU, several concept
        prompts take less time together than one by one.
        """
        with self._timings.of_call() as timings:
            answers = self._ask(embedding, prompts, score_threshold)
        return Segments.of(answers, timings.as_dict())

    def check(self, embedding: ImageEmbedding, prompt: Prompt) -> None:
        """Raise PromptError for a prompt that `ask` would refuse on this image."""
        self._askable(embedding, prompt)

    def warnings(self, prompt: Prompt | str, size: ImageSize | None = None) -> tuple[str, ...]:
        """Return what to know about a prompt, a sentence each; none for most.

        Words that the model does not know or has no room for, what looks like a separator, negative
        points alone, and, where the image's size is given, points that `ask` moves onto it. From
        any thread. Raises PromptError for a text that no prompt may hold.
        """
        found = (self._remarks.on(each, size) for each in _prompts_of(prompt))
        return tuple(dict.fromkeys(chain.from_iterable(found)))

    def segment(
        self, image: npt.NDArray[np.uint8], *prompts: Prompt | str | Iterable[Prompt | str]
    ) -> Segments:
        """Run encode_image and ask in one call; prompts may be in lists, as `ask` takes them."""
        asked = [each for given in prompts for each in _each_of(given)]
        with self._timings.of_call() as timings:
            answers = self._ask(self._encode_image(image), asked, None)
        return Segments.of(answers, timings.as_dict())

    def track(
        self,
        settings: TrackingSettings | None = None,
        saved: Mapping[str, Array] | None = None,
    ) -> TrackingSession:
        """Start to track objects through the images of one camera, each under an id of its own.

        saved: what `TrackingSession.saved` returned, to go on from there; BundleError for that of
        another bundle. How objects are followed depends on the bundle: docs/tracking.md.
        """
        asking = Asking(
            require_own=self._require_own,
            askable=self._askable,
            detect=self._detect,
            timings=self._timings,
            bundle=self._identity,
        )
        how = following_of(self.bundle.manifest, self._interactive, self._timings)
        return TrackingSession(asking, how, settings or TrackingSettings(), saved)

    @property
    def kept_texts(self) -> KeptTexts:
        """Phrases kept encoded, and their bytes; none for a bundle that takes no text."""
        return self._texts.kept if self._texts is not None else KeptTexts(0, 0)

    def close(self) -> None:
        """Free the sessions; asking afterwards raises InferenceError. Closing twice is allowed."""
        self._graph.close()

    def __enter__(self) -> Segmenter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _loaded_by(self) -> StageLoading:
        if self._loading is None:
            raise ValueError("only a segmenter made by Segmenter.load knows what runs its stages")
        return self._loading

    def _encode_image(self, image: npt.NDArray[np.uint8]) -> ImageEmbedding:
        with self._timings.measure("preprocess"):
            checked = require_rgb(image)
        plan = ON_CPU if self._loading is None else self._loading.plan
        manifest = self.bundle.manifest
        return ImageEmbedding.of(checked, manifest, self._graph, plan, self._timings)

    def _ask(
        self,
        embedding: ImageEmbedding,
        given: Iterable[Prompt | str] | Prompt | str,
        score_threshold: float | Sequence[float | None] | None,
    ) -> list[list[Segment]]:
        self._require_own(embedding)
        groups = [_prompts_of(each) for each in _each_of(given)]
        of_groups = _one_for_each(groups, score_threshold)
        prompts = [self._askable(embedding, each) for group in groups for each in group]
        thresholds = [
            threshold for group, threshold in zip(groups, of_groups, strict=True) for _ in group
        ]
        answers = iter(self._answers(embedding, prompts, thresholds))
        return [list(chain.from_iterable(islice(answers, len(group)))) for group in groups]

    def _answers(
        self,
        embedding: ImageEmbedding,
        prompts: Sequence[Prompt],
        thresholds: Sequence[float | None],
    ) -> list[list[Segment]]:
        """Return the answer to each prompt; all are checked, and lie on the image."""
        answers: dict[int, list[Segment]] = {}
        concepts = {n: each for n, each in enumerate(prompts) if isinstance(each, ConceptPrompt)}
        together = embedding.lengths.joins(len(concepts))
        for number, prompt in enumerate(prompts):
            if number in answers:
                continue
            if isinstance(prompt, ConceptPrompt):
                assert self._concept is not None  # require_capability has checked it
                asked = concepts if together else {number: prompt}
                found = self._concept.ask(
                    embedding, list(asked.values()), [thresholds[each] for each in asked]
                )
                answers |= zip(asked, found, strict=True)
            else:
                assert self._interactive is not None
                answer = self._interactive.answer(embedding, prompt)
                answers[number] = [] if answer.segment is None else [answer.segment]
        return [answers[number] for number in range(len(prompts))]

    def _detect(
        self,
        image: ImageEmbedding,
        prompts: Sequence[ConceptPrompt],
        score_thresholds: Sequence[float | None],
    ) -> list[list[Segment]]:
        return self._answers(image, prompts, score_thresholds)

    @property
    def _identity(self) -> str:
        """The bundle's name, and a sum over those of its files."""
        sums = "".join(file.sha256 for file in self.bundle.manifest.files)
        return f"{self.bundle.manifest.name} ({sha256(sums.encode()).hexdigest()[:16]})"

    def _askable(self, embedding: ImageEmbedding, prompt: Prompt) -> Prompt:
        """Return the prompt as it is put to the model. Raises PromptError where it cannot be."""
        self._require_own(embedding)
        require_capability(prompt, self.bundle.manifest)
        return placed(prompt, embedding.size)

    def _require_own(self, embedding: ImageEmbedding) -> None:
        if not isinstance(embedding, ImageEmbedding):
            raise ImageError(
                f"expected an image as encode_image returns it, got {type(embedding).__name__}: "
                "encode it first, or call segment(image, prompt)"
            )
        if embedding.graph is not self._graph:
            raise ValueError("this embedding was made by another segmenter: encode the image here")


def _each_of(given: Iterable[Prompt | str] | Prompt | str) -> list[Prompt | str]:
    if isinstance(given, (str, ConceptPrompt, InteractivePrompt)):
        return [given]
    if isinstance(given, (bytes, Mapping)) or not isinstance(given, Iterable):
        raise PromptError(
            "expected texts, ConceptPrompts and InteractivePrompts, or a list of them; got "
            f"{type(given).__name__}"
        )
    return list(given)


def _prompts_of(given: Prompt | str) -> tuple[Prompt, ...]:
    if isinstance(given, str):
        return tuple(ConceptPrompt(phrase) for phrase in required_phrases(given))
    return (given,)


def _one_for_each(
    prompts: Sequence[object], score_threshold: float | Sequence[float | None] | None
) -> list[float | None]:
    """Return a threshold for each prompt. Raises PromptError for one that is no score."""
    if isinstance(score_threshold, Sequence):
        thresholds = list(score_threshold)
    else:
        thresholds = [score_threshold] * len(prompts)
    if len(thresholds) != len(prompts):
        raise PromptError(
            f"a score threshold for each prompt: got {len(thresholds)} for {len(prompts)} prompts"
        )
    for threshold in thresholds:
        if threshold is not None and not 0 <= threshold <= 1:
            raise PromptError(f"a score threshold must be in 0..1, got {threshold:g}")
    return thresholds
