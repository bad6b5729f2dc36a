"""Starts segmentation_node; `ros2 launch sam3_ros segmentation.launch.py --show-args` lists it all.

An argument left empty leaves the parameter to the params file.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

# Of Kilted and later, and of Jazzy and earlier.
PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")


def in_share(*parts: str) -> PathJoinSubstitution:
    return PathJoinSubstitution([FindPackageShare("sam3_ros"), *parts])


ARGUMENTS = [
    DeclareLaunchArgument(
        "bundle",
        default_value="",
        description="Model bundle: the name of a shipped one (tabletop) or the path of a folder.",
    ),
    DeclareLaunchArgument(
        "backend",
        default_value="",
        choices=["", "cpu", "cuda", "tensorrt", "openvino"],
        description="What runs the model; one that is not available is an error.",
    ),
    DeclareLaunchArgument(
        "precision",
        default_value="",
        description="Which of the bundle's model files to run, as `sam3-ros bundle inspect` "
        "lists them (fp32, ...).",
    ),
    DeclareLaunchArgument(
        "image",
        default_value="/camera/image_raw",
        description="Topic of the raw images; compressed ones are read from <image>/compressed.",
    ),
    DeclareLaunchArgument(
        "transport",
        default_value="",
        choices=["", "raw", "compressed"],
        description="Read sensor_msgs/Image (raw) or sensor_msgs/CompressedImage (compressed).",
    ),
    DeclareLaunchArgument(
        "prompts",
        default_value="",
        description='What to find from the start, separated by ";", as in "red cube; ball".',
    ),
    DeclareLaunchArgument(
        "params_file",
        default_value=in_share("config", "segmentation.yaml"),
        description="Parameters of the node; the arguments above win over it.",
    ),
    DeclareLaunchArgument(
        "namespace",
        default_value="",
        description="Namespace of the node and its topics.",
    ),
    DeclareLaunchArgument(
        "fastdds_profile",
        default_value=EnvironmentVariable(
            PROFILE_VARIABLES[0], default_value=in_share("config", "fastdds.xml")
        ),
        description="Fast DDS profile for large images, the environment's or the one in config/; "
        "empty to name none. The camera driver needs it too.",
    ),
]

PARAMETER_OF_ARGUMENT = {
    "bundle": "bundle",
    "backend": "backend",
    "precision": "precision",
    "transport": "image_transport",
}


def given_parameters(context: LaunchContext) -> dict[str, str | list[str]]:
    arguments = context.launch_configurations
    given: dict[str, str | list[str]] = {
        parameter: arguments[argument]
        for argument, parameter in PARAMETER_OF_ARGUMENT.items()
        if arguments[argument]
    }
    prompts = [text.strip() for text in arguments["prompts"].split(";") if text.strip()]
    return given | ({"prompts": prompts} if prompts else {})


def segmentation_node(context: LaunchContext) -> list[Node]:
    image = LaunchConfiguration("image")
    profile = context.launch_configurations["fastdds_profile"]
    return [
        Node(
            package="sam3_ros",
            executable="segmentation_node",
            name="segmentation_node",
            namespace=LaunchConfiguration("namespace"),
            parameters=[LaunchConfiguration("params_file"), given_parameters(context)],
            remappings=[("image", image), ("image/compressed", [image, "/compressed"])],
            additional_env=dict.fromkeys(PROFILE_VARIABLES, profile) if profile else {},
            output="screen",
            emulate_tty=True,
        )
    ]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=segmentation_node)])
