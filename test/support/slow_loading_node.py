"""The node with a model that takes long to load: so many seconds a stage, or in a `grip`.

    slow_loading_node.py free 1.5 --ros-args ...

`grip`: no other Python code runs meanwhile, as with ONNX Runtime before 1.31.
"""

from __future__ import annotations

import ctypes
import sys
import time
from functools import partial
from pathlib import Path

from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.session import Session, SessionOptions
from sam3_ros.ros import segmentation_node
from sam3_ros.ros.node import model_loading


def slowly(
    seconds: float, grip: bool, path: Path, backend: str, options: SessionOptions
) -> Session:
    if grip:
        ctypes.PyDLL(None).usleep(int(seconds * 1e6))
    else:
        time.sleep(seconds)
    return open_session(path, backend, options)


if __name__ == "__main__":
    grip, seconds = sys.argv.pop(1) == "grip", float(sys.argv.pop(1))
    Segmenter.load = partial(Segmenter.load, open_session=partial(slowly, seconds, grip))
    model_loading.loading_stops_python = lambda: grip
    sys.exit(segmentation_node.main())
