"""What one viewer may do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ViewerRights:
    """What one viewer may do."""

    #: False: only looks; every control that changes something is left out and refused.
    may_change: bool = True
