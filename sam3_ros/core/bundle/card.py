"""A bundle's card: README.md in its folder, for people who come upon it.

It says what the manifest says, in words, and how fast the bundle was on the machine that wrote it.
The manifest is not changed by it, and does not list it: a bundle is the same with it and without.
The head is what model hubs read of such a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.bundle.verification import (
    NOT_VERIFIED,
    described_verification,
    end_to_end_figures,
    plain_figures,
    precision_figures,
    stage_figures,
)
from sam3_ros.core.markdown import code, markdown_table, plain
from sam3_ros.core.stages.plan import titled

CARD_NAME = "README.md"
#: Near the beginning of each card, by which it is known to be one.
MARK = "<!-- written by sam3-ros: `sam3-ros bundle card` writes it again -->"
#: Numbers that tell weights apart; they say nothing to a person.
_NOT_TOLD = ("weights_samples",)
_RANDOM = "random_seed"
_ASKED_BY = {
    "concept": "words, and boxes around examples",
    "interactive": "clicks and boxes",
    "video": "following by memory",
}


@dataclass(frozen=True)
class CardSpeed:
    """How fast the bundle was, where the card was written."""

    #: Name and value, such as the CPU and versions.
    machine: Mapping[str, str]
    #: What was done, and its median in ms.
    times: Sequence[tuple[str, float]]


def card_of(bundle: Bundle, speed: CardSpeed | None, version: str) -> str:
    """Return the card's text.

    speed: None where it was not measured. version: of sam3_ros.
    """
    manifest = bundle.manifest
    parts = (
        _head(manifest),
        _summary(bundle, version),
        _source(manifest),
        _verification(manifest),
        _files(manifest),
        _speed(speed),
        _use(bundle),
    )
    return "\n".join(line for part in parts for line in part) + "\n"


def _head(manifest: Manifest) -> Iterator[str]:
    known = "apache-2.0" if manifest.licence.strip().lower() == "apache-2.0" else "other"
    yield from ("---", f"license: {known}", "library_name: sam3_ros")
    yield from ("pipeline_tag: image-segmentation", "tags: [ros2, onnx, segmentation]", "---", "")
    yield from (MARK, "")


def _summary(bundle: Bundle, version: str) -> Iterator[str]:
    manifest, frame = bundle.manifest, bundle.manifest.preprocessing
    yield f"# {plain(manifest.name)}"
    yield ""
    yield f"{plain(manifest.description) or 'A bundle of sam3_ros'}."
    yield ""
    rows = [
        ("licence of the weights", plain(manifest.licence)),
        ("asked by", "; ".join(_ASKED_BY[each] for each in bundle.capabilities)),
        ("image", f"{frame.width} x {frame.height} px ({frame.fit.replace('_', ' ')})"),
    ]
    if manifest.concept is not None:
        words = manifest.concept.vocabulary
        known = "" if words is None else f"; it knows {len(words)} words"
        rows.append(("text", f"{manifest.concept.tokenizer.context_length} tokens{known}"))
    rows += [
        ("precisions", ", ".join(map(plain, bundle.precisions))),
        ("size of all files", _megabytes(sum(file.bytes for file in manifest.files))),
        ("written by", f"sam3_ros {version}"),
    ]
    yield from markdown_table(("", ""), rows)


def _source(manifest: Manifest) -> Iterator[str]:
    yield from ("", "## Where the weights come from", "")
    if _RANDOM in manifest.source:
        yield "**The weights are random: the architecture is real, the masks are meaningless.**"
        yield ""
    rows = told_source(manifest.source)
    if not rows:
        yield "The manifest does not say."
        return
    yield from markdown_table(("", ""), [(plain(name), code(value)) for name, value in rows])


def told_source(source: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return what a manifest's source says to people, in words for the names."""
    return [(_spaced(name), value) for name, value in source.items() if name not in _NOT_TOLD]


