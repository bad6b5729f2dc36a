"""Names of transformers' layers in SAM 3's checkpoints."""

from __future__ import annotations

from sam3_ros.export.bindings import Rule


def attention_rules(ours: str, originals: str) -> tuple[Rule, ...]:
    """Return rules of a Sam3Attention: the original packs q, k and v into one `in_proj`.

    ours: a regular expression for the module's name, whose groups `originals` may use.
    """
    end = r"\.(?P<kind>weight|bias)"
    packed = tuple(
        (ours + rf"\.{projection}_proj" + end, originals + rf".in_proj_\g<kind>#{part}")
        for part, projection in enumerate("qkv")
    )
    return (*packed, (ours + r"\.o_proj" + end, originals + r".out_proj.\g<kind>"))


def encoder_layer_rules(ours: str, originals: str) -> tuple[Rule, ...]:
    r"""Return rules of the layers of geometry and fusion, which have the same structure.

    ours, originals: the list of layers, for example `encoder\.layers` and `detector.x.layers`.
    """
    ours, originals = ours + r"\.(\d+)", originals + r".\1"
    return (
        *attention_rules(ours + r"\.self_attn", originals + ".self_attn"),
        *attention_rules(ours + r"\.cross_attn", originals + ".cross_attn_image"),
        (ours + r"\.mlp\.fc([12])\.(.*)", originals + r".linear\2.\3"),
        (ours + r"\.layer_norm([123])\.(.*)", originals + r".norm\2.\3"),
    )


def perceptron_rules(ours: str, originals: str) -> tuple[Rule, ...]:
    """Return rules of a Sam3DecoderMLP, whose layers count from 1 and in the original from 0."""
    return tuple(
        (ours + rf"\.layer{index + 1}\.(.*)", originals + rf".layers.{index}.\1")
        for index in range(3)
    )
