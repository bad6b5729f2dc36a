"""What is to run a bundle: one backend and precision, or a machine profile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import ProfileError
from sam3_ros.core.profile.profile_yaml import read_profile
from sam3_ros.core.stages.plan import REFERENCE, StageChoice, StagePlan


@dataclass(frozen=True)
class ConfiguredPlan:
    """As the words of a user give it.

    profile: a machine profile's file, in place of backend and precision, which must then be the
    defaults. threads: of the CPU; None for what the profile has, or for all cores without one.
    Raises ProfileError.
    """

    choice: StageChoice = REFERENCE
    threads: int | None = None
    device_id: int = 0
    profile: Path | None = None

    def __post_init__(self) -> None:
        if self.profile is not None and self.choice != REFERENCE:
            raise ProfileError(
                f"a machine profile ({self.profile}) says what runs each stage, so backend and "
                f"precision cannot be {self.choice} as well: leave them at {REFERENCE}"
            )

    def of(self, bundle: Bundle) -> tuple[StagePlan, int | None]:
        """The plan, and the threads to run it with.

        Raises ProfileError for a profile that is damaged, or was not made for this bundle, this
        machine, these versions and these threads.
        """
        if self.profile is None:
            return StagePlan(self.choice), self.threads
        profile = read_profile(self.profile)
        profile.require_fits(bundle, self.threads, self.device_id)
        return profile.plan, profile.threads
