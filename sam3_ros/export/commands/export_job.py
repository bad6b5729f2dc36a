"""What to export, and what the bundle says about itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from sam3_ros.core.bundle.bundle import EMBEDDED_FOLDER
from sam3_ros.core.bundle.manifest import ConceptSettings, TokenizerSettings
from sam3_ros.core.bundle.writer import BundleDescription, BundleWriter
from sam3_ros.core.errors import ExportError
from sam3_ros.export.commands.lower_precisions import LOWER_PRECISIONS
from sam3_ros.export.family import Architecture, Family, sizes_of
from sam3_ros.export.models.pixels import Pixels
from sam3_ros.export.network import Network, Part
from sam3_ros.export.rendition import PORTABLE, RENDITIONS, Rendition
from sam3_ros.export.stage import StageModule

PRECISIONS = ("fp32", *LOWER_PRECISIONS)
#: The stage that only engines on a GPU have.
PIXELS = "pixels"
#: Token ids of CLIP's vocabulary.
START, END, PAD = 49406, 49407, 0
CLIP_TOKENS = END + 1
_TOOLS = ("torch", "transformers", "onnx", "onnxruntime")


@dataclass(frozen=True)
class ExportJob:
    """A filled network of a family, and the bundle to make of it.

    Raises ExportError for parts that the network lacks, and for unknown precisions.
    """

    family: Family
    architecture: Architecture
    network: Network
    #: Side of the input, px.
    input_size: int
    #: Folder of the bundle.
    target: Path
    #: Where the weights come from, for the manifest: a checkpoint's name and sha256, or a seed; the
    #: command.
    source: Mapping[str, str]
    #: Without repetition, in any order.
    parts: tuple[Part, ...]
    #: Without repetition, in any order.
    precisions: tuple[str, ...] = ("fp32",)
    #: Without repetition, in any order, the portable one among them.
    renditions: tuple[str, ...] = (PORTABLE.name,)
    #: Write a precision even where its masks are not good enough.
    allow_poor_precision: bool = False
    #: Replace a bundle at `target`.
    replace_existing: bool = False
    #: Makes the network again. If given, the weights are freed after the network has answered, to
    #: save memory.
    refill: Callable[[], Network] | None = None

    def __post_init__(self) -> None:
        _require_known("part", self.parts, self.network.parts, self.family.title)
        _require_known("precision", self.precisions, PRECISIONS, "a bundle")
        _require_known("rendition", self.renditions, tuple(RENDITIONS), "a bundle")
        if PORTABLE.name not in self.renditions:
            raise ExportError(
                f"renditions {', '.join(self.renditions)}: {PORTABLE.name} must be among them, as "
                f"every machine compares the others with it"
            )
        if "concept" in self.parts:
            vocabulary = self.family.settings(self.architecture, self.input_size).vocabulary
            if vocabulary not in (None, CLIP_TOKENS):
                raise ExportError(
                    f"the text encoder has embeddings for {vocabulary} tokens, but the tokenizer "
                    f"that bundles get, CLIP's, has {CLIP_TOKENS}: a model with another tokenizer "
                    f"is exported with `--parts interactive` alone"
                )

    @property
    def stages(self) -> dict[str, StageModule]:
        """The stages to export, in the order of computation."""
        return self.network.stages(self.parts)

    @property
    def for_gpus(self) -> tuple[Rendition, ...]:
        """The requested renditions beside the portable one."""
        asked = (RENDITIONS[name] for name in self.renditions)
        return tuple(each for each in asked if not each.is_portable)

    @property
    def pixels(self) -> Pixels:
        """The stage that prepares pixels, which no checkpoint has weights for."""
        how = self.family.settings(self.architecture, self.input_size).preprocessing
        by_pillow = how.interpolation == "bilinear_antialias"
        return Pixels(how.height, how.width, how.mean, how.std, rounds_between=by_pillow)

    @property
    def lower_precisions(self) -> tuple[str, ...]:
        """The requested precisions that are made from fp32."""
        return tuple(p for p in LOWER_PRECISIONS if p in self.precisions)


def describe(job: ExportJob, writer: BundleWriter) -> BundleDescription:
    """Return the manifest without its stages; adds the tokenizer where the model reads text."""
    settings = job.family.settings(job.architecture, job.input_size)
    clicks = not {"interactive", "video"}.isdisjoint(job.parts)
    concept = None
    if "concept" in job.parts and settings.context_length is not None:
        concept = _concept(settings.context_length, writer)
    return BundleDescription(
        name=re.sub(r"[^A-Za-z0-9._]+", "-", f"{job.family.name}-{job.architecture.variant}")[:100],
        description=f"{job.family.title}, {job.architecture.variant}, {job.input_size} px",
        licence=job.family.licence,
        source=_source(job),
        preprocessing=settings.preprocessing,
        concept=concept,
        interactive=settings.interactive if clicks else None,
        video=settings.video if "video" in job.parts else None,
    )


def _concept(context_length: int, writer: BundleWriter) -> ConceptSettings:
    tokenizer, licence = clip_tokenizer_files()
    writer.add_file(licence, licence.name)  # its terms require the notice
    file = writer.add_file(tokenizer, "tokenizer.json")
    # SAM 3, EfficientSAM3 and MobileCLIP were all trained on texts that were cleaned so.
    return ConceptSettings(
        TokenizerSettings(file, context_length, START, END, PAD, cleaning="clip")
    )


def _source(job: ExportJob) -> dict[str, str]:
    found = {
        "family": job.family.name,
        "variant": job.architecture.variant,
        "input_size": str(job.input_size),
        "parts": ",".join(job.parts),
        **job.source,
    }
    if sizes := sizes_of(job.architecture):
        found["sizes"] = "; ".join(f"{part}: {size}" for part, size in sizes.items())
    return found | {tool: version(tool) for tool in _TOOLS}


def _require_known(kind: str, asked: tuple[str, ...], known: tuple[str, ...], owner: str) -> None:
    wrong = [each for each in asked if each not in known]
    if wrong or not asked or len(set(asked)) != len(asked):
        raise ExportError(
            f"{kind} {', '.join(wrong or asked) or 'none'}: {owner} has {', '.join(known)}; name "
            f"one or more of them, each once"
        )


def clip_tokenizer_files() -> tuple[Path, Path]:
    """Return CLIP's tokenizer, a file of the `tokenizers` library, and its vocabulary's licence.

    All text encoders of the families read CLIP's 49,408 tokens. The embedded bundle `tabletop`
    carries them in full, though it uses few of them, with the notice that their licence asks for;
    exported bundles copy both from there. Raises ExportError where this installation lacks them.
    """
    folder = EMBEDDED_FOLDER / "tabletop"
    files = folder / "tokenizer.json", folder / "CLIP-LICENSE.txt"
    for file in files:
        if not file.is_file():
            raise ExportError(
                f"{file} is missing, which is a part of sam3_ros: install the package again"
            )
    return files
