"""`sam3-ros look`: the live picture in a browser, to type and to click."""

from __future__ import annotations

import argparse
import re
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam3_ros.cli.command import add_command, whole_number
from sam3_ros.cli.model_options import add_model_options, configured_model
from sam3_ros.cli.needs import require
from sam3_ros.cli.picture_options import add_picture_options
from sam3_ros.core.errors import Sam3RosError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sam3_ros.cli.command import Commands
    from sam3_ros.look.viewing import Viewing

# Into a pipe Python would hold the lines back.
_print = partial(print, flush=True)
_HIGHEST_PORT = 65535
_NODE_NAME = re.compile(r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*")
_ANY_NODE = ""
#: Options that say how pictures are answered here; a node has its own.
_OF_OWN_PICTURES = (
    "ask", "bundle", "backend", "precision", "profile", "cuda_graphs", "threads", "bit_depth",
    "max_megapixels",
)  # fmt: skip
#: Seconds in which a running node is found, to say that it is not looked at.
_LOOK_SECONDS = 2.0


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "look",
        "show live pictures with masks in a browser, to type and to click",
        """
        sam3-ros look    # the shipped bag, again and again, asked "red cube"
        sam3-ros look photo.jpg
        sam3-ros look film.mp4 --ask "red cube; ball"
        sam3-ros look --camera 0
        sam3-ros look --node    # beside the running node
        sam3-ros look --node /front/segmentation_node --host 0.0.0.0 --view-only
        """,
        _run,
    )
    parser.description = (
        f"{parser.description} The page is for this machine alone, unless --host gives another "
        "address: then a link with a token is printed. It ends with Ctrl-C."
    )
    _add_sources(parser)
    _add_serving(parser)
    add_picture_options(parser)
    add_model_options(parser)
    parser.set_defaults(unset={each: parser.get_default(each) for each in _OF_OWN_PICTURES})


def _add_sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        nargs="*",
        metavar="FILE",
        help="photos, a folder of photos, a video or a bag (default: the shipped bag, asked "
        '"red cube")',
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--camera", metavar="N|DEVICE", help="a webcam, such as 0 or /dev/video0")
    source.add_argument(
        "--node",
        nargs="?",
        const=_ANY_NODE,
        metavar="NAME",
        help="look beside a running node instead: this one, or without NAME the only one",
    )
    parser.add_argument(
        "--ask",
        action="append",
        metavar="TEXT",
        help='what to find from the start, phrases separated by ";"; repeatable',
    )


def _add_serving(parser: argparse.ArgumentParser) -> None:
    page = parser.add_argument_group("page")
    page.add_argument(
        "--port",
        type=whole_number(0, _HIGHEST_PORT),
        default=8383,
        metavar="N",
        help="0 takes a free one (default: %(default)s)",
    )
    page.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="listen on this address of the machine, 0.0.0.0 for all; whoever comes from elsewhere "
        "needs the link that is printed (default: %(default)s)",
    )
    page.add_argument(
        "--view-only", action="store_true", help="viewers see all, and can ask and change nothing"
    )
    page.add_argument(
        "--public-url",
        default="",
        metavar="URL",
        help="address that browsers use where a proxy with TLS is in front, such as "
        "https://robot.example; wants the token too",
    )
    page.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="keep the token in this file, made if it is not there, instead of printing a new one; "
        "wanted on every address then",
    )
    page.add_argument("--open", action="store_true", help="open the page in a browser here")


def _run(options: argparse.Namespace) -> int:
    require("nicegui", whose="`sam3-ros look`")
    open_source = _node(options) if options.node is not None else _own_pictures(options)
    from sam3_ros.look.run import LookSettings, run

    settings = LookSettings(
        options.host,
        options.port,
        options.view_only,
        options.public_url,
        options.token_file,
        options.open,
    )
    is_default = not options.source and options.camera is None and options.node is None
    run(settings, open_source, _print, _tell_of_nodes if is_default else None)
    return 0


def _node(options: argparse.Namespace) -> Callable[[], Viewing]:
    """Return what opens a node's pictures. Raises Sam3RosError."""
    if options.source:
        raise Sam3RosError(
            f"--node looks beside a node, and {options.source[0]} is a file: give one of them"
        )
    for name, unset in options.unset.items():
        if getattr(options, name) != unset:
            raise Sam3RosError(
                f"--{name.replace('_', '-')} is for pictures of your own; a node has its own "
                "model, and `sam3-ros ask` or the page asks it"
            )
    if options.node and not _NODE_NAME.fullmatch(options.node):
        raise Sam3RosError(
            f"--node expects a node's name, such as /segmentation_node; got {options.node!r}"
        )
    require("rclpy", "sam3_ros.msg", "sam3_ros.srv", whose="`sam3-ros look --node`")

    def open_node() -> Viewing:
        from sam3_ros.look.node.opening import open_node_viewing

        viewing = open_node_viewing(options.node or None)
        health = viewing.health("")
        waits = "; not there yet, the page shows it when it comes" if health.state == "gone" else ""
        _print(f"source     {health.source}{waits}")
        return viewing

    return open_node


def _own_pictures(options: argparse.Namespace) -> Callable[[], Viewing]:
    """Return what opens pictures without ROS. Raises Sam3RosError."""
    if options.source and options.camera is not None:
        raise Sam3RosError(
            f"--camera is a webcam, and {options.source[0]} is a file: give one of them"
        )
    model = configured_model(options)  # a wrong bundle is told before the page is there
    texts = None if options.ask is None else _phrases(options.ask)

    def open_pictures() -> Viewing:
        from sam3_ros.core.images.size_bound import MAX_MEGAPIXELS
        from sam3_ros.label.read_settings import ReadSettings
        from sam3_ros.look.library.opening import open_library

        read = ReadSettings(options.bit_depth, options.max_megapixels or MAX_MEGAPIXELS)
        viewing = open_library(model.load, tuple(options.source), options.camera, texts, read)
        _print(f"source     {_described(options)}")
        return viewing

    return open_pictures


def _phrases(texts: list[str]) -> tuple[str, ...]:
    from sam3_ros.core.segmenter.phrases import required_phrases

    return tuple(phrase for text in texts for phrase in required_phrases(text))


def _described(options: argparse.Namespace) -> str:
    if options.camera is not None:
        return f"camera {options.camera}"
    if options.source:
        given = dict.fromkeys(options.source)  # one that is named twice is shown once
        more = f" and {len(given) - 1} more" if len(given) > 1 else ""
        return f"{options.source[0]}{more}"
    return "the shipped bag, again and again; `sam3-ros look --help` has other sources"


def _tell_of_nodes(write: Callable[[str], Any]) -> None:
    """Say that a node runs which this page does not show, if ROS is here and one does."""
    with suppress(Exception):
        require("rclpy", "sam3_ros.srv")
        from sam3_ros.look.node.opening import running_nodes

        for name in running_nodes(_LOOK_SECONDS):
            write(f"note       the node {name} runs too: `sam3-ros look --node {name}` shows it")
