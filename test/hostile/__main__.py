"""Try thousands of hostile inputs on the node, on files and on bundles, and print what came.

make fuzz ARGS="--seed 1 --count 10000"
make fuzz ARGS="--seed 1 --only 4711"     # or 4700-4711: those before it may matter
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

from ros_domains import own_domain

from hostile.batch import Fuzz
from sam3_ros.ros.launching.dds import keep_to_this_machine, use_image_profile


def main(arguments: list[str] | None = None) -> int:
    """Run and print; return 0, or 1 if any input failed."""
    parser = argparse.ArgumentParser(prog="hostile", description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--only", type=_numbers, help="a number, or a first and a last: 4700-4711")
    parser.add_argument("--out", type=Path, default=Path("out/hostile"))
    options = parser.parse_args(arguments)
    use_image_profile(os.environ)
    keep_to_this_machine(os.environ)
    # As Ctrl-C: what there is, is judged and printed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    begin = time.monotonic()
    numbers = options.only or range(1, options.count + 1)
    with own_domain() as domain:
        verdict = Fuzz(options.seed, options.out, domain, _say).run(numbers)
    document = {
        "seed": options.seed,
        "seconds": round(time.monotonic() - begin),
        **verdict.document(),
    }
    (options.out / "result.json").write_text(json.dumps(document, indent=2), encoding="utf-8")
    print("\n".join(verdict.lines()))
    print(json.dumps({k: v for k, v in document.items() if k != "failures"}))
    for failure in verdict.failures:
        numbers = f"{failure.first}-{failure.last}".removesuffix(f"-{failure.first}")
        print(
            f"FAILED {failure.kind}, --seed {options.seed} --only {numbers}: {failure.what[:1000]}"
        )
    return 1 if verdict.failures else 0


def _numbers(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
