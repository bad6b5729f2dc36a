"""What a user configured to run a bundle: one backend and precision, or a machine profile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.errors import ProfileError
from sam3_ros.core.profile.profile_yaml import read_profile
from sam3_ros.core.stages.plan import REFERENCE, StageChoice, StagePlan


@dataclass(frozen=True)
class ConfiguredPlan:
    """What a user configured. Raises ProfileError for a profile beside a choice."""

    #: The backend and precision of every stage; must be the default if there is a profile.
    choice: StageChoice = REFERENCE
    #: Of the CPU; None for the profile's, or for all cores without a profile.
    threads: int | None = None
    #: Index of the accelerator.
    device_id: int = 0
    #: A machine profile's file.
    profile: Path | None = None

    def __post_init__(self) -> None:
        if self.profile is not None and self.choice != REFERENCE:
            raise ProfileError(
                f"a machine profile ({self.profile}) says what runs each stage, so backend and "
                f"precision cannot be {self.choice} as well: leave them at {REFERENCE}"
            )

    def of(self, bundle: Bundle) -> tuple[StagePlan, int | None]:
        """Return the plan, and the threads to run it with (None for all cores).

        Raises ProfileError for a profile that is damaged, or was not made for this bundle, this
        machine, these versions and these threads.
        """
        if self.profile is None:
            return StagePlan(self.choice), self.threads
        profile = read_profile(self.profile)
        profile.require_fits(bundle, self.threads, self.device_id)
        return _completed(profile.plan, bundle.manifest), profile.threads


def _completed(plan: StagePlan, manifest: Manifest) -> StagePlan:
    """Let each stage that only some backends have go with the first stage that reads of it.

    A profile does not name them: fp32 on the CPU, which it compares with, has none.
    """
    for stage in manifest.stages.values():
        readers = (n for n, each in manifest.stages.items() if stage.outputs.keys() & each.inputs)
        if not stage.files and (reader := next(readers, None)) is not None:
            plan = plan.changed([stage.name], plan.of(reader))
    return plan
