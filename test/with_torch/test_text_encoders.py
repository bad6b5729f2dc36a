"""Text encoders against independent code, the published tensors' names, and ONNX Runtime."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import onnxruntime
import pytest
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers.models.sam3_lite_text.configuration_sam3_lite_text import Sam3LiteTextTextConfig
from transformers.models.sam3_lite_text.modeling_sam3_lite_text import Sam3LiteTextTextModel

from sam3_ros.core.bundle.manifest import FileRef, TokenizerSettings
from sam3_ros.core.errors import CheckpointError, ExportError
from sam3_ros.core.segmenter.text import ClipTokenizer
from sam3_ros.export.bindings import bindings
from sam3_ros.export.commands.export_job import END, PAD, START, clip_tokenizer_files
from sam3_ros.export.models.text import mobileclip, sam3_text
from sam3_ros.export.models.text.encoder import TextArchitecture, TextStage, text_architecture
from sam3_ros.export.models.text.recognise import build_text, recognise_text
from sam3_ros.export.onnx_file import write_onnx

PREFIX = "detector.backbone.language_backbone."
SMALL = {
    "convolutional": TextArchitecture("a", 64, 1, 128, 8, 8, 11, vocabulary=50, d_model=32),
    "attention": TextArchitecture("b", 128, 2, 256, 8, 8, vocabulary=50, d_model=32),
    "causal": TextArchitecture("c", 128, 2, 256, 8, 8, causal=True, vocabulary=50, d_model=32),
}


def filled(architecture: TextArchitecture, seed: int = 0) -> TextStage:
    """Return the stage with weights at the scale of trained ones and effective batch norms."""
    stage = build_text(architecture).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in stage.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator)
            fan_in = math.prod(tensor.shape[1:]) if tensor.dim() > 1 else 1
            around = 1.0 if re.search(r"norm\d?\.weight|running_var|scale", name) else 0.0
            tensor.copy_(around + noise * (0.1 if fan_in == 1 else fan_in**-0.5))
    return stage


def originals(stage: TextStage) -> dict[str, Tensor]:
    """Return the stage's tensors by their names in a checkpoint."""
    own = stage.state_dict()
    found = {}
    for binding in bindings((name, stage.original_names, name) for name in own):
        (original,) = binding.originals
        parts = [own[target] for target in binding.targets]
        found[original] = torch.cat(parts) if len(parts) > 1 else parts[0]
    return found


def shapes(stage: TextStage) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in originals(stage).items()}


def example_ids(stage: TextStage, prompts: int = 3) -> Tensor:
    return stage.examples({"prompts": prompts}, seed=1)["input_ids"]


# Tensors and numbers of EfficientSAM3's text encoders and of SAM 3's (353.72M), less the unused
# projection into CLIP's space: one tensor, width by width, and for SAM 3 width by 512.
@pytest.mark.parametrize(
    ("name", "context", "tensors", "numbers", "unused"),
    [
        ("mobileclip-s0", 16, 111, 42_549_512, 512 * 512),
        ("mobileclip-s0", 77, 111, 42_580_744, 512 * 512),
        ("mobileclip-s1", 16, 151, 63_528_192, 512 * 512),
        ("mobileclip-s1", 77, 151, 63_559_424, 512 * 512),
        ("mobileclip2-l", 16, 151, 123_800_320, 768 * 768),
        ("mobileclip2-l", 77, 151, 123_847_168, 768 * 768),
        ("sam3", 32, 295, 353_724_672, 1024 * 512),
    ],
)
def test_published_encoders_have_their_tensors_and_are_recognised_by_them(
    name: str, context: int, tensors: int, numbers: int, unused: int
) -> None:
    architecture = text_architecture(name, context)
    with torch.device("meta"):
        found = shapes(build_text(architecture))
    assert len(found) == tensors - 1
    assert sum(math.prod(shape) for shape in found.values()) == numbers - unused
    assert recognise_text(found) == architecture


