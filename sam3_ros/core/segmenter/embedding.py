"""An image that has been prepared once, so that many prompts can ask it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.transform import Floats, ImageTransform
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.session import Array, Tensor
from sam3_ros.core.stages.tensor_names import IMAGE_INPUTS


class ImageEmbedding:
    """What is known of one image; made by Segmenter.encode_image, and only good for its maker.

    A feature is computed when the first prompt needs it, and kept: asking for words never runs
    the click's part of the image encoder, nor the other way round. What served only to compute
    others is let go once they are all there: the pixel values, and the trunk's features in the end.
    """

    def __init__(self, graph: StageGraph, transform: ImageTransform, pixel_values: Floats) -> None:
        self.graph = graph
        self.transform = transform
        self._lasting_names = graph.derived_from(frozenset(IMAGE_INPUTS))
        self._superseding = graph.superseding(frozenset(IMAGE_INPUTS))
        self._values: dict[str, Tensor] = {"pixel_values": pixel_values}
        self._without_exemplars: dict[str, Array] | None = None

    @property
    def size(self) -> ImageSize:
        """Of the source image."""
        return self.transform.source

    @property
    def nbytes(self) -> int:
        """Held now: of pixel values and features what is still of use; may be asked by any thread.

        On the host and on devices: what is kept on a GPU is not there for the model either.
        """
        return sum(buffer.nbytes for buffer in self._buffers())

    @property
    def device_nbytes(self) -> int:
        """The part of nbytes that is in the memory of devices."""
        return sum(each.nbytes for each in self._buffers() if not isinstance(each, np.ndarray))

    def provides(self, name: str) -> bool:
        """Does any stage of the model compute the tensor of this canonical name?"""
        return self.graph.provides(name)

    def compute(self, wanted: Iterable[str], values: Mapping[str, Tensor]) -> dict[str, Any]:
        """StageGraph.compute on this image's features and the given values.

        Features are kept where they were computed.
        """
        wanted = list(wanted)
        computed = self.graph.compute_in_place(wanted, {**self._values, **values})
        for name in self._lasting_names.intersection(computed):
            self._values[name] = computed[name]
        self._let_go()
        return {**computed, **self.graph.compute(wanted, computed)}

    def geometry(self, exemplars: Mapping[str, Array]) -> dict[str, Array]:
        """geometry_features f32[1,N+1,D] and geometry_mask bool[1,N+1] of N exemplar boxes."""
        if exemplars["boxes"].shape[1] > 0:
            return self._geometry(exemplars)
        if self._without_exemplars is None:  # the same for every phrase asked of this image
            self._without_exemplars = self._geometry(exemplars)
        return self._without_exemplars

    def _let_go(self) -> None:
        held = self._values.keys()
        spent = [name for name, others in self._superseding.items() if others <= held]
        for name in spent:
            self._values.pop(name, None)

    def _buffers(self) -> list[Tensor]:
        held = (*self._values.values(), *(self._without_exemplars or {}).values())
        return list({id(buffer): buffer for buffer in map(_buffer, held)}.values())

    def _geometry(self, exemplars: Mapping[str, Array]) -> dict[str, Array]:
        computed = self.compute(("geometry_features", "geometry_mask"), exemplars)
        return {
            "features": computed["geometry_features"],
            "mask": computed["geometry_mask"].astype(np.bool_),
        }


def _buffer(tensor: Tensor) -> Tensor:
    """What owns the memory; stages may answer with views of each other's tensors."""
    while isinstance(tensor, np.ndarray) and isinstance(tensor.base, np.ndarray):
        tensor = tensor.base
    return tensor
