"""`sam3-ros bundle pull` and `push`: finished bundles from the Hugging Face hub, and to it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from sam3_ros.cli.checkpoint_option import downloads_shown
from sam3_ros.cli.command import add_command, add_json_option
from sam3_ros.cli.needs import require
from sam3_ros.cli.progress import print_step
from sam3_ros.core.visible_text import visible

if TYPE_CHECKING:
    from sam3_ros.cli.command import Commands
    from sam3_ros.hub.address import HubAddress

_CLIENT = "huggingface_hub"
_TOLD = 8


def register_sharing(actions: Commands) -> None:
    """Declare both actions."""
    _register_pull(actions)
    _register_push(actions)


def _register_pull(actions: Commands) -> None:
    parser = add_command(
        actions,
        "pull",
        "fetch a bundle from the Hugging Face hub, and check all of it; nothing of it is run",
        """
        sam3-ros bundle pull hf://ORG/REPO
        sam3-ros bundle pull hf://ORG/REPO@v2 --out bundles/kitchen
        """,
        _pull,
    )
    _add_address(parser, "hf://ORG/REPO[@REVISION]")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="the bundle's folder (the repository's name)"
    )
    parser.add_argument("--force", action="store_true", help="replace the bundle that is there")
    add_json_option(parser)


def _register_push(actions: Commands) -> None:
    parser = add_command(
        actions,
        "push",
        "send a bundle to the Hugging Face hub: the files that its manifest names, in one commit",
        """
        sam3-ros bundle push my_bundle hf://ORG/REPO            # a new repository is private
        sam3-ros bundle push my_bundle hf://ORG/REPO --public
        """,
        _push,
    )
    parser.add_argument(
        "bundle", metavar="BUNDLE", help="a bundle's folder, or the name of an embedded one"
    )
    _add_address(parser, "hf://ORG/REPO[@BRANCH]")
    parser.add_argument(
        "--public",
        action="store_true",
        help="let everybody see a repository that is made for it; an existing one stays as it is",
    )
    add_json_option(parser)


def _add_address(parser: argparse.ArgumentParser, form: str) -> None:
    parser.add_argument("repository", type=_address, metavar="REPOSITORY", help=form)


def _address(text: str) -> HubAddress:
    from sam3_ros.core.errors import HubError
    from sam3_ros.hub.address import is_address, parsed_address

    if not is_address(text):
        raise argparse.ArgumentTypeError(f"expected hf://ORG/REPO, got {text!r}")
    try:
        return parsed_address(text)
    except HubError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _pull(options: argparse.Namespace) -> int:
    require(_CLIENT)
    from sam3_ros.hub.pull import pull_bundle

    target = options.out or Path(options.repository.name)
    with downloads_shown() as shown:
        pulled = pull_bundle(options.repository, target, shown.say, shown.watch, options.force)
    _tell_left("left there, as no part of the bundle", pulled.left)
    manifest = pulled.bundle.manifest
    size = sum(file.bytes for file in manifest.files)
    if options.json:
        document = {
            "path": str(pulled.bundle.path),
            "name": manifest.name,
            "address": str(pulled.address),
            "licence": manifest.licence,
            "bytes": size,
            "left": list(pulled.left),
        }
        print(json.dumps(document, indent=2))
        return 0
    print(
        f"pulled: {visible(str(target))} ({', '.join(pulled.bundle.capabilities)}; "
        f"{', '.join(pulled.bundle.precisions)}; {size / 1e6:.1f} MB; licence: "
        f"{visible(manifest.licence)}) from {pulled.address}"
    )
    return 0


def _push(options: argparse.Namespace) -> int:
    require(_CLIENT)
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.precision.other_files import check_other_files
    from sam3_ros.hub.push import push_bundle

    bundle = Bundle.open(options.bundle)
    check_other_files(bundle)
    pushed = push_bundle(bundle, options.repository, print_step, options.public)
    _tell_left("not sent, as no part of the bundle", pushed.left)
    if options.json:
        document = {
            "address": str(pushed.address),
            "files": pushed.files,
            "bytes": pushed.bytes,
            "left": list(pushed.left),
        }
        print(json.dumps(document, indent=2))
        return 0
    print(f"pushed: {pushed.address} ({pushed.files} files, {pushed.bytes / 1e6:.1f} MB)")
    return 0


def _tell_left(what: str, names: tuple[str, ...]) -> None:
    if names:
        more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
        print_step(f"{what}: {', '.join(names[:_TOLD])}{more}")
