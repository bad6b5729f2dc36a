"""What a bundle says about itself: frozen, validated data.

manifest_yaml.py reads and writes the YAML, and manifest_schema.json is its form. This module says
what the values mean and which combinations are allowed. Above 300 lines, and one file, because the
sections of the document check each other.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from sam3_ros.core.errors import BundleError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.stages import tensor_names
from sam3_ros.core.stages.order import StageSpec, stages_needed
from sam3_ros.core.stages.plan import PORTABLE, StageChoice, StagePlan

FORMAT = 1

Capability = Literal["concept", "interactive", "video"]
Triple = tuple[float, float, float]
#: Of the model's input and of what else a manifest gives as a size; those of SAM 3 have a million.
MOST_PIXELS = 1 << 24
# Less would make pixels infinite.
_LEAST_DEVIATION = 1e-6


@dataclass(frozen=True)
class Preprocessing:
    """From an RGB image to pixel_values f32[1,3,height,width]: resize, / 255, - mean, / std."""

    height: int
    width: int
    mean: Triple
    std: Triple
    #: `stretch` to exactly height x width. `longest_side` fits inside, keeps the aspect, and pads
    #: bottom right with 0 after normalising.
    fit: Literal["stretch", "longest_side"] = "stretch"
    #: OpenCV's `bilinear` and `area`, or `bilinear_antialias` as Pillow does it on uint8.
    interpolation: Literal["bilinear", "area", "bilinear_antialias"] = "bilinear"

    def __post_init__(self) -> None:
        _require_pixels("preprocessing", self.size)
        _require_finite("preprocessing", *self.mean, *self.std)
        if min(self.std) < _LEAST_DEVIATION:
            raise BundleError(
                f"preprocessing: std must be above 0, {_LEAST_DEVIATION} at least, not {self.std}"
            )

    @property
    def size(self) -> ImageSize:
        """The size of the network's input."""
        return ImageSize(self.height, self.width)


@dataclass(frozen=True)
class FileRef:
    """A file of a bundle."""

    #: Relative to the bundle's folder, with forward slashes.
    path: str
    #: In lower-case hex.
    sha256: str
    bytes: int


@dataclass(frozen=True)
class StageFile(FileRef):
    """A model file."""

    #: Files that it refers to by name and that must lie beside it: ONNX keeps weights of more than
    #: 2 GB there.
    data: tuple[FileRef, ...] = ()


@dataclass(frozen=True)
class StageEntry(StageSpec):
    """A stage with its files."""

    #: By precision, for any engine; precisions may share a file. Empty for a stage that only some
    #: backends have, such as the preparation of pixels on a GPU.
    files: Mapping[str, StageFile]
    #: The same network written for some backends (plan.RENDITIONS): by rendition and precision.
    renditions: Mapping[str, Mapping[str, StageFile]] = field(default_factory=dict)
    #: Its files may have loops, branches and graphs within their graph.
    control_flow: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.files and not any(self.renditions.values()):
            raise BundleError(f"stage {self.name!r} has no file of any precision")
        object.__setattr__(self, "files", MappingProxyType(dict(self.files)))
        renditions = {
            name: MappingProxyType(dict(files)) for name, files in self.renditions.items()
        }
        object.__setattr__(self, "renditions", MappingProxyType(renditions))

    @property
    def files_by_rendition(self) -> dict[str, Mapping[str, StageFile]]:
        """All files, by rendition and precision, the portable ones first."""
        portable = {PORTABLE: self.files} if self.files else {}
        return {**portable, **self.renditions}

    def file_for(self, choice: StageChoice) -> StageFile | None:
        """Return the file that a choice loads: of its backend's best rendition that has one.

        None also for fp32 where the CPU does the stage's work unless a GPU does: the GPU's answer
        is close, and fp32 is exact.
        """
        if not self.files and choice.precision == "fp32":
            return None
        by_rendition = self.files_by_rendition
        found = (
            by_rendition.get(name, {}).get(choice.file_precision) for name in choice.renditions
        )
        return next((file for file in found if file is not None), None)


@dataclass(frozen=True)
class TokenizerSettings:
    """A tokenizer, and the ids and length that the model was trained with."""

    #: In the format of the `tokenizers` library.
    file: FileRef
    context_length: int
    start_id: int
    end_id: int
    pad_id: int
    #: How a text becomes words: `clip` as CLIP's own tokenizer does it, so that only the file's
    #: byte pairs count; `file` by what the file says.
    cleaning: Literal["clip", "file"] = "clip"


