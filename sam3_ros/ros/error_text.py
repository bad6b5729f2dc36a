"""Errors in one line, for the log, /diagnostics and ~/prompt/status."""

from __future__ import annotations

from sam3_ros.core.errors import Sam3RosError


def described(error: BaseException) -> str:
    """Return the error and its causes in one line; errors of ours need no class name."""
    text = str(error) if isinstance(error, Sam3RosError) else f"{type(error).__name__}: {error}"
    cause = error.__cause__
    if cause is None or (isinstance(cause, Sam3RosError) and str(cause) in text):
        return text
    return f"{text} (caused by {described(cause)})"
