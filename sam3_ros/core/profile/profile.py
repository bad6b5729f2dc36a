"""What was measured to be the fastest way to run a bundle on a machine, and where that holds."""

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
_FLAGS_TOLD, _HEX = 6, 12

#: By backend, the version of each package it runs on.
Versions = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Machine:
    """cpu: its model. flags: its instruction sets. gpu: of the backends that use one, else empty.

    versions: of the backends in use.
    """

    cpu: str
    flags: frozenset[str]
    cores: int
    gpu: str
    versions: Versions

    @classmethod
    def here(cls, backends: Iterable[str], device_id: int = 0) -> Machine:
        """This one, as far as these backends depend on it."""
        used = sorted({*backends})
        on_gpu = any(backend in BACKENDS_ON_GPU for backend in used)
        return cls(
            cpu=cpu_model(),
            flags=cpu_flags(),
            cores=_cores(),
            gpu=gpu_name(device_id) if on_gpu else "",
            versions={backend: engine_versions(backend) for backend in used},
        )

    def differences(self, here: Machine) -> list[str]:
        """What is other here, in words."""
        told = [
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
                told.append(f"the CPU {what} here {_listed(flags)}")
        for backend, then in self.versions.items():
            now = here.versions.get(backend, {})
            told += [
                f"{package} {then.get(package, 'not there')}, here {now.get(package, 'not there')}"
                for package in sorted({*then, *now})
                if then.get(package) != now.get(package)
            ]
        return told


@dataclass(frozen=True)
class MachineProfile:
    """threads: of the CPU, None for all cores. choices: of every stage in use.

    made: the day and time, ISO 8601. evidence: what was measured and judged, as plain data.
    """

    bundle: str
    bundle_sha256: str
    machine: Machine
    threads: int | None
    made: str
    choices: Mapping[str, StageChoice]
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", MappingProxyType(dict(self.choices)))
        object.__setattr__(self, "evidence", MappingProxyType(dict(self.evidence)))

    @property
    def plan(self) -> StagePlan:
        return StagePlan(REFERENCE, self.choices)

    def require_fits(self, bundle: Bundle, threads: int | None = None, device_id: int = 0) -> None:
        """Raise ProfileError, naming all that differs, unless it was made for just this.

        threads: what is asked for, None for what the profile has.
        """
        told = [*self._other_bundle(bundle)]
        if threads is not None and threads != self.threads:
            told.append(f"threads {self.threads or 'all'}, here {threads}")
        backends = {choice.backend for choice in self.choices.values()}
        told += self.machine.differences(Machine.here(backends, device_id))
        if told:
            raise ProfileError(
                f"the machine profile was not made for this: {'; '.join(told)}; {_AGAIN}"
            )

    def _other_bundle(self, bundle: Bundle) -> list[str]:
        name, sha256 = bundle.manifest.name, bundle_sha256(bundle)
        if sha256 != self.bundle_sha256:
            return [
                f"bundle {self.bundle!r} ({self.bundle_sha256[:_HEX]}), here {name!r} "
                f"({sha256[:_HEX]})"
            ]
        unknown = sorted(set(self.choices) ^ set(bundle.manifest.stages_in_use))
        return [f"stages that only one of the two has: {', '.join(unknown)}"] if unknown else []


def bundle_sha256(bundle: Bundle) -> str:
    """Of its files' sums and paths, without its recorded answers: those may come later."""
    manifest = bundle.manifest
    lines = sorted(
        f"{file.sha256}  {file.path}\n"
        for file in manifest.files
        if file != manifest.recorded_answers
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def default_profile_path(bundle: Bundle) -> Path:
    """In the user's cache folder, a file of its own for each bundle.

    Raises RuntimeError for a user without a home.
    """
    name = f"{bundle.manifest.name}-{bundle_sha256(bundle)[:_HEX]}.yaml"
    return default_engine_folder().parent / "profiles" / name


def _cores() -> int:
    return os.cpu_count() or 1


def _listed(flags: frozenset[str]) -> str:
    shown = sorted(flags)[:_FLAGS_TOLD]
    more = len(flags) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
