"""Errors in one line, for the log, /diagnostics and ~/prompt/status."""

from __future__ import annotations

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.visible_text import visible


def described(error: BaseException) -> str:
    """Return the error and its causes in one line; errors of ours need no class name.

    What a terminal that shows the log would obey, such as an escape of a bundle, is made visible.
    """
    text = str(error) if isinstance(error, Sam3RosError) else f"{type(error).__name__}: {error}"
    cause = error.__cause__
    shown = visible(" ".join(text.split()))
    if cause is None or (isinstance(cause, (Sam3RosError, ValueError)) and str(cause) in text):
        return shown
    return f"{shown} (caused by {described(cause)})"
