"""Two cameras with depth of compressedDepth; one node for this file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from depth_rig import FOCAL, MIDDLE_X, DepthRig
from node_under_test import running_node
from sam3_ros.msg import Objects3D
from scenes import colour_scene

HEIGHT, WIDTH = 96, 128
RED = (10, 10, 40, 40)
SCENE = colour_scene(HEIGHT, WIDTH, {"red": RED})


@pytest.fixture(scope="module")
def rigs(
    tmp_path_factory: pytest.TempPathFactory, sam3_bundle_path: Path
) -> Iterator[tuple[DepthRig, DepthRig]]:
    folder = tmp_path_factory.mktemp("node")
    parameters = {
        "bundle": sam3_bundle_path,
        "cameras": "[front, left]",
        "depth": "true",
        "depth_transport": "compressedDepth",
        "prompts": "['red']",
    }
    with running_node(folder, **parameters) as (_, client):
        client.diagnosed(lambda values, _: values["state"] == "active")
        yield DepthRig(client, "front", compressed=True), DepthRig(client, "left", compressed=True)


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_each_camera_is_answered_in_space_with_its_own_depth(
    rigs: tuple[DepthRig, DepthRig], kind: type
) -> None:
    for rig, z in zip(rigs, (1.0, 1.5), strict=True):
        rig.listen(objects=Objects3D)
        rig.subscribed()
        metres = np.full((HEIGHT, WIDTH), z, np.float32)
        depth = metres if kind is np.float32 else (metres * 1000).astype(np.uint16)

        (found,) = rig.answer("objects", SCENE, depth).objects

        # Inverse depth is quantised more coarsely the farther it is.
        assert found.centre.z == pytest.approx(z, rel=0.01)
        assert found.centre.x == pytest.approx((24.5 - MIDDLE_X) * z / FOCAL, abs=0.02)


def test_only_the_camera_that_is_listened_to_has_depth(rigs: tuple[DepthRig, DepthRig]) -> None:
    front, left = rigs
    front.listen(objects=Objects3D)
    left.listen()
    left.unsubscribed()
    front.subscribed()
    client = front.client
    depth = np.full((HEIGHT, WIDTH), 1000, np.uint16)
    assert front.answer("objects", SCENE, depth).header.frame_id == "front_optical"

    def told() -> bool:
        subscribed = {}
        for name in ("front", "left"):
            for status in client.camera_diagnostics[name][-1:]:
                values = {entry.key: entry.value for entry in status.values}
                subscribed[name] = values["depth subscribed"]
        return subscribed == {"front": "true", "left": "false"}

    client.spin_until(told, "diagnostics of both cameras")
