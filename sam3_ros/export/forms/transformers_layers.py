"""Rules for layers that transformers names and splits in the same way everywhere."""

from __future__ import annotations

from sam3_ros.export.forms.rewriting import Rewrite


def below(ours: str, original: str, *rules: Rewrite) -> tuple[Rewrite, ...]:
    """Return rules for names below `ours`, whose originals are below `original`."""
    return tuple(Rewrite(ours + r.pattern, original + r.name, r.how) for r in rules)


def packed(ours: str, original: str, out: str = "o_proj") -> tuple[Rewrite, ...]:
    """Return rules of an attention whose q, k and v the original packs into `in_proj_...`."""
    parts = tuple(
        Rewrite(rf"{ours}\.{each}_proj\.(?P<kind>\w+)", rf"{original}.in_proj_\g<kind>#{part}")
        for part, each in enumerate("qkv")
    )
    return (*parts, Rewrite(rf"{ours}\.{out}\.(?P<kind>\w+)", rf"{original}.out_proj.\g<kind>"))


def perceptron(ours: str, original: str) -> tuple[Rewrite, ...]:
    """Return rules of layers that count from 1, and in the original from 0."""
    return tuple(
        Rewrite(rf"{ours}\.layer{layer + 1}\.(.*)", rf"{original}.layers.{layer}.\1")
        for layer in range(3)
    )


def feed_forward(ours: str, original: str) -> tuple[Rewrite, ...]:
    """Return rules of three layers, of which transformers names the outer ones.

    ours: with one group, which is `\\1` of the original.
    """
    names = ("proj_in", r"layers\.0", "proj_out")
    return tuple(
        Rewrite(rf"{ours}\.{each}\.(?P<kind>\w+)", rf"{original}.layers.{layer}.\g<kind>")
        for layer, each in enumerate(names)
    )
