"""Tunes a bundle for this machine: time the candidates, choose, judge, return a profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from sam3_ros.core.backends.factory import open_session as open_on_backend
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.precision.questions import reference_answers, standard_images
from sam3_ros.core.precision.recorded import RecordedAnswers, recorded_of
from sam3_ros.core.profile.profile import Machine, MachineProfile, bundle_sha256
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.session import OpenSession, SessionOptions
from sam3_ros.core.tuning.candidates import Backends, candidates, require_precisions
from sam3_ros.core.tuning.evidence import TuningResult, evidence
from sam3_ros.core.tuning.search import PlanJudge, Report, find_plan
from sam3_ros.core.tuning.times import CandidateTime, Feeds, FeedsRecorder, StageTimer

#: The standard image that is noise, which no camera shows.
_NOISE = "blocks"


@dataclass(frozen=True)
class TuneSettings:
    """What to try and what is worth choosing."""

    #: Threads on the CPU, None for one a core.
    threads: int | None = None
    #: How many times faster than fp32 on the CPU a choice must be to be preferred; at least 1.
    least_gain: float = 1.05
    #: Which GPU to try.
    device_id: int = 0
    #: Precisions to try, None for all.
    precisions: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if self.least_gain < 1:
            raise ValueError(f"least_gain must be at least 1, not {self.least_gain:g}")

    @property
    def left_out(self) -> tuple[str, ...]:
        """What is not tried because of these settings, a line each."""
        if self.precisions is None:
            return ()
        return (f"precisions other than {', '.join(sorted(self.precisions))}: not asked for",)

    @property
    def session_options(self) -> SessionOptions:
        return SessionOptions(threads=self.threads, device_id=self.device_id)


class Tuning:
    """Tunes one bundle on this machine."""

    def __init__(
        self,
        bundle: Bundle,
        settings: TuneSettings,
        report: Report,
        open_session: OpenSession = open_on_backend,
    ) -> None:
        """report: receives a line about what is being done."""
        self._bundle = bundle
        self._settings = settings
        self._report = report
        self._open_session = open_session

    def run(self, pictures: Sequence[Path] = ()) -> MachineProfile:
        """Time, choose and judge; return the profile.

        pictures: image files to judge by, beside the shipped table. Raises PrecisionError for a
        precision that cannot be run here, BackendError or InferenceError where fp32 on the CPU
        itself fails, ImageError for a picture that cannot be read.
        """
        backends = Backends.here()
        require_precisions(self._bundle, backends, self._settings.precisions or ())
        self._report("running fp32 on the CPU, the reference for the others")
        judged, feeds = self._reference(pictures)
        times = self._times(backends, feeds)
        options, least_gain = self._settings.session_options, self._settings.least_gain
        with PlanJudge(self._bundle, options, self._open_session, judged) as judge:
            found = find_plan(times, least_gain, judge, self._report)
        stages = self._bundle.manifest.stages_to_judge
        images = [image.name for recorded in judged for image in recorded.images]
        refused = [*backends.refused, *self._settings.left_out]
        choices = {stage: found.plan.of(stage) for stage in stages}
        backends_in_use = {choice.backend for choice in choices.values()}
        return MachineProfile(
            bundle=self._bundle.manifest.name,
            bundle_sha256=bundle_sha256(self._bundle),
            machine=Machine.here(backends_in_use, self._settings.device_id),
            threads=self._settings.threads,
            made=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            choices=choices,
            evidence=evidence(self._bundle, TuningResult(times, found, images, refused)),
        )

    def _reference(
        self, pictures: Sequence[Path]
    ) -> tuple[list[RecordedAnswers], Mapping[str, Feeds]]:
        """Return the answers to judge by, image by image, and what each stage is fed.

        First come the answers that the node's guard asks for, so that it agrees; where they are of
        the shipped table, the table is not judged twice.
        """
        bundle, threads = self._bundle, self._settings.threads
        tokenizer = bundle.tokenizer_file if bundle.manifest.concept else None
        guard_answers = reference_answers(bundle, threads)
        known = [image.pixels for image in guard_answers.images]
        real = tuple(
            image
            for image in standard_images(bundle.manifest, tokenizer, pictures)
            if image.name != _NOISE
            and not any(np.array_equal(image.pixels, each) for each in known)
        )
        recorder = FeedsRecorder(bundle, self._open_session)
        with Segmenter.load(bundle, threads=threads, open_session=recorder) as reference:
            recorded = recorded_of(reference.graph, bundle.manifest, real)
        one_each = [
            recorded.of([(image.name, question.name) for question in image.questions])
            for image in real
        ]
        return [guard_answers, *one_each], recorder.feeds

    def _times(self, backends: Backends, feeds: Mapping[str, Feeds]) -> list[CandidateTime]:
        timer = StageTimer(self._bundle, self._settings.session_options, self._open_session)
        times: list[CandidateTime] = []
        for stage in self._bundle.manifest.stages_to_judge:
            if stage not in feeds:
                self._report(f"no question runs {stage}: it stays in fp32 on the CPU, unjudged")
                continue
            choices = candidates(self._bundle, stage, backends, self._settings.precisions)
            self._report(f"timing {stage}: {len(choices)} candidates beside fp32 on the CPU")
            times += timer.measure(stage, choices, feeds[stage])
        return times
