"""All locks of the node: what each guards, and the order in which a thread may take them.

A thread that holds a lock may take only those further down in NodeLock. None is held while a model
is loaded or run, nor while a thread is waited for. rclpy holds none of its own locks while it calls
back; where we publish, create or destroy a topic under a lock, rclpy's are taken last.
The tests replace `NodeLock.make` to watch the order (test/support/lock_order.py).
"""

from __future__ import annotations

import threading
from enum import Enum


class NodeLock(Enum):
    """The locks, outermost first; the value says what each guards."""

    #: Held by callbacks while they use the pipeline, and while parameters are set.
    NODE = "configuration, lifecycle state, description of the model, and the pipeline's lease"
    #: The list is read and published under it, so that an older list is never published last.
    ACTIVE_PROMPTS_TOPIC = "publisher and last message of ~/active_prompts"
    #: As ACTIVE_PROMPTS_TOPIC; one of each camera.
    LABEL_INFO_TOPIC = "publisher and last message of a camera's ~/label_info"
    ACTIVE_PROMPTS = "the prompts in use, their label values and remaining frames"
    #: Held while an answer is published: the node cannot be deactivated in between.
    ACTIVITY = "since when the node is active"
    #: One of each call that is responded to later; it is taken under ACTIVITY.
    LATER_RESPONSE = "a response, or where to send it, whichever is known first"
    RESPONSES = "the responses that wait to be sent"
    FRAME_QUEUE = "the frames and clicks that wait, and the one in work"
    FRAME_MEMORY = "which frames are kept, and their sizes"
    FRAME_LEDGER = "the counts and latencies of a camera's frames"
    STEP_LATENCIES = "the times of the steps of the last answers"
    DEPTH_PAIRS = "the depth images of a camera, and which images they are kept for"
    DEPTH_LEDGER = "the counts of a camera's answers in space"
    LOADING_STATUS = "what is being loaded, and since when"

    def make(self) -> threading.Lock:
        """Make one. Only NODE may be taken again by the thread that holds it."""
        if self is NodeLock.NODE:
            return threading.RLock()  # type: ignore[return-value]  # it has the same methods
        return threading.Lock()
