"""The options of the commands that run a model, and the model that they name."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam3_ros.cli.command import whole_number

if TYPE_CHECKING:
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.segmenter.segmenter import Segmenter
    from sam3_ros.core.stages.plan import StagePlan


DEFAULT_BUNDLE = "tabletop"


def add_model_options(
    parser: argparse.ArgumentParser,
    several_bundles: bool = False,
    with_bundle: bool = True,
    threads: str = "every core",
) -> None:
    """Declare bundle, backend, precision, profile, CUDA graphs and threads.

    several_bundles: `bundles` is a list of all that are given, None for none. with_bundle: False
    for a command whose argument `bundle` it is. threads: what is taken where none are given.
    """
    group = parser.add_argument_group("model")
    what = f"name or folder of a bundle (default: {DEFAULT_BUNDLE})"
    if not with_bundle:
        pass
    elif several_bundles:
        group.add_argument("--bundle", action="append", dest="bundles", help=what)
    else:
        group.add_argument("--bundle", default=DEFAULT_BUNDLE, help=what)
    group.add_argument(
        "--backend",
        default="cpu",
        help="cpu, cuda, tensorrt, tensorrt_rtx or openvino (default: cpu)",
    )
    group.add_argument(
        "--precision",
        default="fp32",
        help="which of the bundle's files; or tf32, bf16 (default: fp32)",
    )
    group.add_argument(
        "--profile",
        type=Path,
        metavar="FILE",
        help="a machine profile by sam3-ros tune, in place of --backend and --precision",
    )
    group.add_argument(
        "--cuda-graphs",
        action="store_true",
        help="on a GPU: record what runs in the same shapes again, and replay it",
    )
    group.add_argument("--threads", type=whole_number(1), metavar="N", help=f"default: {threads}")


@dataclass(frozen=True, eq=False)
class ConfiguredModel:
    """A bundle, and what runs each of its stages."""

    bundle: Bundle
    plan: StagePlan
    #: None for all cores.
    threads: int | None
    #: The file that plan and threads are from, if any.
    profile: Path | None
    cuda_graphs: bool = False

    @property
    def described(self) -> str:
        """For people: what runs the stages, and in how many threads."""
        plan = self.plan.described(self.bundle.manifest.stages_to_judge)
        return f"{plan} (threads: {self.threads or 'all'})"

    def load(self) -> Segmenter:
        """Open the sessions; raises as Segmenter.load does."""
        from sam3_ros.core.segmenter.segmenter import Segmenter

        return Segmenter.load(
            self.bundle, threads=self.threads, plan=self.plan, cuda_graphs=self.cuda_graphs
        )

    def document(self) -> dict[str, Any]:
        """Return what JSON shows. backend and precision are None where the stages differ."""
        stages = self.bundle.manifest.stages_to_judge
        choices = {stage: self.plan.of(stage) for stage in stages}
        return {
            "backend": _common({choice.backend for choice in choices.values()}),
            "precision": _common({choice.precision for choice in choices.values()}),
            "profile": None if self.profile is None else str(self.profile),
            "plan": self.plan.described(stages),
            "stages": {stage: asdict(choice) for stage, choice in choices.items()},
            "threads": self.threads,
        }


def configured_model(options: argparse.Namespace) -> ConfiguredModel:
    """Open the bundle that the options name, without its sessions.

    Raises BundleError, and ProfileError for a profile that does not fit.
    """
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.profile.configured_plan import ConfiguredPlan
    from sam3_ros.core.stages.plan import StageChoice

    choice = StageChoice(options.backend, options.precision)
    configured = ConfiguredPlan(choice, options.threads, profile=options.profile)
    bundle = Bundle.open(options.bundle)
    plan, threads = configured.of(bundle)
    return ConfiguredModel(bundle, plan, threads, options.profile, options.cuda_graphs)


def _common(names: set[str]) -> str | None:
    return names.pop() if len(names) == 1 else None
