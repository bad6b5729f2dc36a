"""Starts segmentation_node.

`ros2 launch sam3_ros segmentation.launch.py --show-args` lists the arguments; every parameter of
the node is one. The command line wins over params_file, that over preset, and that over the
defaults in config/segmentation.yaml. A wrong argument ends the launch before anything has started.
"""

import os
from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from sam3_ros.ros.launching.arguments import (
    ARGUMENTS,
    BOOLEANS,
    IMAGE,
    PRESETS,
    camera_topics,
    given_parameters,
    params_file,
    seconds,
    starts_again,
)
from sam3_ros.ros.launching.dds import fastdds_profile, profile_in_use, profile_variable
from sam3_ros.ros.launching.shared_files import shared_file

LOG_LEVELS = ["debug", "info", "warn", "error", "fatal"]

OTHER_ARGUMENTS = [
    DeclareLaunchArgument(
        "image",
        default_value=IMAGE,
        description="Topic of the raw images of a camera without a name; compressed ones are read "
        "from <image>/compressed.",
    ),
    DeclareLaunchArgument(
        "cameras",
        default_value="",
        description="Names of several cameras and the topics of their raw images, as in "
        '"front=/front/image_raw left=/left/image_raw"; a name alone listens to <name>/image.',
    ),
    DeclareLaunchArgument(
        "preset",
        default_value="",
        choices=["", *PRESETS],
        description="Parameters for a kind of machine, config/presets/<preset>.yaml.",
    ),
    DeclareLaunchArgument(
        "params_file",
        default_value="",
        description="Your parameters; they win over the preset, and the arguments over them.",
    ),
    DeclareLaunchArgument(
        "namespace",
        default_value="",
        description="Namespace of the node and its topics.",
    ),
    DeclareLaunchArgument(
        "name",
        default_value="segmentation_node",
        description="Name of the node, the ~ of its topics.",
    ),
    DeclareLaunchArgument(
        "use_sim_time",
        default_value="",
        choices=["", *BOOLEANS],
        description="Take the time from /clock, as in simulation.",
    ),
    DeclareLaunchArgument(
        "log_level",
        default_value="info",
        choices=LOG_LEVELS,
        description="The node logs messages of this severity and above.",
    ),
    DeclareLaunchArgument(
        "respawn",
        default_value="false",
        choices=list(BOOLEANS),
        description="Start the node again if its process ends.",
    ),
    DeclareLaunchArgument(
        "respawn_delay",
        default_value="2.0",
        description="Seconds before the node is started again.",
    ),
    DeclareLaunchArgument(
        "fastdds_profile",
        default_value=profile_in_use(os.environ) or str(fastdds_profile()),
        description="Fast DDS profile for large images, from the environment or config/; empty for "
        "none. The camera driver needs it too.",
    ),
]
# For launch, an empty list of choices allows nothing, and None everything.
PARAMETER_ARGUMENTS = [
    DeclareLaunchArgument(
        argument.name,
        default_value="",
        choices=list(argument.choices) or None,
        description=argument.description,
    )
    for argument in ARGUMENTS
]


def parameter_files(texts: dict[str, str]) -> list[str]:
    """Return the files of parameters; a later one wins."""
    preset = texts["preset"]
    shipped = str(shared_file(f"config/presets/{preset}.yaml")) if preset else ""
    return [path for path in (shipped, params_file(texts)) if path]


def fail_if_build_failed(event: Any, _context: LaunchContext) -> None:
    """Fail the launch, so that its exit code is that of the build."""
    if event.returncode != 0:
        raise RuntimeError(f"the build failed: segmentation_node ended with {event.returncode}")


def segmentation_node(context: LaunchContext) -> list[Node]:
    """Return the node as the arguments describe it; raise for a wrong argument."""
    texts = context.launch_configurations
    given = given_parameters(texts)
    cameras = camera_topics(texts["image"], texts["cameras"])
    other = {"cameras": cameras.names} if cameras.names else {}
    if texts["use_sim_time"]:
        other["use_sim_time"] = BOOLEANS[texts["use_sim_time"]]
    profile = texts["fastdds_profile"]
    return [
        Node(
            package="sam3_ros",
            executable="segmentation_node",
            name=LaunchConfiguration("name"),
            namespace=LaunchConfiguration("namespace"),
            parameters=[*parameter_files(texts), {**other, **given}],
            remappings=cameras.remappings,
            ros_arguments=["--log-level", LaunchConfiguration("log_level")],
            additional_env={profile_variable(os.environ): profile} if profile else {},
            respawn=starts_again(texts, given),
            respawn_delay=seconds(texts, "respawn_delay"),
            on_exit=fail_if_build_failed if given.get("build_only") else None,
            output="screen",
            emulate_tty=True,
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and the node."""
    return LaunchDescription(
        [*PARAMETER_ARGUMENTS, *OTHER_ARGUMENTS, OpaqueFunction(function=segmentation_node)]
    )
