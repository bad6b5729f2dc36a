"""The node's command line for a replay."""

from __future__ import annotations

from sam3_ros.ros.replay.bag import COMPRESSED_IMAGE, BagTopic
from sam3_ros.ros.replay.settings import NodeSettings, ReplayError

_COMPRESSED = "/compressed"


def node_arguments(settings: NodeSettings, images: BagTopic, published_as: str) -> list[str]:
    """For a node that listens to the images as they are published.

    The user's parameters come last and win. Raises ReplayError for a topic it cannot listen to.
    """
    is_compressed = images.type_name == COMPRESSED_IMAGE
    base = published_as.removesuffix(_COMPRESSED) if is_compressed else published_as
    if is_compressed and base == published_as:
        raise ReplayError(
            f"the node hears compressed images on topics that end in {_COMPRESSED}, not on "
            f"{published_as}: give another with --publish-as"
        )
    namespace, _, name = settings.name.rpartition("/")
    parameters = {
        "image_transport": "compressed" if is_compressed else "raw",
        "diagnostics_period": "0.25",
        **dict(settings.parameters),
    }
    arguments = ["--ros-args", "-r", f"__node:={name}", "-r", f"__ns:={namespace or '/'}"]
    arguments += ["-r", f"image:={base}"]
    if settings.params_file is not None:
        arguments += ["--params-file", str(settings.params_file)]
    for key, value in parameters.items():
        arguments += ["-p", f"{key}:={value}"]
    return arguments