def _verification(manifest: Manifest) -> Iterator[str]:
    yield from ("", "## What was verified", "")
    verification = manifest.verification
    told = described_verification(verification)
    if told == NOT_VERIFIED:
        yield "Nothing: no figures are in the manifest."
        return
    yield f"{plain(told, 2000)}."
    stages = [(name, (largest, limit)) for name, largest, limit in stage_figures(verification)]
    yield from _figures(("stage, ONNX against PyTorch", "largest difference", "limit"), stages)
    names = ("questions", "logits", "boxes", "masks_equal")
    whole = [(t, [f.get(n) for n in names]) for t, f in end_to_end_figures(verification)]
    yield from _figures(("end to end against PyTorch", *map(_spaced, names)), whole)
    of_lower = ("mean_mask_iou", "mask_iou", "scores")
    lower = [(t, [f.get(n) for n in of_lower]) for t, f in precision_figures(verification)]
    yield from _figures(("against fp32", "mean mask IoU", "worst mask", "scores"), lower)

    for name, found in plain_figures(verification):
        yield from _figures((plain(_spaced(name)), ""), [(_spaced(n), [v]) for n, v in found])


def _figures(headings: Sequence[str], rows: Sequence[tuple[str, Sequence[Any]]]) -> Iterator[str]:
    """Yield a table of figures, if there are any."""
    if rows:
        yield ""
        cells = [(plain(name), *map(_figure, figures)) for name, figures in rows]
        yield from markdown_table(headings, cells)


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _files(manifest: Manifest) -> Iterator[str]:
    yield from ("", "## Files", "")
    sizes: dict[str, int] = {}
    for stage in manifest.stages.values():
        for rendition, files in stage.files_by_rendition.items():
            for precision, file in files.items():
                title = titled(precision, rendition)
                size = file.bytes + sum(data.bytes for data in file.data)
                sizes[title] = sizes.get(title, 0) + size
    rows = [(plain(title), _megabytes(size)) for title, size in sizes.items()]
    yield from markdown_table(("all stages in", "size"), rows)


def _speed(speed: CardSpeed | None) -> Iterator[str]:
    yield from ("", "## Speed", "")
    if speed is None:
        yield "Not measured here: `sam3-ros bench --bundle FOLDER` does it."
        return
    machine = "; ".join(f"{plain(name)} {plain(value)}" for name, value in speed.machine.items())
    yield f"Medians in fp32 on the CPU, measured once when this card was written: {machine}."
    yield ""
    rows = [
        (plain(what), f"{ms:.1f} ms" if ms < 100 else f"{ms:.0f} ms") for what, ms in speed.times
    ]
    yield from markdown_table(("what", "time"), rows)


def _use(bundle: Bundle) -> Iterator[str]:
    yield from ("", "## How to use it", "")
    yield "With sam3_ros installed, and `FOLDER` for where this file lies:"
    yield ""
    takes_text = bundle.manifest.concept is not None
    words = _words(bundle.manifest)
    launched = "bundle:=FOLDER image:=/camera/image_raw"
    launched += f' prompts:="{words}"' if takes_text else ""
    question = f'--text "{words}"' if takes_text else "--point 320,240"
    yield from (
        "```sh",
        f"ros2 launch sam3_ros segmentation.launch.py {launched}",
        f"sam3-ros segment picture.jpg --bundle FOLDER {question} --out answers",
        "sam3-ros verify FOLDER    # does it compute here what it computed where it was made?",
        "sam3-ros bundle inspect FOLDER",
        "```",
        "",
        "```python",
        "from sam3_ros import InteractivePrompt, Segmenter",
        "",
        'with Segmenter.load("FOLDER") as segmenter:',
        "    image = segmenter.encode_image(rgb)  # uint8 [H, W, 3], RGB",
    )
    if takes_text:
        yield f'    for found in segmenter.ask(image, "{words}"):'
        yield "        print(found.label, found.score, found.box, found.mask.shape)"
    if bundle.manifest.interactive is not None:
        yield "    click = InteractivePrompt(points=((320, 240),))"
        yield "    this = segmenter.ask(image, click)"
    yield "```"


def _words(manifest: Manifest) -> str:
    """Return phrases for the examples; of a closed vocabulary those that it has."""
    known = manifest.concept.vocabulary if manifest.concept is not None else None
    if known is None:
        return "mug; the red book"
    shown = "red cube; ball"
    if {"red", "cube", "ball"} <= set(known):
        return shown
    return "; ".join([word for word in known if word.isalnum()][:2]) or "object"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size < 1e8 else f"{size / 1e6:.0f} MB"


def _figure(value: Any) -> str:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f"{value:.7g}" if is_number else ""
