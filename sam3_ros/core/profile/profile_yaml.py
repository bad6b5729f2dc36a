"""A machine profile as YAML: text to MachineProfile and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sam3_ros.core.checked_yaml import (
    DocumentKind,
    dump_document,
    parse_document,
    plain_data,
    read_document,
)
from sam3_ros.core.errors import ProfileError
from sam3_ros.core.profile.profile import Machine, MachineProfile
from sam3_ros.core.stages.plan import StageChoice
from sam3_ros.core.whole_file import write_whole

FORMAT = 1
#: The first line of each profile's file, by which it is known to be one.
MARK = "# A machine profile, written by sam3-ros tune."
_KIND = DocumentKind(
    "the machine profile",
    Path(__file__).with_name("profile_schema.json"),
    ProfileError,
    format=FORMAT,
    outdated="run sam3-ros tune again",
)


def read_profile(path: Path) -> MachineProfile:
    """Read a profile. Raises ProfileError, with the path, for a file that is none."""
    try:
        return _profile(read_document(path, _KIND).value)
    except ProfileError as error:
        if isinstance(error.__cause__, OSError):
            raise ProfileError(f"{error}; `sam3-ros tune` makes one") from error
        raise


def write_profile(path: Path, profile: MachineProfile) -> None:
    """Write a profile, in place of what is there. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, f"{MARK}\n{dump_profile(profile)}")


def parse_profile(text: str) -> MachineProfile:
    """Read the YAML of a profile. Raises ProfileError for anything that is not a sound one."""
    return _profile(parse_document(text, _KIND).value)


def _profile(document: Mapping[str, Any]) -> MachineProfile:
    machine = document["machine"]
    return MachineProfile(
        bundle=document["bundle"]["name"],
        bundle_sha256=document["bundle"]["sha256"],
        machine=Machine(**{**machine, "flags": frozenset(machine["flags"].split())}),
        threads=document["threads"] or None,
        made=document["made"],
        choices={name: StageChoice(**entry) for name, entry in document["stages"].items()},
        evidence=document["evidence"],
    )


def dump_profile(profile: MachineProfile) -> str:
    """Return the YAML that parse_profile reads back as an equal MachineProfile."""
    return dump_document(as_document(profile))


def as_document(profile: MachineProfile) -> dict[str, Any]:
    """Return the profile as plain data, for YAML and JSON."""
    machine = profile.machine
    return {
        "format": FORMAT,
        "bundle": {"name": profile.bundle, "sha256": profile.bundle_sha256},
        "machine": {
            "cpu": machine.cpu,
            "flags": " ".join(sorted(machine.flags)),
            "cores": machine.cores,
            "gpu": machine.gpu,
            "versions": {backend: dict(each) for backend, each in machine.versions.items()},
        },
        "threads": profile.threads or 0,
        "made": profile.made,
        "stages": {
            name: {"backend": choice.backend, "precision": choice.precision}
            for name, choice in profile.choices.items()
        },
        "evidence": plain_data(profile.evidence),
    }
