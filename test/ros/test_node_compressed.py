"""JPEG frames, of which some are cut on the way."""

from __future__ import annotations

import cv2
import numpy as np
from node_under_test import running_node
from scenes import colour_scene, iou, patch_mask
from sensor_msgs.msg import CompressedImage

BLUE = (80, 16, 116, 60)
SCENE = colour_scene(96, 128, {"red": (10, 10, 40, 40), "blue": BLUE})


def jpeg(part: float = 1.0) -> CompressedImage:
    done, data = cv2.imencode(".jpg", SCENE[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert done
    return CompressedImage(format="jpeg", data=data.tobytes()[: int(data.size * part)])


def test_a_cut_jpeg_is_dropped_and_the_next_one_answered(tmp_path, sam3_bundle_path):
    parameters = {"bundle": sam3_bundle_path, "image_transport": "compressed", "prompts": "[blue]"}
    with running_node(tmp_path, **parameters) as (process, client):
        client.connected()
        answer = client.answer(jpeg(), "mask", "overlay")
        mask = np.frombuffer(answer["mask"].data, np.uint8).reshape(96, 128)
        assert iou(mask > 0, patch_mask(96, 128, BLUE)) > 0.9
        assert answer["overlay"].header == answer["mask"].header

        before = client.frames_settled()
        cut = client.send(jpeg(0.5))
        client.diagnosed(lambda values, _: int(values["frames dropped, undecodable"]) == 1)
        assert "expected a whole JPEG" in process.log
        client.answer(jpeg(), "mask")
        after = client.frames_settled()
        assert after["dropped, undecodable"] == 1
        assert after["answered"] > before["answered"]
        assert all(mask.header.stamp != cut.stamp for mask in client.outputs["mask"])
