"""Which stages a wanted tensor needs, and in which order: pure reasoning over names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sam3_ros.core.errors import BundleError


@dataclass(frozen=True)
class StageSpec:
    """A step of the model: the names of the tensors that it takes and gives.

    Raises BundleError for a name in the file that occurs twice, and for a stage without outputs.
    """

    name: str
    #: Canonical name to name in the file.
    inputs: Mapping[str, str]
    #: Canonical name to name in the file.
    outputs: Mapping[str, str]

    def __post_init__(self) -> None:
        for attribute in ("inputs", "outputs"):
            frozen = MappingProxyType(dict(getattr(self, attribute)))
            object.__setattr__(self, attribute, frozen)
            names = list(frozen.values())
            if len(set(names)) != len(names):
                raise BundleError(
                    f"stage {self.name!r} names a tensor twice in {attribute}: {names}"
                )
        if not self.outputs:
            raise BundleError(f"stage {self.name!r} has no outputs")


def producers(stages: Iterable[StageSpec]) -> dict[str, StageSpec]:
    """Return the stage that computes each canonical name.

    Raises BundleError if two stages compute the same one.
    """
    found: dict[str, StageSpec] = {}
    for stage in stages:
        for name in stage.outputs:
            if name in found:
                raise BundleError(
                    f"{name!r} comes from two stages: {found[name].name}, {stage.name}"
                )
            found[name] = stage
    return found


def stages_needed(
    stages: Iterable[StageSpec], wanted: Iterable[str], given: Collection[str]
) -> list[StageSpec]:
    """Return the stages to run, in order, to get every wanted name from the given ones.

    A stage is left out if its outputs are given or nobody needs them. Raises BundleError for a
    name that no stage computes, and for stages that wait for each other.
    """
    source = producers(stages)
    # visit refers to itself, so it lives until the garbage collector runs. It must not keep a
    # caller's tensors alive through a view of their names.
    at_hand = frozenset(given)
    order: dict[str, StageSpec] = {}
    waiting: list[str] = []

    def visit(name: str, asker: str) -> None:
        if name in at_hand:
            return
        if name not in source:
            raise BundleError(f"{asker} needs {name!r}, which no stage computes")
        stage = source[name]
        if stage.name in order:
            return
        if stage.name in waiting:
            raise BundleError(f"stages wait for each other: {' -> '.join([*waiting, stage.name])}")
        waiting.append(stage.name)
        for needed in stage.inputs:
            visit(needed, f"stage {stage.name!r}")
        waiting.pop()
        order[stage.name] = stage

    for name in wanted:
        visit(name, "the answer")
    return list(order.values())


def derived_names(stages: Iterable[StageSpec], given: Collection[str]) -> frozenset[str]:
    """Return the canonical names that stages can compute from the given ones alone."""
    known = set(given)
    remaining = list(stages)
    while ready := [stage for stage in remaining if known.issuperset(stage.inputs)]:
        for stage in ready:
            known.update(stage.outputs)
            remaining.remove(stage)
    return frozenset(known.difference(given))


def superseding_names(
    stages: Iterable[StageSpec], given: Collection[str]
) -> dict[str, frozenset[str]]:
    """Return, for each given or derived name, the names that make it useless once computed.

    These are the outputs of all stages that read the name. Left out are names that no stage reads,
    and names that a stage reads together with something that is neither given nor derived.
    """
    stages = list(stages)
    derived = derived_names(stages, given)
    found: dict[str, frozenset[str]] = {}
    for name in derived.union(given):
        readers = [stage for stage in stages if name in stage.inputs]
        outputs = frozenset(output for stage in readers for output in stage.outputs)
        if readers and outputs <= derived:
            found[name] = outputs
    return found
