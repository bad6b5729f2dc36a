"""Inference engines behind the session seam.

open_session is the one factory; nothing is imported from an engine before it is called.
"""

from sam3_ros.core.backends.factory import BACKENDS, open_session

__all__ = ["BACKENDS", "open_session"]
