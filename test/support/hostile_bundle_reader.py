"""Reads hostile bundles in a process of its own, with little memory and time.

    python hostile_bundle_reader.py GOOD SCRATCH SEED COUNT

A line of JSON for each bundle: [name, outcome, MB that the process has grown by]. The outcome is
the error's text, "sound", or a traceback.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import traceback
from pathlib import Path

from bundle_spoiling import Make
from hostile_bundles import hostile_bundles, mutated_bundles, with_escapes

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.verification import described_verification
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.precision.other_files import check_other_files
from sam3_ros.core.precision.recording import recorded_in

SOUND, FAULT = "sound", "FAULT"
_MEMORY, _CPU_SECONDS = 4_000_000_000, 120


def read(folder: Path, only_answers: bool = False) -> str:
    """Read all of a bundle but its graphs, and return the outcome.

    only_answers: leave out the tokenizer, which is the sound bundle's.
    """
    try:
        bundle = Bundle.open(folder)
        described_verification(bundle.manifest.verification)
        (recorded_in if only_answers else check_other_files)(bundle)
    except Sam3RosError as error:
        return str(error)
    except BaseException:
        return f"{FAULT} {traceback.format_exc()[-1000:]}"
    return SOUND


def main() -> None:
    good, scratch = Path(sys.argv[1]), Path(sys.argv[2])
    makes: dict[str, Make] = {each.name: each.make for each in hostile_bundles()}
    makes |= {"escapes": with_escapes, **dict(mutated_bundles(int(sys.argv[3]), int(sys.argv[4])))}
    assert read(good) == SOUND
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    for name, make in makes.items():
        folder = make(good, scratch / "bundle")
        before = _peak()
        outcome = read(folder, name.startswith("recorded answers"))
        print(json.dumps([name, outcome, _peak() - before]), flush=True)
        shutil.rmtree(folder)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    main()
