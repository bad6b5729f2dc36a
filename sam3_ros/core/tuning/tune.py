"""From a bundle to a machine profile: time, choose, judge, write down what was found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
from sam3_ros.core.tuning.evidence import Finding, evidence
from sam3_ros.core.tuning.search import PlanJudge, Tell, find_plan
from sam3_ros.core.tuning.times import CandidateTime, Feeds, FeedsRecorder, StageTimer

#: Of the standard images one is noise, which no camera shows.
_NO_PICTURE = "blocks"


@dataclass(frozen=True)
class TuneSettings:
    """threads: of the CPU, None for all cores. least_gain: how many times faster a choice must be
    than fp32 on the CPU to be preferred to it. precisions: those to try, None for all."""

    threads: int | None = None
    least_gain: float = 1.05
    device_id: int = 0
    precisions: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if self.least_gain < 1:
            raise ValueError(f"least_gain must be at least 1, not {self.least_gain:g}")

    @property
    def left_out(self) -> tuple[str, ...]:
        """What is not tried because of these settings, in words."""
        if self.precisions is None:
            return ()
        return (f"precisions other than {', '.join(sorted(self.precisions))}: not asked for",)

    @property
    def session_options(self) -> SessionOptions:
        return SessionOptions(threads=self.threads, device_id=self.device_id)


class Tuning:
    """Of one bundle on this machine. tell: is told what is being done, a line at a time."""

    def __init__(
        self,
        bundle: Bundle,
        settings: TuneSettings,
        tell: Tell,
        open_session: OpenSession = open_on_backend,
    ) -> None:
        self._bundle = bundle
        self._settings = settings
        self._tell = tell
        self._open_session = open_session

    def run(self, pictures: Sequence[Path] = ()) -> MachineProfile:
        """pictures: image files to judge by, beside the shipped table.

        Raises PrecisionError for one to try that cannot be run here, BackendError, InferenceError
        where fp32 on the CPU itself fails, ImageError for a picture that cannot be read.
        """
        backends = Backends.here()
        require_precisions(self._bundle, backends, self._settings.precisions or ())
        self._tell("running fp32 on the CPU, which the others are held against")
        judged, feeds = self._reference(pictures)
        times = self._times(backends, feeds)
        options, least_gain = self._settings.session_options, self._settings.least_gain
        with PlanJudge(self._bundle, options, self._open_session, judged) as judge:
            found = find_plan(times, least_gain, judge, self._tell)
        stages = self._bundle.manifest.stages_in_use
        images = [image.name for recorded in judged for image in recorded.images]
        refused = [*backends.refused, *self._settings.left_out]
        choices = {stage: found.plan.of(stage) for stage in stages}
        return MachineProfile(
            bundle=self._bundle.manifest.name,
            bundle_sha256=bundle_sha256(self._bundle),
            machine=self._machine(choice.backend for choice in choices.values()),
            threads=self._settings.threads,
            made=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            choices=choices,
            evidence=evidence(self._bundle, Finding(times, found, images, refused)),
        )

    def _machine(self, backends: Iterable[str]) -> Machine:
        return Machine.here(backends, self._settings.device_id)

    def _reference(
        self, pictures: Sequence[Path]
    ) -> tuple[list[RecordedAnswers], Mapping[str, Feeds]]:
        """What to judge by, image by image: first what the node's guard asks, so that it agrees.
        Where that is of the shipped table, the table is not judged twice."""
        bundle, threads = self._bundle, self._settings.threads
        tokenizer = bundle.tokenizer_file if bundle.manifest.concept else None
        guards = reference_answers(bundle, threads)
        known = [image.pixels for image in guards.images]
        real = tuple(
            image
            for image in standard_images(bundle.manifest, tokenizer, pictures)
            if image.name != _NO_PICTURE
            and not any(np.array_equal(image.pixels, each) for each in known)
        )
        recorder = FeedsRecorder(bundle, self._open_session)
        with Segmenter.load(bundle, threads=threads, open_session=recorder) as reference:
            recorded = recorded_of(reference.graph, bundle.manifest, real)
        one_each = [
            recorded.of([(image.name, question.name) for question in image.questions])
            for image in real
        ]
        return [guards, *one_each], recorder.feeds

    def _times(self, backends: Backends, feeds: Mapping[str, Feeds]) -> list[CandidateTime]:
        timer = StageTimer(self._bundle, self._settings.session_options, self._open_session)
        times: list[CandidateTime] = []
        for stage in self._bundle.manifest.stages_in_use:
            if stage not in feeds:
                self._tell(f"no question runs {stage}: it stays in fp32 on the CPU, unjudged")
                continue
            choices = candidates(self._bundle, stage, backends, self._settings.precisions)
            self._tell(f"timing {stage}: {len(choices)} ways beside fp32 on the CPU")
            times += timer.measure(stage, choices, feeds[stage])
        return times
