"""What following objects reads of a configuration."""

from __future__ import annotations

from typing import Protocol

from sam3_ros.core.tracking.settings import TrackingSettings


class TracksConfiguration(Protocol):
    """What is read of a configuration: the node's parameters, or what a page is told."""

    @property
    def score_threshold(self) -> float:
        """Of texts; 0 for the bundle's."""

    @property
    def tracking_gap_s(self) -> float:
        """Seconds between two answered images after which all objects end; 0 for never."""

    def tracking_settings(self) -> TrackingSettings:
        """Return how objects are tracked."""
