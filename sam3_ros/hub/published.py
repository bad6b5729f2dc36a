"""The published checkpoints that can become bundles, as their authors' pages named them in 2026.

Parameters are counted in the networks that the exporter builds. None of these files was at hand
when the table was written, so a name may have changed since: the error then gives the page.
"""

from __future__ import annotations

from collections.abc import Iterator

from sam3_ros.core.errors import HubError
from sam3_ros.core.nearest_name import did_you_mean
from sam3_ros.hub.address import HubAddress
from sam3_ros.hub.known_models import ExportCost, KnownModel

_SAM3_LICENCE = "SAM License"
_DERIVED = "SAM License (derived from SAM 3)"
_APACHE = "Apache-2.0"
_EFFICIENTSAM3 = "Simon7108528/EfficientSAM3"
_LIKE_RV_S = ExportCost(10, 3.2)


def _efficientsam3() -> Iterator[KnownModel]:
    for name, image, parameters, file in (
        ("ev-m", "EfficientViT-B1", 114.3, "efficientvit"),
        ("rv-m", "RepViT-M1.1", 117.7, "repvit"),
        ("tv-m", "TinyViT-11M", 120.4, "tinyvit"),
    ):
        yield _student(
            f"efficientsam3-{name}",
            f"{image} + MobileCLIP-S0, fine-tuned",
            parameters,
            f"efficientsam3_ft/efficientsam3_{file}.pt",
            _LIKE_RV_S,
        )
    for name, image, parameters, file in (
        ("rv-s", "RepViT-M0.9", 135.5, "repvit-m0_9"),
        ("rv-m", "RepViT-M1.1", 138.7, "repvit-m1_1"),
        ("rv-l", "RepViT-M2.3", 153.5, "repvit-m2_3"),
        ("tv-s", "TinyViT-5M", 135.8, "tinyvit_5m"),
        ("tv-m", "TinyViT-11M", 141.4, "tinyvit_11m"),
        ("tv-l", "TinyViT-21M", 151.6, "tinyvit_21m"),
        ("ev-s", "EfficientViT-B0", 131.2, "efficientvit-b0"),
        ("ev-m", "EfficientViT-B1", 135.3, "efficientvit-b1"),
        ("ev-l", "EfficientViT-B2", 145.8, "efficientvit-b2"),
    ):
        yield _student(
            f"es-{name}-mc-s1",
            f"{image} + MobileCLIP-S1",
            parameters,
            f"stage1_all_converted/efficient_sam3_{file}_mobileclip_s1.pth",
            ExportCost(10, 3.2, measured=True) if name == "rv-s" else _LIKE_RV_S,
            2343 if name == "rv-s" else None,
        )
    for name, image, parameters, file in (
        ("rv-s", "RepViT-M0.9", 425.4, "repvit_s"),
        ("rv-m", "RepViT-M1.1", 428.6, "repvit_m"),
        ("rv-l", "RepViT-M2.3", 443.4, "repvit_l"),
        ("tv-s", "TinyViT-5M", 425.7, "tinyvit_s"),
        ("tv-m", "TinyViT-11M", 431.3, "tinyvit_m"),
        ("tv-l", "TinyViT-21M", 441.5, "tinyvit_l"),
        ("ev-s", "EfficientViT-B0", 421.1, "efficientvit_s"),
        ("ev-m", "EfficientViT-B1", 425.2, "efficientvit_m"),
        ("ev-l", "EfficientViT-B2", 435.7, "efficientvit_l"),
    ):
        yield _student(
            f"es-{name}",
            f"{image} + SAM 3's text encoder",
            parameters,
            f"stage1_all_converted/efficient_sam3_{file}.pt",
        )


def _student(
    name: str,
    variant: str,
    parameters: float,
    file: str,
    cost: ExportCost | None = None,
    download_mb: float | None = None,
) -> KnownModel:
    return KnownModel(
        name,
        "efficientsam3",
        variant,
        "words, clicks, boxes",
        parameters,
        _DERIVED,
        HubAddress(_EFFICIENTSAM3, file),
        download_mb=download_mb,
        cost=cost,
    )


def _sam3() -> Iterator[KnownModel]:
    yield KnownModel(
        "sam3",
        "sam3",
        "SAM 3's ViT + its text encoder",
        "words, clicks, boxes",
        857,
        _SAM3_LICENCE,
        HubAddress("facebook/sam3", "sam3.pt"),
        gated=True,
        download_mb=3450,
        cost=ExportCost(35, 12),
    )
    for name, text, parameters, file in (
        ("s0", "MobileCLIP-S0", 546.2, "mobileclip_s0"),
        ("s1", "MobileCLIP-S1", 567.2, "mobileclip_s1"),
        ("l", "MobileCLIP2-L", 627.4, "mobileclip2_l"),
    ):
        for length in (16, 32):
            yield KnownModel(
                f"litetext-{name}-{length}",
                "sam3",
                f"SAM 3's ViT + {text}, {length} tokens",
                "words, clicks, boxes",
                parameters,
                _DERIVED,
                HubAddress(_EFFICIENTSAM3, f"sam3_litetext/sam3_litetext_{file}_ctx{length}.pt"),
                cost=ExportCost(28, 10, measured=(name, length) == ("s0", 16)),
            )


def _clickers() -> Iterator[KnownModel]:
    for name, parameters, cost in (
        ("l0", 34.8, ExportCost(2.4, 1.3, measured=True)),
        ("l1", 47.7, ExportCost(3, 1.5)),
        ("l2", 61.3, ExportCost(3, 2)),
        ("xl0", 117.0, None),
        ("xl1", 203.3, None),
    ):
        yield KnownModel(
            f"efficientvit-sam-{name}",
            "efficientvit-sam",
            f"EfficientViT-{name.upper()}",
            "clicks, boxes",
            parameters,
            _APACHE,
            HubAddress("mit-han-lab/efficientvit-sam", f"efficientvit_sam_{name}.pt"),
            download_mb=4 * parameters,
            cost=cost,
        )
    for name, parameters, megabytes, begin in (
        ("b", 93.7, 375, "01ec64"),
        ("l", 312.3, 1250, "0b3195"),
        ("h", 641.1, 2564, "4b8939"),
    ):
        yield KnownModel(
            f"sam-vit-{name}",
            "sam",
            f"ViT-{name.upper()}",
            "clicks, boxes",
            parameters,
            _APACHE,
            # A copy; the authors' files bear the beginning of their sum in their names.
            HubAddress("ybelkada/segment-anything", f"checkpoints/sam_vit_{name}_{begin}.pth"),
            download_mb=megabytes,
            sha256=begin,
        )
    yield KnownModel(
        "mobilesam",
        "mobilesam",
        "TinyViT-5M",
        "clicks, boxes",
        9.8,
        _APACHE,
        # A copy; the authors' own is in their repository on GitHub, and has this sum.
        HubAddress("dhkim2810/MobileSAM", "mobile_sam.pt"),
        download_mb=40.7,
        cost=ExportCost(3.6, 1.6, measured=True),
        sha256="6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
    )


PUBLISHED: tuple[KnownModel, ...] = (*_sam3(), *_efficientsam3(), *_clickers())


def published_model(name: str) -> KnownModel:
    """Return a model by its name, whatever the capitals. Raises HubError for an unknown name."""
    by_name = {model.name: model for model in PUBLISHED}
    if name.lower() not in by_name:
        raise HubError(
            f"no known model {name!r}: `sam3-ros models` lists them{did_you_mean(name, by_name)}"
        )
    return by_name[name.lower()]
