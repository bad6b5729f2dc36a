"""`sam3-ros segment`: segments picture files by words, points and boxes."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam3_ros.cli.command import add_command
from sam3_ros.cli.model_options import add_model_options, configured_model
from sam3_ros.cli.prompt_options import add_prompt_options, prompts_from
from sam3_ros.cli.table import left, right, table

if TYPE_CHECKING:
    from sam3_ros.cli.command import Commands
    from sam3_ros.core.segmenter.prompts import Prompt
    from sam3_ros.core.segmenter.segmenter import Segmenter
    from sam3_ros.core.segmenter.segments import Segment

RESULTS_NAME = "segments.json"


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "segment",
        "segment pictures by words, points and boxes; writes overlays, label PNGs and a JSON",
        """
        sam3-ros segment table.jpg --text "red cube" --out answers
        sam3-ros segment *.jpg --text "red cube" --text ball --out answers --json
        sam3-ros segment table.jpg --point 120,80 --box 10,10,90,90 --out answers
        sam3-ros segment table.jpg --point 120,80 --negative-point 60,80 --out answers
        sam3-ros segment table.jpg --box 10,10,90,90 --point 40,40 --together --out answers
        """,
        _run,
    )
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="JPEG, PNG, ...")
    add_prompt_options(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for what is written"
    )
    parser.add_argument(
        "--score-threshold", type=float, metavar="S", help="for text (default: the bundle's)"
    )
    add_model_options(parser)
    parser.add_argument("--json", action="store_true", help=f"print {RESULTS_NAME} as well")


def _run(options: argparse.Namespace) -> int:
    from sam3_ros.core.errors import ImageError, PromptError

    prompts = prompts_from(options)
    folder = _folder(options.out)
    answers: list[dict[str, Any]] = []
    with configured_model(options).load() as segmenter:
        for image, stem in zip(options.images, _stems(options.images), strict=True):
            try:
                answer = _segment(segmenter, image, prompts, options, folder / stem)
            except (ImageError, PromptError) as error:
                answer = {"image": str(image), "error": " ".join(str(error).split())}
            answers.append(answer)
            _report(answer, options.json)
    document = {"bundle": segmenter.bundle.manifest.name, "images": answers}
    text = json.dumps(document, indent=2)
    (folder / RESULTS_NAME).write_text(text + "\n", encoding="utf-8")
    if options.json:
        print(text)
    return 2 if any("error" in answer for answer in answers) else 0


def _segment(
    segmenter: Segmenter,
    image: Path,
    prompts: list[Prompt],
    options: argparse.Namespace,
    target: Path,
) -> dict[str, Any]:
    from sam3_ros.core.image_file import read_rgb, write_png
    from sam3_ros.core.pictures.label_image import label_image
    from sam3_ros.core.pictures.overlay import draw_overlay

    rgb = read_rgb(image)
    embedding = segmenter.encode_image(rgb)
    segments = segmenter.ask(embedding, prompts, options.score_threshold)
    seconds = {**embedding.timings, **segments.timings}
    values = {prompt.id: value for value, prompt in enumerate(prompts, start=1)}
    overlay, labels = Path(f"{target}_overlay.png"), Path(f"{target}_labels.png")
    write_png(overlay, draw_overlay(rgb, segments, values))
    write_png(labels, label_image(segments, values, embedding.size))
    return {
        "image": str(image),
        "width": embedding.size.width,
        "height": embedding.size.height,
        "overlay": str(overlay),
        "labels": str(labels),
        "label_values": values,
        "segments": [_described(segment, values) for segment in segments],
        "seconds": {step: round(s, 6) for step, s in seconds.items()},
    }


def _described(segment: Segment, values: dict[str, int]) -> dict[str, Any]:
    return {
        "prompt_id": segment.prompt_id,
        "label": segment.label,
        "label_value": values[segment.prompt_id],
        "score": round(segment.score, 4),
        "box": [round(corner, 2) for corner in segment.box.as_tuple()],
        "mask_pixels": int(segment.mask.sum()),
    }


def _report(answer: dict[str, Any], for_program: bool) -> None:
    if "error" in answer:
        print(f"sam3-ros: error: {answer['error']}", file=sys.stderr)
    elif not for_program:
        print(f"{answer['image']}: {len(answer['segments'])} segments -> {answer['overlay']}")
        rows = [
            (
                found["label"],
                f"{found['score']:.3f}",
                "box " + ", ".join(map("{:g}".format, found["box"])),
            )
            for found in answer["segments"]
        ]
        for line in table([left(), right(), left()], rows, indent=2):
            print(line)


def _folder(path: Path) -> Path:
    from sam3_ros.core.errors import ImageError

    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"cannot make the folder {path}: {reason}") from error
    return path


def _stems(images: list[Path]) -> list[str]:
    """Return a name per picture, with a number where several share one."""
    stems: list[str] = []
    for image in images:
        stem, number = image.stem, 2
        while stem in stems:
            stem, number = f"{image.stem}-{number}", number + 1
        stems.append(stem)
    return stems
