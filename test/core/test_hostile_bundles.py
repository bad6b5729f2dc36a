"""A stranger's bundle is refused with its reason, before it costs memory or ends the process."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from bundle_spoiling import HostileBundle
from hostile_bundle_reader import FAULT, SOUND
from hostile_bundles import hostile_bundles

from sam3_ros.core.bundle.bundle import Bundle

MOST_MEGABYTES, LONGEST_REASON = 200, 1500
SEED, MUTATIONS = 14, 30

pytestmark = pytest.mark.long

HOSTILE = tuple(hostile_bundles())
READER = Path(__file__).parents[1] / "support" / "hostile_bundle_reader.py"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, float]]:
    """Read all of them in one process; outcome and megabytes by name."""
    command = [sys.executable, str(READER)]
    scratch = tmp_path_factory.mktemp("hostile")
    given = [Bundle.open("tabletop").path, scratch, SEED, MUTATIONS]
    done = subprocess.run(
        [*command, *map(str, given)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"ended by {done.returncode} after {lines[-1:]}"
    return {name: (outcome, megabytes) for name, outcome, megabytes in lines}


@pytest.mark.parametrize("hostile", HOSTILE, ids=[each.name for each in HOSTILE])
def test_a_hostile_bundle_is_refused_with_its_reason(
    hostile: HostileBundle, outcomes: dict[str, tuple[str, float]]
) -> None:
    outcome, megabytes = outcomes[hostile.name]
    assert re.search(hostile.reason, outcome)
    assert not outcome.startswith(FAULT) and outcome != SOUND
    assert len(outcome) < LONGEST_REASON
    assert megabytes < MOST_MEGABYTES


def test_what_was_changed_at_random_is_sound_or_refused(
    outcomes: dict[str, tuple[str, float]],
) -> None:
    mutated = {name: outcome for name, outcome in outcomes.items() if f"seed {SEED}" in name}
    assert len(mutated) == MUTATIONS
    assert not [each for each in mutated.items() if each[1][0].startswith(FAULT)]


def test_texts_that_a_terminal_would_obey_make_no_bundle_unsound(
    outcomes: dict[str, tuple[str, float]],
) -> None:
    assert outcomes["escapes"][0] == SOUND
