"""An image that has been prepared once, so that many prompts can be asked of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt

from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.device_pixels import PIXEL_VALUES, image_feeds
from sam3_ros.core.segmenter.lengths import EXACT, LengthRule, lengths_for
from sam3_ros.core.segmenter.text import TextEmbedding
from sam3_ros.core.segmenter.transform import ImageTransform
from sam3_ros.core.stages.graph import StageGraph, as_array
from sam3_ros.core.stages.plan import StagePlan
from sam3_ros.core.stages.session import Array, Tensor, block
from sam3_ros.core.stages.tensor_names import IMAGE_INPUTS
from sam3_ros.core.timings import CallTimings

ON_CPU = StagePlan()
_GEOMETRY = ("geometry_features", "geometry_mask")


class ImageEmbedding:
    """The features of one image; made by Segmenter.encode_image, and usable only with its maker.

    A feature is computed when the first prompt needs it, and kept: a text never runs the click's
    part of the image encoder, nor the other way round. A tensor that serves only to compute others
    is dropped once they are all there: the pixel values, and later the trunk's features.
    """

    #: Seconds by step of the Segmenter.encode_image that made it.
    timings: Mapping[str, float]

    def __init__(
        self,
        graph: StageGraph,
        transform: ImageTransform,
        pixel_values: Tensor,
        lengths: LengthRule = EXACT,
    ) -> None:
        """Hold an image that is pixel_values f32[1,3,h,w]; lengths: of what is asked of it."""
        self.graph = graph
        self.transform = transform
        self.lengths = lengths
        self.timings = {}
        self._lasting_names = graph.derived_from(frozenset(IMAGE_INPUTS))
        self._superseding = graph.superseding(frozenset(IMAGE_INPUTS))
        self._values: dict[str, Tensor] = {PIXEL_VALUES: pixel_values}
        self._without_exemplars: dict[str, Array] | None = None

    @classmethod
    def of(
        cls,
        image_rgb: npt.NDArray[np.uint8],
        manifest: Manifest,
        graph: StageGraph,
        plan: StagePlan = ON_CPU,
        timings: CallTimings | None = None,
    ) -> ImageEmbedding:
        """Prepare an image, uint8 [H, W, 3], for the stages of a model; plan: what runs them.

        The image is read now, also where a stage does it, so the caller may write over it. timings:
        gets the seconds of what the CPU does as "preprocess". Raises InferenceError when that stage
        fails.
        """
        with nullcontext() if timings is None else timings.measure("preprocess"):
            transform = ImageTransform.of(ImageSize(*image_rgb.shape[:2]), manifest)
            feeds = image_feeds(image_rgb, transform, manifest, graph, plan)
        if PIXEL_VALUES not in feeds:
            feeds = graph.compute_in_place((PIXEL_VALUES,), feeds)
        return cls(graph, transform, feeds[PIXEL_VALUES], lengths_for(plan, manifest))

    @property
    def size(self) -> ImageSize:
        """The size of the source image."""
        return self.transform.source

    @property
    def nbytes(self) -> int:
        """Bytes of the pixel values and features held now; may be read from any thread.

        On the host and on devices: memory of a GPU that features take is missing to the model too.
        """
        return sum(buffer.nbytes for buffer in self._buffers())

    @property
    def device_nbytes(self) -> int:
        """The part of nbytes that is in the memory of devices."""
        return sum(each.nbytes for each in self._buffers() if not isinstance(each, np.ndarray))

    def provides(self, name: str) -> bool:
        """Return whether any stage of the model computes the tensor of this canonical name."""
        return self.graph.provides(name)

    def compute(self, wanted: Iterable[str], values: Mapping[str, Tensor]) -> dict[str, Any]:
        """Run StageGraph.compute on this image's features and the given values.

        Features are kept where they were computed.
        """
        wanted = list(wanted)
        computed = self.compute_in_place(wanted, values)
        return {**computed, **self.graph.compute(wanted, computed)}

    def compute_in_place(
        self, wanted: Iterable[str], values: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Compute like `compute`, but leave the wanted values too where they were computed."""
        computed = self.graph.compute_in_place(wanted, {**self._values, **values})
        for name in self._lasting_names.intersection(computed):
            self._values[name] = computed[name]
        self._drop_superseded()
        return computed

    def compute_apart(self, wanted: Iterable[str], values: Mapping[str, Tensor]) -> dict[str, Any]:
        """Compute with values that may take the place of this image's features.

        What the stages read of the image itself is computed and kept; what comes of the values is
        not, not even by the name of a feature.
        """
        wanted = list(wanted)
        read = self.graph.read_by(wanted, {*self._lasting_names, *values})
        self.compute_in_place((read & self._lasting_names).difference(values), {})
        return self.graph.compute(wanted, {**self._values, **values})

    def of_one_prompt(
        self, wanted: Iterable[str], values: Mapping[str, Tensor], row: int
    ) -> dict[str, Tensor]:
        """Return what the stages of the wanted names read of one prompt, of the values of several.

        Only tensors with one row for each prompt, not the features of the image.
        """
        read = self.graph.read_by(wanted, {**self._values, **values})
        return {
            name: block(values[name], row)
            for name in read.intersection(values).difference(self._lasting_names)
        }

    def geometry(self, exemplars: Mapping[str, Array]) -> dict[str, Array]:
        """Return geometry_features f32[1,N+1,D] and geometry_mask bool[1,N+1] of N exemplars.

        exemplars: boxes, box_labels and box_mask, as concept.exemplar_feeds makes them.
        """
        return self._geometries([exemplars])[0]

    def prompt_tokens(
        self, text: TextEmbedding, exemplars: Mapping[str, Array]
    ) -> dict[str, Array]:
        """Return joined_tokens of a text and of exemplars on this image, as `lengths` says.

        exemplars: as in `geometry`. Raises InferenceError when the geometry stage fails.
        """
        return self.tokens_of_prompts([text], [exemplars])[0]

    def tokens_of_prompts(
        self, texts: Sequence[TextEmbedding], exemplars: Sequence[Mapping[str, Array]]
    ) -> list[dict[str, Array]]:
        """Return prompt_tokens of each text with its exemplars; waits for a device once."""
        tokens = []
        for text, boxes in zip(texts, self._geometries(exemplars), strict=True):
            words = {"text_features": text.features, "text_mask": text.mask}
            tokens.append(self.lengths.tokens_of(joined_tokens({**words, **boxes})))
        return tokens

    def _geometries(self, exemplars: Sequence[Mapping[str, Array]]) -> list[dict[str, Array]]:
        """Return the geometry of each; that of no exemplars, the same for all phrases, is kept."""
        has_boxes = [bool(each["box_mask"].any()) for each in exemplars]
        started = {
            number: self.compute_in_place(_GEOMETRY, exemplars[number])
            for number, has in enumerate(has_boxes)
            if has or (self._without_exemplars is None and number == has_boxes.index(False))
        }
        on_device = (t for each in started.values() for t in each.values())
        if not all(isinstance(tensor, np.ndarray) for tensor in on_device):
            self._start_features()
        read = {
            number: {name: as_array(computed[name]) for name in _GEOMETRY}
            for number, computed in started.items()
        }
        for number, found in read.items():
            if not has_boxes[number]:
                self._without_exemplars = found
        without = self._without_exemplars or {}
        return [read.get(number, without) for number in range(len(exemplars))]

    def _start_features(self) -> None:
        """Compute what else a prompt reads of the image: the device has that to do meanwhile."""
        asked = {*self._lasting_names, "prompt", "prompt_mask"}
        wanted = self.graph.read_by(("logits",), asked) & self._lasting_names
        self.compute_in_place(wanted, {})

    def _drop_superseded(self) -> None:
        held = self._values.keys()
        superseded = [name for name, others in self._superseding.items() if others <= held]
        for name in superseded:
            self._values.pop(name, None)

    def _buffers(self) -> list[Tensor]:
        held = (*self._values.values(), *(self._without_exemplars or {}).values())
        return list({id(buffer): buffer for buffer in map(_buffer, held)}.values())


def joined_tokens(values: Mapping[str, Array]) -> dict[str, Array]:
    """Return a concept prompt as the model reads it: text tokens, then geometry tokens.

    values: text_features f32[1,L,D], text_mask [1,L], geometry_features f32[1,N+1,D] and
    geometry_mask [1,N+1]; True = valid. Returns prompt f32[1,T,D] and prompt_mask bool[1,T].
    """
    features = [values["text_features"], values["geometry_features"]]
    masks = [values[name].astype(np.bool_, copy=False) for name in ("text_mask", "geometry_mask")]
    return {
        "prompt": np.concatenate(features, axis=1),
        "prompt_mask": np.concatenate(masks, axis=1),
    }


def _buffer(tensor: Tensor) -> Tensor:
    """Return what owns the memory: a stage's outputs may be views of each other."""
    while isinstance(tensor, np.ndarray) and isinstance(tensor.base, np.ndarray):
        tensor = tensor.base
    return tensor
