"""Plays the shipped bag through segmentation_node and shows it in RViz.

`ros2 launch sam3_ros demo.launch.py --show-args` lists the arguments, which include those of
segmentation.launch.py.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    Shutdown,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node

from sam3_ros.ros.launching.arguments import BOOLEANS
from sam3_ros.ros.launching.demo_player import (
    DEPTH,
    IMAGE,
    PLAYERS,
    player_command,
    require_package,
)
from sam3_ros.ros.launching.shared_files import demo_bag, shared_file

ARGUMENTS = [
    DeclareLaunchArgument(
        "rviz",
        default_value="true",
        choices=list(BOOLEANS),
        description="Show camera, overlay, mask and confidence in RViz.",
    ),
    DeclareLaunchArgument(
        "player",
        default_value="",
        choices=["", *PLAYERS],
        description="The player of the bag; empty is `ros2 bag play` where it is installed.",
    ),
    DeclareLaunchArgument(
        "rate",
        default_value="1.0",
        description="Speed of the bag; 2 plays twice as fast.",
    ),
    DeclareLaunchArgument(
        "loop",
        default_value="true",
        choices=list(BOOLEANS),
        description="Play again and again; otherwise everything ends with the bag.",
    ),
]
# Arguments of segmentation.launch.py with other defaults or descriptions.
NODE_ARGUMENTS = [
    DeclareLaunchArgument(
        "prompts",
        default_value="red cube; ball; ring",
        description='What to find from the start, separated by ";".',
    ),
    DeclareLaunchArgument(
        "tracking",
        default_value="true",
        choices=list(BOOLEANS),
        description="Track what texts and clicks find: each object keeps its id.",
    ),
    DeclareLaunchArgument(
        "depth",
        default_value="true",
        choices=list(BOOLEANS),
        description="Take the bag's depth, and say where things are in space.",
    ),
    DeclareLaunchArgument(
        "namespace",
        default_value="",
        description="Namespace of the node and its topics; RViz shows those without one.",
    ),
    DeclareLaunchArgument(
        "name",
        default_value="segmentation_node",
        description="Name of the node; RViz shows the topics of this one.",
    ),
    DeclareLaunchArgument(
        "mask_encoding",
        default_value="mono16",
        choices=["mono8", "mono16"],
        description="RViz spreads the few values of mono16 over all greys; it shows those of "
        "mono8 as they are, nearly black.",
    ),
]
BAG = demo_bag()


def check(context: LaunchContext) -> list[Node]:
    """Raise for a wrong argument or a missing package, before anything has started."""
    texts = context.launch_configurations
    player_command(texts, BAG)
    if BOOLEANS[texts["rviz"]]:
        require_package("rviz2", "rviz:=false")
    return []


def player(context: LaunchContext) -> list[ExecuteProcess]:
    """Return what plays the bag; the launch ends with it unless it loops."""
    texts = context.launch_configurations
    on_exit = [] if BOOLEANS[texts["loop"]] else [Shutdown(reason="the bag has been played")]
    command = player_command(texts, BAG)
    return [ExecuteProcess(cmd=command, name="player", output="screen", on_exit=on_exit)]


def rviz(context: LaunchContext) -> list[Node]:
    """Return RViz with our layout, unless it is left out."""
    if not BOOLEANS[context.launch_configurations["rviz"]]:
        return []
    layout = str(shared_file("config/segmentation.rviz"))
    return [Node(package="rviz2", executable="rviz2", arguments=["-d", layout], output="log")]


def generate_launch_description() -> LaunchDescription:
    """Return the arguments, the check, the node, the player and RViz."""
    segmentation = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(Path(__file__).with_name("segmentation.launch.py"))),
        launch_arguments=[
            ("image", IMAGE),
            ("transport", "compressed"),
            ("depth_image", DEPTH),
        ],
    )
    return LaunchDescription(
        [
            *ARGUMENTS,
            *NODE_ARGUMENTS,
            OpaqueFunction(function=check),
            segmentation,
            OpaqueFunction(function=player),
            OpaqueFunction(function=rviz),
        ]
    )
