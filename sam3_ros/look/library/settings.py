"""How the pictures of a page are answered."""

from __future__ import annotations

from dataclasses import dataclass, field

from sam3_ros.core.tracking.settings import TrackingSettings


@dataclass(frozen=True)
class AnswerSettings:
    """How pictures are answered; the defaults are those of the node's parameters."""

    #: Of texts; 0 for the bundle's own.
    score_threshold: float = 0.0
    #: Seconds between two answered pictures after which followed objects end.
    tracking_gap_s: float = 10.0
    tracking: TrackingSettings = field(default_factory=TrackingSettings)

    def tracking_settings(self) -> TrackingSettings:
        """Return how objects are followed."""
        return self.tracking
