"""What `sam3-ros bench` runs: the bundle, and what the options or a profile say of each stage."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.stages.plan import StagePlan


@dataclass(frozen=True, eq=False)
class BenchModel:
    """threads: None for all cores. profile: the file that plan and threads are from, if any."""

    bundle: Bundle
    plan: StagePlan
    threads: int | None
    profile: Path | None

    @property
    def described(self) -> str:
        """For people: what runs the stages, in how many threads."""
        plan = self.plan.described(self.bundle.manifest.stages_in_use)
        return f"{plan} (threads: {self.threads or 'all'})"

    def document(self) -> dict[str, Any]:
        """For JSON. backend and precision: None where not all stages have the same."""
        stages = self.bundle.manifest.stages_in_use
        choices = {stage: self.plan.of(stage) for stage in stages}
        return {
            "backend": _the_one({choice.backend for choice in choices.values()}),
            "precision": _the_one({choice.precision for choice in choices.values()}),
            "profile": None if self.profile is None else str(self.profile),
            "plan": self.plan.described(stages),
            "stages": {stage: asdict(choice) for stage, choice in choices.items()},
            "threads": self.threads,
        }


def model_of(options: argparse.Namespace) -> BenchModel:
    """Raises BundleError, and ProfileError for a profile that does not fit."""
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.profile.configured_plan import ConfiguredPlan
    from sam3_ros.core.stages.plan import StageChoice

    bundle = Bundle.open(options.bundle)
    choice = StageChoice(options.backend, options.precision)
    plan, threads = ConfiguredPlan(choice, options.threads, profile=options.profile).of(bundle)
    return BenchModel(bundle, plan, threads, options.profile)


def _the_one(names: set[str]) -> str | None:
    return names.pop() if len(names) == 1 else None
