"""The stage that rates how well each query fits the prompt."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from transformers.models.sam3.configuration_sam3 import Sam3Config
from transformers.models.sam3.modeling_sam3 import Sam3DotProductScoring

from sam3_ros.export.bindings import NameRules
from sam3_ros.export.fills import leading_mask, unit_features
from sam3_ros.export.models.sam3.layer_names import perceptron_rules
from sam3_ros.export.models.sam3.sizes import SCORING, DetectorSizes
from sam3_ros.export.stage import StageModule, TensorInput


class Scoring(StageModule):
    """The scores of the queries.

    queries f32[P,Q,D], prompt f32[P,T,D], prompt_mask bool[P,T] -> logits f32[P,Q] in +-12. Source:
    facebookresearch/sam3, sam3/model/model_misc.py.
    """

    outputs = ("logits",)
    original_names = NameRules(
        (
            *perceptron_rules(r"scoring\.text_mlp", SCORING + "prompt_mlp"),
            (r"scoring\.text_mlp_out_norm\.(.*)", SCORING + r"prompt_mlp.out_norm.\1"),
            (r"scoring\.text_proj\.(.*)", SCORING + r"prompt_proj.\1"),
            (r"scoring\.query_proj\.(.*)", SCORING + r"hs_proj.\1"),
        )
    )

    def __init__(self, sizes: DetectorSizes) -> None:
        super().__init__()
        decoder = {"hidden_size": sizes.width, "intermediate_size": sizes.feedforward}
        self.scoring = Sam3DotProductScoring(Sam3Config(detr_decoder_config=decoder))
        self._width = sizes.width

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        return {
            "queries": TensorInput(("prompts", "queries", self._width), unit_features),
            "prompt": TensorInput(("prompts", "tokens", self._width), unit_features),
            "prompt_mask": TensorInput(("prompts", "tokens"), leading_mask),
        }

    def forward(self, queries: Tensor, prompt: Tensor, prompt_mask: Tensor) -> tuple[Tensor, ...]:
        of_one_layer = self.scoring(queries[None], prompt, prompt_mask)
        return (of_one_layer[0, :, :, 0],)