@dataclass(frozen=True)
class ConceptSettings:
    """Finding all instances of a phrase."""

    tokenizer: TokenizerSettings
    #: In [0, 1].
    score_threshold: float = 0.5
    #: A logit.
    mask_threshold: float = 0.0
    #: The phrase for a prompt of exemplar boxes alone.
    textless_prompt: str = "visual"
    #: All words that the model knows, in lower case; None where it may know any.
    vocabulary: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        _require_finite("concept", self.score_threshold, self.mask_threshold)
        counts = Counter(self.vocabulary or ())
        if repeated := [word for word, count in counts.items() if count > 1]:
            raise BundleError(f"concept/vocabulary: has the word {repeated[0]!r} twice")


@dataclass(frozen=True)
class SingleMask:
    """How one of four masks is chosen."""

    #: `stability` is SAM 2's rule: mask 0 if the IoU of its cuts at +delta and -delta reaches the
    #: threshold, else the best-rated of the other three. `first` is always mask 0.
    rule: Literal["stability", "first"] = "stability"
    #: A logit.
    delta: float = 0.05
    #: An IoU.
    threshold: float = 0.98

    def __post_init__(self) -> None:
        _require_finite("single_mask", self.delta, self.threshold)


@dataclass(frozen=True)
class InteractiveSettings:
    """Outlining the object under points or in a box."""

    #: The frame of point_coords.
    prompt_space: ImageSize
    #: Who adds a point of label -1: the file itself (`inside`), the caller where there is no box
    #: (`without_box`), nobody (`never`).
    padding_point: Literal["inside", "without_box", "never"] = "inside"
    #: Size of the mask prompt; None where the model takes none.
    mask_input: ImageSize | None = None
    #: Up to this many points without a box count as ambiguous, so the best-rated of masks 1:4
    #: answers.
    multimask_max_points: int = 1
    single_mask: SingleMask = field(default_factory=SingleMask)
    #: `gate` answers with nothing unless the object score, a logit, is above 0.
    object_score: Literal["gate", "ignore"] = "ignore"
    #: Mask logits are resized to the image `direct`, or `through_padded_input`: to the padded
    #: input, cropped, then resized.
    mask_fit: Literal["direct", "through_padded_input"] = "direct"
    #: A logit.
    mask_threshold: float = 0.0

    def __post_init__(self) -> None:
        _require_pixels("interactive.prompt_space", self.prompt_space)
        if self.mask_input is not None:
            _require_pixels("interactive.mask_input", self.mask_input)
        _require_finite("interactive", self.mask_threshold)


@dataclass(frozen=True)
class VideoSettings:
    """Following an object by memories of it. The defaults are those of SAM 3."""

    #: Of the tensor memory_mask.
    memory_mask: ImageSize
    #: Of the tensor object_mask.
    object_mask: ImageSize
    #: Mask logits are resized to this size, become values in [0, 1], and are resized to
    #: memory_mask.
    cut_at: ImageSize
    #: How many frames that were not prompted the model attends to: their ages are 1 to this.
    memories: int = 6
    #: How many prompted frames it attends to.
    prompted: int = 4
    #: How many object pointers: of frames up to one less than this ago, and of prompted frames.
    pointers: int = 16
    #: The age of a pointer, in frames, is divided by this.
    pointer_divisor: int = 15
    #: What logits become for the memory of a prompted frame: 0 or 1 (`cut`), or as those of every
    #: other frame (`sigmoid`).
    prompted_memory: Literal["cut", "sigmoid"] = "cut"
    #: What answers on a frame without a prompt: the best-rated of masks 1:4 (`best`), or one by the
    #: rule of a clear prompt (`single`).
    tracked_mask: Literal["best", "single"] = "best"
    #: Attend to the last frames whose quality is above this, instead of the last ones; None: to the
    #: last ones.
    selection: float | None = None
    #: The object score, a logit, above which an object is there ...
    seen_above: float = 0.0
    #: ... and after an image in which it was not, if that is more.
    found_above: float = 0.0
    #: How far from where it should be an object may be found, in roots of its pixels. None:
    #: anywhere (core/tracking/memory/whereabouts.py).
    farthest: float | None = None
    #: IoU with another object from which on it is not believed in that one's place. None: objects
    #: do not know of each other (core/tracking/apart.py).
    taken_above: float | None = None

    def __post_init__(self) -> None:
        for name in ("memory_mask", "object_mask", "cut_at"):
            _require_pixels(f"video.{name}", getattr(self, name))
        for name in ("memories", "prompted", "pointers", "pointer_divisor"):
            if getattr(self, name) < 1:
                raise BundleError(f"video.{name} must be at least 1, not {getattr(self, name)}")
        for name in ("selection", "seen_above", "found_above", "farthest", "taken_above"):
            number = getattr(self, name)
            if number is not None:
                _require_finite(f"video.{name}", number)
        for name in ("seen_above", "found_above"):
            if getattr(self, name) < 0:
                raise BundleError(f"video.{name} must be at least 0, not {getattr(self, name)}")
        if self.farthest is not None and self.farthest <= 0:
            raise BundleError(f"video.farthest must be above 0, not {self.farthest}")
        if self.taken_above is not None and not 0 < self.taken_above <= 1:
            raise BundleError(
                f"video.taken_above must be above 0 and at most 1, not {self.taken_above}"
            )


