"""Two cameras with depth of compressedDepth, in a frame of the robot; one node for this file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from depth_rig import FOCAL, MIDDLE_X, MIDDLE_Y, DepthRig
from node_client import NodeClient
from node_under_test import running_node
from sam3_ros.msg import Objects3D
from scenes import colour_scene

HEIGHT, WIDTH = 96, 128
RED = (10, 10, 40, 40)
SCENE = colour_scene(HEIGHT, WIDTH, {"red": RED})
# For the node's process: it has the calls of tf2_ros, which is not among the wheels.
TF2 = """
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3

class TransformException(Exception):
    pass

class TransformListener:
    def __init__(self, buffer, node, *, spin_thread):
        node.get_clock()

    def unregister(self):
        pass

class Buffer:
    def lookup_transform(self, target, source, time, timeout):
        if target != "base" or source not in ("front_optical", "left_optical"):
            raise TransformException(f"no frame {source} in {target}")
        # The optical frame looks along the robot's x.
        turn = Quaternion(x=-0.5, y=0.5, z=-0.5, w=0.5)
        height = Vector3(x=0.0, y=0.0, z=1.5)
        return TransformStamped(transform=Transform(translation=height, rotation=turn))
"""


@pytest.fixture(scope="module")
def rigs(
    tmp_path_factory: pytest.TempPathFactory, sam3_bundle_path: Path
) -> Iterator[tuple[DepthRig, DepthRig]]:
    package = tmp_path_factory.mktemp("python") / "tf2_ros"
    package.mkdir()
    (package / "__init__.py").write_text(TF2)
    folder = tmp_path_factory.mktemp("node")
    parameters = {
        "bundle": sam3_bundle_path,
        "cameras": "[front, left]",
        "depth": "true",
        "depth_transport": "compressedDepth",
        "target_frame": "base",
        "prompts": "['red']",
    }
    paths = [str(package.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        _, client = stack.enter_context(running_node(folder, **parameters))
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

        message = rig.answer("objects", SCENE, depth)

        (found,) = message.objects
        assert message.header.frame_id == "base"
        # Inverse depth is quantised more coarsely the farther it is.
        assert found.centre.x == pytest.approx(z, rel=0.01)
        assert found.centre.y == pytest.approx(-(24.5 - MIDDLE_X) * z / FOCAL, abs=0.02)
        assert found.centre.z == pytest.approx(1.5 - (24.5 - MIDDLE_Y) * z / FOCAL, abs=0.02)


def test_a_camera_that_tf2_does_not_know_is_counted(rigs: tuple[DepthRig, DepthRig]) -> None:
    front, _ = rigs
    front.listen(objects=Objects3D)
    front.subscribed()
    client, known = front.client, front.frame_id
    depth = np.full((HEIGHT, WIDTH), 1000, np.uint16)

    def refused() -> bool:
        front.frame_id = "lost_optical"
        front.send(front.next_stamp(), SCENE, depth)
        front.frame_id = known
        client.executor.spin_once(timeout_sec=0.1)
        values = values_of(client, "front")
        return int(values.get("nothing in space, no transform", 0)) > 0

    client.spin_until(refused, "a refusal")
    assert (
        "no frame lost_optical in base"
        in values_of(client, "front")["last image with nothing in space"]
    )
    assert front.answer("objects", SCENE, depth).objects


def values_of(client: NodeClient, camera: str) -> dict[str, str]:
    """Return the values of the camera's last diagnostics."""
    last = client.camera_diagnostics[camera][-1:]
    return {entry.key: entry.value for status in last for entry in status.values}


def test_only_the_camera_that_is_listened_to_has_depth(rigs: tuple[DepthRig, DepthRig]) -> None:
    front, left = rigs
    front.listen(objects=Objects3D)
    left.listen()
    left.unsubscribed()
    front.subscribed()
    client = front.client
    depth = np.full((HEIGHT, WIDTH), 1000, np.uint16)
    assert front.answer("objects", SCENE, depth).objects

    def told() -> bool:
        of = {name: values_of(client, name).get("depth subscribed") for name in ("front", "left")}
        return of == {"front": "true", "left": "false"}

    client.spin_until(told, "diagnostics of both cameras")
