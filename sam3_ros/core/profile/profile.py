"""The fastest way to run a bundle on a machine, as measured, and where that is valid."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sam3_ros.core.backends.engine_cache import default_engine_folder
from sam3_ros.core.backends.machine import cpu_flags, cpu_model, engine_versions, gpu_name
from sam3_ros.core.backends.providers import BACKENDS_ON_GPU
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import ProfileError
from sam3_ros.core.stages.plan import REFERENCE, StageChoice, StagePlan

_AGAIN = "run sam3-ros tune again"
_FLAGS_SHOWN, _HEX = 6, 12

#: By backend, the version of each package that it runs on.
Versions = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Machine:
    """What a measurement depends on."""

    #: The CPU's model.
    cpu: str
    #: The CPU's instruction sets.
    flags: frozenset[str]
    cores: int
    #: The GPU's name; empty if no backend in use runs on a GPU.
    gpu: str
    #: Of the backends in use.
    versions: Versions

    @classmethod
    def here(cls, backends: Iterable[str], device_id: int = 0) -> Machine:
        """Describe this machine, as far as these backends depend on it."""
        used = sorted({*backends})
        on_gpu = any(backend in BACKENDS_ON_GPU for backend in used)
        return cls(
            cpu=cpu_model(),
            flags=cpu_flags(),
            cores=os.cpu_count() or 1,
            gpu=gpu_name(device_id) if on_gpu else "",
            versions={backend: engine_versions(backend) for backend in used},
        )

    def differences(self, here: Machine) -> list[str]:
        """Say what differs here, one entry for each difference."""
        found = [
            f"{name} {then!r}, here {now!r}"
            for name, then, now in (
                ("CPU", self.cpu, here.cpu),
                ("cores", self.cores, here.cores),
                ("GPU", self.gpu, here.gpu),
            )
            if then != now
        ]
        for what, flags in (("lacks", self.flags - here.flags), ("has", here.flags - self.flags)):
            if flags:
                found.append(f"the CPU {what} here {_listed(flags)}")
        for backend, then in self.versions.items():
            now = here.versions.get(backend, {})
            found += [
                f"{package} {then.get(package, 'not there')}, here {now.get(package, 'not there')}"
                for package in sorted({*then, *now})
                if then.get(package) != now.get(package)
            ]
        return found


@dataclass(frozen=True)
class MachineProfile:
    """The choice for every stage of a bundle on a machine, with its evidence."""

    #: The bundle's name.
    bundle: str
    bundle_sha256: str
    machine: Machine
    #: Of the CPU; None for all cores.
    threads: int | None
    #: Date and time, ISO 8601.
    made: str
    #: Of every stage in use.
    choices: Mapping[str, StageChoice]
    #: What was measured and judged, as plain data.
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", MappingProxyType(dict(self.choices)))
        object.__setattr__(self, "evidence", MappingProxyType(dict(self.evidence)))

    @property
    def plan(self) -> StagePlan:
        return StagePlan(REFERENCE, self.choices)

    def require_fits(self, bundle: Bundle, threads: int | None = None, device_id: int = 0) -> None:
        """Raise ProfileError, naming all that differs, unless it was made for all of this.

        threads: those asked for; None for the profile's.
        """
        differences = self._other_bundle(bundle)
        if threads is not None and threads != self.threads:
            differences.append(f"threads {self.threads or 'all'}, here {threads}")
        backends = {choice.backend for choice in self.choices.values()}
        differences += self.machine.differences(Machine.here(backends, device_id))
        if differences:
            raise ProfileError(
                f"the machine profile was not made for this: {'; '.join(differences)}; {_AGAIN}"
            )

    def _other_bundle(self, bundle: Bundle) -> list[str]:
        name, sha256 = bundle.manifest.name, bundle_sha256(bundle)
        if sha256 != self.bundle_sha256:
            return [
                f"bundle {self.bundle!r} ({self.bundle_sha256[:_HEX]}), here {name!r} "
                f"({sha256[:_HEX]})"
            ]
        unknown = sorted(set(self.choices) ^ set(bundle.manifest.stages_to_judge))
        return [f"stages that only one of the two has: {', '.join(unknown)}"] if unknown else []


def bundle_sha256(bundle: Bundle) -> str:
    """Return the sha256 of the files' sums and paths.

    The recorded answers are left out: they may be added later.
    """
    manifest = bundle.manifest
    lines = sorted(
        f"{file.sha256}  {file.path}\n"
        for file in manifest.files
        if file != manifest.recorded_answers
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def default_profile_path(bundle: Bundle) -> Path:
    """Return the bundle's own file in the user's cache folder.

    Raises RuntimeError for a user without a home.
    """
    name = f"{bundle.manifest.name}-{bundle_sha256(bundle)[:_HEX]}.yaml"
    return default_engine_folder().parent / "profiles" / name


def _listed(flags: frozenset[str]) -> str:
    shown = sorted(flags)[:_FLAGS_SHOWN]
    more = len(flags) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
