"""What a viewer is told of what was asked: in words, whatever went wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.look.viewing import Verdict
from sam3_ros.ros.error_text import described

ENDED = "the source of the pictures has ended: start it again"
_LOG = logging.getLogger(__name__)


def as_verdict(run: Callable[[], Verdict]) -> Verdict:
    """Return what a call returns, or its error as a refusal."""
    try:
        return run()
    except Sam3RosError as error:
        return Verdict(False, described(error))
    except Exception as error:  # whatever a backend raises
        _LOG.exception("a question could not be answered")
        return Verdict(False, f"it could not be answered: {described(error)}")


def ended_verdict() -> Verdict:
    """Return the refusal of what came too late."""
    return Verdict(False, ENDED)
