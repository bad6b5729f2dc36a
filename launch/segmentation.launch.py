"""Starts segmentation_node.

`ros2 launch sam3_ros segmentation.launch.py --show-args` lists the arguments; every parameter of
the node is one. The command line wins over params_file, that over preset, and that over the
defaults in config/segmentation.yaml. A wrong argument ends the launch before anything has started.
"""

import os
from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from sam3_ros.ros.launching.arguments import (
    ARGUMENTS,
    given_parameters,
    seconds,
    starts_again,
)
from sam3_ros.ros.launching.dds import TRANSPORTS_VARIABLE, profile_variable
from sam3_ros.ros.launching.look import look_command, parameters_for_look, wants_look
from sam3_ros.ros.launching.process_arguments import (
    other_parameters,
    parameter_files,
    process_arguments,
    remappings,
)

# For launch, an empty list of choices allows nothing, and None everything.
OTHER_ARGUMENTS = [
    DeclareLaunchArgument(
        argument.name,
        default_value=argument.default,
        choices=list(argument.choices) or None,
        description=argument.description,
    )
    for argument in process_arguments(os.environ)
]
PARAMETER_ARGUMENTS = [
    DeclareLaunchArgument(
        argument.name,
        default_value="",
        choices=list(argument.choices) or None,
        description=argument.description,
    )
    for argument in ARGUMENTS
]


def fail_if_build_failed(event: Any, _context: LaunchContext) -> None:
    """Fail the launch, so that its exit code is that of the build."""
    if event.returncode != 0:
        raise RuntimeError(f"the build failed: segmentation_node ended with {event.returncode}")


def on_exit(texts: dict[str, str], given: dict[str, Any], respawn: bool) -> Any:
    """Return what is done when the node has ended."""
    if given.get("build_only"):
        return fail_if_build_failed
    if wants_look(texts) and not respawn:
        # Without it, the page of a node that is gone would keep the launch from its end.
        return [Shutdown(reason="segmentation_node has ended")]
    return None


def segmentation_node(context: LaunchContext) -> list[Node | ExecuteProcess]:
    """Return the node as the arguments describe it, and its page; raise for a wrong argument."""
    texts = context.launch_configurations
    given = given_parameters(texts)
    other = other_parameters(texts)
    respawn = starts_again(texts, given)
    look = look_command(texts, given) if wants_look(texts) else []
    profile = texts["fastdds_profile"]
    environment = (
        {profile_variable(os.environ): profile} if profile else {TRANSPORTS_VARIABLE: "DEFAULT"}
    )
    node = Node(
        package="sam3_ros",
        executable="segmentation_node",
        name=LaunchConfiguration("name"),
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            *([parameters_for_look()] if look else []),
            *parameter_files(texts),
            {**other, **given},
        ],
        remappings=remappings(texts),
        ros_arguments=["--log-level", LaunchConfiguration("log_level")],
        additional_env=environment,
        respawn=respawn,
        respawn_delay=seconds(texts, "respawn_delay"),
        on_exit=on_exit(texts, given, respawn),
        output="screen",
        emulate_tty=True,
    )
    if not look:
        return [node]
    # To the screen alone: what is printed may have a token, which is for no log.
    page = ExecuteProcess(cmd=look, name="look", additional_env=environment, output="screen")
    return [node, page]


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and the node."""
    return LaunchDescription(
        [*PARAMETER_ARGUMENTS, *OTHER_ARGUMENTS, OpaqueFunction(function=segmentation_node)]
    )