@pytest.mark.parametrize(
    ("kind", "some"),
    [
        (
            "convolutional",
            {
                "encoder.embedding_layer.weight": (50, 64),
                "encoder.positional_embedding.pos_embed.pos_embed": (1, 1, 8, 64),
                "encoder.transformer.0.layer_scale": (64, 1, 1),
                "encoder.transformer.0.token_mixer.layer_scale": (64, 1, 1),
                "encoder.transformer.0.token_mixer.norm.rbr_skip.running_var": (64,),
                "encoder.transformer.0.token_mixer.mixer.rbr_skip.num_batches_tracked": (),
                "encoder.transformer.0.token_mixer.mixer.rbr_conv.0.conv.weight": (64, 1, 1, 11),
                "encoder.transformer.2.token_mixer.mixer.rbr_conv.0.bn.bias": (64,),
                "encoder.transformer.2.convffn.conv.conv.weight": (64, 1, 1, 11),
                "encoder.transformer.2.convffn.conv.bn.running_mean": (64,),
                "encoder.transformer.2.convffn.fc1.weight": (128, 64, 1, 1),
                "encoder.transformer.2.convffn.fc2.bias": (64,),
            },
        ),
        (
            "attention",
            {
                "encoder.transformer.0.pre_norm_mha.0.weight": (128,),
                "encoder.transformer.0.pre_norm_mha.1.qkv_proj.weight": (384, 128),
                "encoder.transformer.1.pre_norm_mha.1.out_proj.bias": (128,),
                "encoder.transformer.1.pre_norm_ffn.0.bias": (128,),
                "encoder.transformer.1.pre_norm_ffn.1.weight": (256, 128),
                "encoder.transformer.1.pre_norm_ffn.4.weight": (128, 256),
                "encoder.final_layer_norm.weight": (128,),
                "projector.weight": (32, 128),
            },
        ),
        (
            "causal",
            {
                "encoder.token_embedding.weight": (50, 128),
                "encoder.positional_embedding": (8, 128),
                "encoder.transformer.resblocks.0.attn.in_proj_weight": (384, 128),
                "encoder.transformer.resblocks.0.attn.in_proj_bias": (384,),
                "encoder.transformer.resblocks.1.attn.out_proj.weight": (128, 128),
                "encoder.transformer.resblocks.1.ln_2.bias": (128,),
                "encoder.transformer.resblocks.1.mlp.c_fc.weight": (256, 128),
                "encoder.transformer.resblocks.1.mlp.c_proj.weight": (128, 256),
                "encoder.ln_final.weight": (128,),
                "resizer.bias": (32,),
            },
        ),
    ],
)
def test_tensors_have_the_names_of_the_checkpoints(
    kind: str, some: dict[str, tuple[int, ...]]
) -> None:
    found = shapes(build_text(SMALL[kind]))
    assert {PREFIX + name: shape for name, shape in some.items()}.items() <= found.items()


@pytest.mark.parametrize(
    ("name", "unneeded"),
    [
        ("encoder.projection_layer", mobileclip.UNNEEDED),
        ("encoder.text_projection", sam3_text.UNNEEDED),
    ],
)
def test_the_projection_into_clips_space_is_not_needed(name: str, unneeded: tuple) -> None:
    assert [re.fullmatch(one.pattern, PREFIX + name) is not None for one in unneeded] == [True]


@pytest.mark.parametrize("kind", SMALL)
def test_sizes_are_read_from_the_shapes(kind: str) -> None:
    read = recognise_text(shapes(build_text(SMALL[kind])))
    assert vars(read) | {"name": ""} == vars(SMALL[kind]) | {"name": ""}
    assert read.name.endswith(f"x{read.width}")


@pytest.mark.parametrize("kind", ["convolutional", "attention"])
def test_mobileclip_computes_what_transformers_does_without_a_mask(kind: str) -> None:
    stage, small = filled(SMALL[kind]), SMALL[kind]
    blocks = small.layers + 2 * (small.convolution is not None)
    config = Sam3LiteTextTextConfig(
        vocab_size=small.vocabulary,
        hidden_size=small.width,
        intermediate_size=small.feed_forward,
        projection_dim=small.width,
        num_hidden_layers=blocks,
        num_attention_heads=small.heads,
        max_position_embeddings=small.positions,
        use_repmixer_blocks=small.convolution is not None,
    )
    theirs = Sam3LiteTextTextModel(config).eval()
    theirs.load_state_dict(as_lite_text(originals(stage), small.width), strict=True)
    ids = example_ids(stage)
    with torch.no_grad():
        expected = stage.projector(theirs(input_ids=ids).last_hidden_state)
        features, mask = stage(ids)
    assert features.std() > 0.1
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=0)
    assert torch.equal(mask, ids != 0)


def as_lite_text(tensors: dict[str, Tensor], width: int) -> dict[str, Tensor]:
    """Return a checkpoint's tensors under the names of transformers' Sam3LiteTextTextModel."""
    renamed = {"projection.weight": torch.zeros(width, width)}
    for name, tensor in tensors.items():
        name = name.removeprefix(PREFIX + "encoder.")
        for ours, theirs in LITE_TEXT_NAMES:
            name = re.sub(ours, theirs, name)
        if name.startswith(PREFIX):  # the projector is not of this class
            continue
        if "qkv_proj" in name:
            for letter, part in zip("qkv", tensor.chunk(3), strict=True):
                renamed[name.replace("qkv", letter)] = part
        else:
            renamed[name] = tensor
    return renamed