@dataclass(frozen=True)
class Manifest:
    """Everything bundle.yaml says.

    Raises BundleError if a capability lacks its section, or the stages cannot compute what it
    needs on every backend.
    """

    name: str
    description: str
    licence: str
    #: In the file's order.
    source: Mapping[str, str]
    preprocessing: Preprocessing
    #: In the file's order.
    stages: Mapping[str, StageEntry]
    concept: ConceptSettings | None = None
    interactive: InteractiveSettings | None = None
    video: VideoSettings | None = None
    verification: Mapping[str, Any] = field(default_factory=dict)
    #: What the original model answered, so that any machine can check itself against it
    #: (core/precision/recorded.py).
    recorded_answers: FileRef | None = None

    def __post_init__(self) -> None:
        for attribute in ("source", "stages", "verification"):
            frozen = MappingProxyType(dict(getattr(self, attribute)))
            object.__setattr__(self, attribute, frozen)
        if self.concept is None and self.interactive is None:
            raise BundleError("a bundle needs a `concept` or an `interactive` section, or both")
        self._require_portable_files()
        if self.interactive is not None:
            self._require_mask_input(self.interactive)
            self._require_same_picture(self.interactive.prompt_space)
        if self.video is not None and (not self.interactive or not self.interactive.mask_input):
            raise BundleError(
                "a `video` section needs an `interactive` section whose mask_input has a size"
            )

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """`concept`, `interactive` or both; and `video` beside `interactive`."""
        concept: tuple[Capability, ...] = ("concept",) if self.concept else ()
        interactive: tuple[Capability, ...] = ("interactive",) if self.interactive else ()
        video: tuple[Capability, ...] = ("video",) if self.video else ()
        return concept + interactive + video

    @property
    def precisions(self) -> tuple[str, ...]:
        """The precisions in which every stage has a file for any engine, in the file's order."""
        first, *others = (stage for stage in self.stages.values() if stage.files)
        return tuple(p for p in first.files if all(p in stage.files for stage in others))

    @property
    def stages_in_use(self) -> tuple[str, ...]:
        """The stages that texts and clicks need, in the file's order; not those for video alone."""
        needed = self._stages_needed()
        return tuple(name for name in self.stages if name in needed)

    @property
    def stages_to_judge(self) -> tuple[str, ...]:
        """The stages in use and those for video alone, in the file's order: a plan chooses for
        each, and what is not fp32 on the CPU has to be proved."""
        return tuple(n for n in self.stages if n in {*self.stages_in_use, *self.video_stages})

    @property
    def video_stages(self) -> tuple[str, ...]:
        """The stages that only following an object needs, in the file's order."""
        video, others = self._stages_for_video(), self._stages_needed()
        return tuple(name for name in self.stages if name in video - others)

    @property
    def files(self) -> tuple[FileRef, ...]:
        """Every file of every rendition and precision, and the files beside them, each once."""
        named: list[FileRef] = []
        for stage in self.stages.values():
            for files in stage.files_by_rendition.values():
                for file in files.values():
                    named += [FileRef(file.path, file.sha256, file.bytes), *file.data]
        if self.concept is not None:
            named.append(self.concept.tokenizer.file)
        if self.recorded_answers is not None:
            named.append(self.recorded_answers)
        return tuple(dict.fromkeys(named))

    def stages_to_load(self, plan: StagePlan) -> tuple[str, ...]:
        """Return the stages in use, those for video, and those that only the plan's backends have.

        Those for video are loaded with the others, though a tenth of a model's weights may never be
        used: a robot should learn at the start, not with the first object to follow, that a stage
        does not fit its machine, and GPUs build engines for minutes. A bundle exported without them
        saves their memory.
        """
        in_use = self.stages_to_judge
        return tuple(
            name
            for name, stage in self.stages.items()
            if name in in_use or (not stage.files and stage.file_for(plan.of(name)) is not None)
        )

    def _stages_needed(self) -> set[str]:
        """Return the stages that texts and clicks need. Raises BundleError where they lack one."""
        needed: set[str] = set()
        if self.concept is not None:
            inputs, outputs = tensor_names.CONCEPT_INPUTS, list(tensor_names.CONCEPT_OUTPUTS)
            needed |= self._stages_of("concept", inputs, outputs)
        if self.interactive is not None:
            inputs, outputs = (
                tensor_names.INTERACTIVE_INPUTS,
                list(tensor_names.INTERACTIVE_OUTPUTS),
            )
            if self.interactive.object_score == "gate":
                outputs.append(tensor_names.OBJECT_SCORE)
            needed |= self._stages_of("interactive", inputs, outputs)
        return needed

    def _stages_for_video(self) -> set[str]:
        """Return the stages of following. Raises BundleError where it lacks one."""
        if self.video is None:
            return set()
        inputs = {**tensor_names.INTERACTIVE_INPUTS, **tensor_names.VIDEO_INPUTS}
        outputs = (*tensor_names.VIDEO_OUTPUTS, *tensor_names.INTERACTIVE_OUTPUTS)
        return self._stages_of("video", inputs, (*outputs, tensor_names.OBJECT_SCORE))

    def _stages_of(
        self, capability: Capability, inputs: Mapping[str, int], outputs: Iterable[str]
    ) -> set[str]:
        given = {*tensor_names.IMAGE_INPUTS, *inputs}
        stages: set[str] = set()
        try:
            for output in outputs:
                stages |= {s.name for s in stages_needed(self.stages.values(), [output], given)}
        except BundleError as error:
            raise BundleError(f"capability {capability}: {error}") from error
        return stages

    def _require_portable_files(self) -> None:
        """Raise BundleError if only some backends can run a stage that is needed."""
        for name in self.stages_to_judge:
            stage = self.stages[name]
            if not stage.files:
                raise BundleError(
                    f"stage {name!r} has no file that any engine reads, only renditions for "
                    f"{', '.join(stage.renditions)}: export the bundle again"
                )

    def _require_mask_input(self, settings: InteractiveSettings) -> None:
        takes_mask = any("mask_input" in stage.inputs for stage in self.stages.values())
        if takes_mask and settings.mask_input is None:
            raise BundleError(
                "a stage takes mask_input, so interactive.mask_input must be its size"
            )
        if settings.mask_input is not None and not takes_mask:
            raise BundleError("interactive.mask_input has a size, but no stage takes mask_input")

    def _require_same_picture(self, space: ImageSize) -> None:
        """Raise BundleError if the model frame is padded and the prompt space otherwise."""
        frame = self.preprocessing
        if frame.fit == "longest_side" and space.height * frame.width != space.width * frame.height:
            raise BundleError(
                f"interactive.prompt_space {space.height}x{space.width} must have the aspect of "
                f"the padded input, {frame.height}x{frame.width}"
            )


def _require_finite(section: str, *numbers: float) -> None:
    if not all(math.isfinite(number) for number in numbers):
        raise BundleError(f"{section}: every number must be finite, not {numbers}")


def _require_pixels(section: str, size: ImageSize) -> None:
    if size.height < 1 or size.width < 1:
        raise BundleError(
            f"{section}: a size must be at least 1x1 px, not {size.height}x{size.width}"
        )
    if size.height * size.width > MOST_PIXELS:
        raise BundleError(
            f"{section}: a size has at most {MOST_PIXELS} px, not {size.height}x{size.width}"
        )
