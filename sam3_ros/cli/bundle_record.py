"""`sam3-ros bundle record`: what a bundle answers in fp32, kept in it for the precision guard."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sam3_ros.cli.command import add_command

if TYPE_CHECKING:
    from sam3_ros.cli.command import Commands


def register_record(actions: Commands) -> None:
    parser = add_command(
        actions,
        "record",
        "record what a bundle answers in fp32 on the CPU, for the precision guard to judge by",
        """
        sam3-ros bundle record my_bundle
        sam3-ros bundle record my_bundle --image desk.jpg
        """,
        _record,
    )
    parser.add_argument("path", help="a bundle's folder, or the name of an embedded one")
    parser.add_argument(
        "--image",
        type=Path,
        help="ask of this picture instead of a table; not where the bundle holds answers of the "
        "original model, which stay as they are: to them it adds what tells the stages apart",
    )


def _record(options: argparse.Namespace) -> int:
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.errors import BundleError
    from sam3_ros.core.precision.questions import TABLE, questions_of
    from sam3_ros.core.precision.recording import add_witnesses, record_into, recorded_in

    bundle = Bundle.open(options.path)
    recorded = recorded_in(bundle)
    if recorded is None or not recorded.of_original:
        written = record_into(bundle, [questions_of(bundle, options.image or TABLE)])
    elif options.image is None:
        written = add_witnesses(bundle, recorded)
    else:
        raise BundleError(
            f"bundle {bundle.path} holds answers of the original model, which nobody can give here "
            f"to another picture: leave --image out"
        )
    file = written.manifest.recorded_answers
    assert file is not None
    print(f"recorded: {written.path / file.path} ({file.bytes / 1e6:.2f} MB)")
    return 0