LITE_TEXT_NAMES = (
    (r"^embedding_layer", "embeddings.token_embedding"),
    (
        r"^positional_embedding\.pos_embed\.pos_embed",
        "embeddings.position_embedding.position_embedding",
    ),
    (r"^transformer\.", "layers."),
    (r"pre_norm_mha\.0", "layer_norm1"),
    (r"pre_norm_mha\.1", "self_attn"),
    (r"pre_norm_ffn\.0", "layer_norm2"),
    (r"pre_norm_ffn\.1", "mlp.fc1"),
    (r"pre_norm_ffn\.4", "mlp.fc2"),
    (r"token_mixer\.norm\.rbr_skip", "token_mixer.reference_batchnorm"),
    (r"mixer\.rbr_skip", "mixer.batchnorm_skip"),
    (r"mixer\.rbr_conv\.0\.conv", "mixer.conv"),
    (r"mixer\.rbr_conv\.0\.bn", "mixer.batchnorm_conv"),
    (r"convffn\.conv\.conv", "conv_feed_forward.depthwise_conv"),
    (r"convffn\.conv\.bn", "conv_feed_forward.depthwise_batchnorm"),
    (r"convffn\.fc", "conv_feed_forward.mlp.fc"),
)


@pytest.mark.parametrize("kind", ["attention", "causal"])
def test_attention_layers_compute_what_pytorchs_own_do(kind: str) -> None:
    """nn.TransformerEncoderLayer packs q, k and v as the original's tensors are packed."""
    stage, small = filled(SMALL[kind]), SMALL[kind]
    tensors = {n.removeprefix(PREFIX + "encoder."): t for n, t in originals(stage).items()}
    ids = example_ids(stage)
    with torch.no_grad():
        if kind == "causal":
            tokens = tensors["token_embedding.weight"][ids] + tensors["positional_embedding"]
        else:
            positions = tensors["positional_embedding.pos_embed.pos_embed"]
            tokens = tensors["embedding_layer.weight"][ids] + positions[0]
        hidden = nn.Transformer.generate_square_subsequent_mask(8) if kind == "causal" else None
        for number in range(small.layers):
            tokens = torch_layer(tensors, number, kind == "causal")(tokens, src_mask=hidden)
        last = stage.resizer if kind == "causal" else stage.projector
        expected = last(stage.norm(tokens))
        features, _ = stage(ids)
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=0)


def torch_layer(tensors: dict[str, Tensor], number: int, clip: bool) -> nn.Module:
    names = CLIP_LAYER if clip else MOBILECLIP_LAYER
    at = f"transformer.{'resblocks.' if clip else ''}{number}."
    layer = nn.TransformerEncoderLayer(
        128, 2, 256, activation="gelu", norm_first=True, batch_first=True
    ).eval()
    renamed = {
        theirs + leaf: tensors[at + ours + leaf]
        for theirs, ours in names.items()
        for leaf in ("weight", "bias")
    }
    layer.load_state_dict(renamed, strict=True)
    return layer


CLIP_LAYER = {
    "self_attn.in_proj_": "attn.in_proj_",
    "self_attn.out_proj.": "attn.out_proj.",
    "norm1.": "ln_1.",
    "norm2.": "ln_2.",
    "linear1.": "mlp.c_fc.",
    "linear2.": "mlp.c_proj.",
}
MOBILECLIP_LAYER = {
    "self_attn.in_proj_": "pre_norm_mha.1.qkv_proj.",
    "self_attn.out_proj.": "pre_norm_mha.1.out_proj.",
    "norm1.": "pre_norm_mha.0.",
    "norm2.": "pre_norm_ffn.0.",
    "linear1.": "pre_norm_ffn.1.",
    "linear2.": "pre_norm_ffn.4.",
}


def test_tokens_attend_both_ways_in_mobileclip_and_only_back_in_sam3() -> None:
    for kind, changes in (("attention", True), ("convolutional", True), ("causal", False)):
        stage = filled(SMALL[kind])
        ids = example_ids(stage)
        other = torch.cat([ids[:, :-1], 7 + ids[:, -1:] * 0], dim=1)
        with torch.no_grad():
            before, after = stage(ids)[0][:, 0], stage(other)[0][:, 0]
        assert (before - after).abs().max().item() > 1e-4 or not changes
        assert changes or torch.equal(before, after)


