"""The node with sessions that take their time, as those of a large model do."""

from __future__ import annotations

import sys
import time
from functools import partial

from recording_sessions import Outputs, Recorder

from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.ros import segmentation_node

SECONDS = 0.15


def slowly(outputs: Outputs) -> Outputs:
    time.sleep(SECONDS)
    return outputs


if __name__ == "__main__":
    Segmenter.load = partial(Segmenter.load, open_session=Recorder({"decoder": slowly}))
    sys.exit(segmentation_node.main())
