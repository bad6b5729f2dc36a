"""`sam3-ros bundle card`: README.md in a bundle, for people who come upon it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sam3_ros.cli.card import require_card, write_card
from sam3_ros.cli.command import add_command
from sam3_ros.cli.out_folder import add_force_option
from sam3_ros.cli.progress import print_step
from sam3_ros.core.visible_text import visible

if TYPE_CHECKING:
    from sam3_ros.cli.command import Commands
    from sam3_ros.core.bundle.bundle import Bundle


def register_card(actions: Commands) -> None:
    """Declare the action."""
    parser = add_command(
        actions,
        "card",
        "write a card into a bundle (README.md): source, licence, figures, speed, how to use it",
        """
        sam3-ros bundle card ./my_bundle
        sam3-ros bundle card tabletop --no-speed --out /dev/stdout
        """,
        _card,
    )
    parser.add_argument(
        "path", metavar="BUNDLE", help="a bundle's folder, or the name of an embedded one"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write it there instead of into the bundle"
    )
    parser.add_argument(
        "--speed",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="time a text and a click, which takes some seconds (default: yes)",
    )
    add_force_option(parser)


def _refuse_part_of(bundle: Bundle, out: Path | None) -> None:
    """Raise BundleError where the card would take the place of a part of the bundle."""
    from sam3_ros.core.bundle.bundle import MANIFEST_NAME
    from sam3_ros.core.errors import BundleError

    names = (MANIFEST_NAME, *(file.path for file in bundle.manifest.files))
    if out is not None and out.resolve() in {(bundle.path / name).resolve() for name in names}:
        raise BundleError(f"{out} is a part of the bundle: name another file")


def _card(options: argparse.Namespace) -> int:
    from sam3_ros.core.bundle.bundle import Bundle, embedded_bundles
    from sam3_ros.core.errors import BundleError

    bundle = Bundle.open(options.path)
    if options.out is None and bundle.path in embedded_bundles().values():
        raise BundleError(
            f"bundle {bundle.manifest.name!r} is a part of sam3_ros, which is not written to: name "
            f"a file with --out"
        )
    _refuse_part_of(bundle, options.out)
    path = require_card(bundle.path, options.out, force=options.force)
    write_card(bundle, path, with_speed=options.speed, progress=print_step)
    if path.is_file():  # else it is on standard output already
        print(f"written: {visible(str(path))}")
    return 0