@pytest.mark.parametrize("kind", SMALL)
def test_a_longer_position_table_is_cut_not_interpolated(kind: str) -> None:
    long = build_text(SMALL[kind].with_context_length(5)).eval()
    short = filled(replace(SMALL[kind], context_length=5, positions=5))
    rows = torch.cat([short.positions.detach(), torch.ones_like(short.positions)[..., :3, :]], -2)
    long.load_state_dict(short.state_dict() | {"positions": rows})
    ids = example_ids(short)
    with torch.no_grad():
        assert torch.equal(long(ids)[0], short(ids)[0])


@pytest.mark.parametrize("kind", SMALL)
def test_onnx_runtime_gives_the_same_for_one_prompt_and_for_many(kind: str, tmp_path: Path) -> None:
    stage = filled(SMALL[kind])
    file = write_onnx(stage, tmp_path / "text.onnx")
    session = onnxruntime.InferenceSession(str(file.path), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == ["prompts", 8]
    for prompts in (1, 3):
        ids = example_ids(stage, prompts)
        features, mask = session.run(["text_features", "text_mask"], {"input_ids": ids.numpy()})
        with torch.no_grad():
            expected, expected_mask = stage(ids)
        assert mask.dtype == bool and (mask == expected_mask.numpy()).all()
        assert abs(features - expected.numpy()).max() <= 1e-5


def test_impossible_encoders_are_refused() -> None:
    with pytest.raises(
        ExportError, match="unknown text encoder 'mobileclip-s9'; known: mobileclip"
    ):
        text_architecture("mobileclip-s9", 16)
    with pytest.raises(ExportError, match="2 to 16, the length of its position table"):
        text_architecture("mobileclip-s0", 16).with_context_length(32)
    with pytest.raises(ExportError, match="multiple of 64"):
        TextArchitecture("odd", 100, 1, 128, 8, 8)
    with pytest.raises(CheckpointError, match=r"position table.*found 1 tensors"):
        recognise_text({PREFIX + "embed_proj.weight": (512, 1024), "detector.x": (1,)})
    table = PREFIX + "encoder.positional_embedding"
    with pytest.raises(
        CheckpointError, match=r"the 1 tensors below .* known text encoder \(mobileclip-s0, "
    ):
        recognise_text({table: (32, 1024)})


@pytest.mark.parametrize(
    ("name", "damaged"),
    [
        ("mobileclip-s0", "encoder.embedding_layer.weight"),
        ("mobileclip-s1", "projector.weight"),
        ("sam3", "encoder.token_embedding.weight"),
    ],
)
def test_a_damaged_encoder_is_recognised_so_that_loading_can_name_the_fault(
    name: str, damaged: str
) -> None:
    architecture = text_architecture(name, 32)
    with torch.device("meta"):
        found = shapes(build_text(architecture))
    damaged = PREFIX + damaged
    assert recognise_text(found | {damaged: found[damaged][::-1]}) == architecture
    del found[damaged]
    assert recognise_text(found) == architecture


def test_bundles_get_the_complete_clip_tokenizer_with_its_licence() -> None:
    file, licence = clip_tokenizer_files()
    vocabulary = Tokenizer.from_file(str(file)).get_vocab()
    assert sorted(vocabulary.values()) == list(range(49408))
    assert (vocabulary["<|startoftext|>"], vocabulary["<|endoftext|>"]) == (START, END)
    assert "MIT License" in licence.read_text() and "OpenAI" in licence.read_text()


# Ids by CLIP's published rule (simple_tokenizer with its vocabulary of 16e6 merges).
CLIP_IDS = (
    ("a dog", [320, 1929]),
    ("a person's hat, isn't it?", [320, 2533, 568, 3801, 267, 2923, 713, 585, 286]),
    ("3.14 & 1,000!", [274, 269, 272, 275, 261, 272, 267, 271, 271, 271, 256]),
    ("Caf\xe9 \u65e5\u672c \U0001f600", [15304, 39121, 19277, 361, 7334]),
    ("&amp;lt;b&gt; C++", [283, 321, 285, 322, 19056]),
    ("WE'LL un_der-scored", [649, 1342, 2271, 318, 801, 268, 6143]),
    ("\u0420\u0443\u0441\u0441\u043a\u0438\u0439", [16370, 39729, 23669, 23669, 27152, 29503, 373]),
    (" ".join(["very"] * 20), [1070] * 14),
)


@pytest.mark.parametrize(("text", "ids"), CLIP_IDS)
def test_phrases_become_clips_ids(text: str, ids: list[int]) -> None:
    settings = TokenizerSettings(FileRef("tokenizer.json", "0" * 64, 1), 16, START, END, PAD)
    encoded = ClipTokenizer(clip_tokenizer_files()[0], settings).encode(text)[0].tolist()
    assert encoded == [START, *ids, END] + [PAD] * (14 - len(ids))
