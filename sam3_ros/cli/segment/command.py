"""`sam3-ros segment`: segments picture files by words, points and boxes."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam3_ros.cli.command import add_command
from sam3_ros.cli.model_options import add_model_options, configured_model
from sam3_ros.cli.out_folder import OutFolder, add_force_option
from sam3_ros.cli.picture_options import add_picture_options
from sam3_ros.cli.prompt_options import add_prompt_options, prompts_from
from sam3_ros.cli.segment.inputs import find_inputs
from sam3_ros.cli.segment.output_names import RESULTS_NAME, claim_outputs
from sam3_ros.cli.table import left, right, table
from sam3_ros.core.visible_text import visible
from sam3_ros.core.whole_file import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sam3_ros.cli.command import Commands
    from sam3_ros.cli.segment.answering import ImageDepth, ImageQuestion
    from sam3_ros.cli.segment.inputs import Inputs
    from sam3_ros.cli.segment.output_names import OutputFiles
    from sam3_ros.core.segmenter.segmenter import Segmenter

FAILED = 2
MASK_FORMS = ("png", "rle", "both", "none")


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "segment",
        "segment pictures by words, points and boxes; writes masks, overlays, label PNGs and a "
        "JSON",
        """
        sam3-ros segment table.jpg --text "red cube; ball" --out answers
        sam3-ros segment photos/ --text "red cube" --masks rle --out answers --json
        sam3-ros segment table.jpg --point 120,80 --box 10,10,90,90 --out answers
        sam3-ros segment table.jpg --point 120,80 --negative-point 60,80 --out answers
        sam3-ros segment table.jpg --box 10,10,90,90 --point 40,40 --together --out answers
        sam3-ros segment a.png --text cube --depth a_depth.png --camera-info a.yaml --out answers
        """,
        _run,
    )
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="JPEG, PNG, ...; or a folder of them"
    )
    add_prompt_options(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for what is written"
    )
    parser.add_argument(
        "--masks",
        choices=MASK_FORMS,
        default="png",
        help=f"each segment's mask: a PNG file, COCO's run lengths in {RESULTS_NAME}, both or "
        "neither (default: %(default)s)",
    )
    add_force_option(parser)
    parser.add_argument(
        "--score-threshold", type=float, metavar="S", help="for text (default: the bundle's)"
    )
    _add_space_options(parser)
    add_picture_options(parser)
    add_model_options(parser)
    parser.add_argument("--json", action="store_true", help=f"print {RESULTS_NAME} as well")


def _add_space_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("in space")
    group.add_argument(
        "--depth",
        type=Path,
        metavar="FILE",
        help="depth that is registered to the image: 16 bits in mm (PNG, TIFF, .npy) or floating "
        "point in m (TIFF, .npy); with it places and boxes are told",
    )
    group.add_argument(
        "--camera-info",
        type=Path,
        metavar="FILE",
        help="the camera as YAML: camera_calibration's file, or a camera_info message",
    )
    group.add_argument(
        "--rectified",
        action="store_true",
        help="image and depth are rectified: the camera's matrix P holds, and no lens",
    )


def _depth_of(options: argparse.Namespace, images: Sequence[Path]) -> ImageDepth | None:
    """Return the depth that was named. Raises SpaceError."""
    from sam3_ros.cli.segment.answering import ImageDepth
    from sam3_ros.core.errors import SpaceError
    from sam3_ros.core.space_files.camera_file import read_camera
    from sam3_ros.core.space_files.depth_file import read_depth

    if options.depth is None:
        if options.camera_info is not None or options.rectified:
            raise SpaceError("--camera-info and --rectified go with --depth FILE")
        return None
    if options.camera_info is None:
        raise SpaceError("--depth needs --camera-info FILE: without it depth tells no place")
    if len(images) != 1:
        raise SpaceError(f"--depth is of one image, got {len(images)} images")
    camera = read_camera(options.camera_info, rectified=options.rectified)
    return ImageDepth(read_depth(options.depth), camera)


def _run(options: argparse.Namespace) -> int:
    from sam3_ros.cli.segment.answering import ImageQuestion
    from sam3_ros.core.images.size_bound import MAX_MEGAPIXELS

    inputs = find_inputs(options.images)
    question = ImageQuestion(
        prompts_from(options),
        options.score_threshold,
        masks_as_png=options.masks in ("png", "both"),
        masks_as_rle=options.masks in ("rle", "both"),
        bit_depth=options.bit_depth,
        max_megapixels=options.max_megapixels or MAX_MEGAPIXELS,
        space=_depth_of(options, inputs.images),
    )
    model = configured_model(options)
    told = _Warnings()
    told.tell(inputs.remarks)
    answers: list[dict[str, Any]] = []
    with OutFolder(options.out, force=options.force) as folder:
        outputs = claim_outputs(
            folder, inputs.images, with_masks=question.masks_as_png, force=options.force
        )
        with model.load() as segmenter:
            try:
                for each in _answers(segmenter, question, inputs, outputs):
                    answers.append(each)
                    told.tell(each.get("warnings", ()))
                    _report(each, options.json)
            finally:  # after Ctrl-C the answers so far are kept
                document = {
                    "bundle": model.bundle.manifest.name,
                    "out": str(options.out),
                    "warnings": list(inputs.remarks),
                    "images": answers,
                }
                text = json.dumps(document, indent=2)
                write_whole(options.out / RESULTS_NAME, text + "\n")
    if options.json:
        print(text)
    return FAILED if any("error" in each for each in answers) else 0


def _answers(
    segmenter: Segmenter, question: ImageQuestion, inputs: Inputs, outputs: Sequence[OutputFiles]
) -> Iterator[dict[str, Any]]:
    """Yield what JSON shows of each image. One that fails does not keep the others from theirs."""
    for name, reason in inputs.refused:
        yield {"image": name, "error": reason}
    for image, of_image in zip(inputs.images, outputs, strict=True):
        yield _answer_or_reason(segmenter, image, question, of_image)


def _answer_or_reason(
    segmenter: Segmenter, image: Path, question: ImageQuestion, outputs: OutputFiles
) -> dict[str, Any]:
    from sam3_ros.cli.segment.answering import answer
    from sam3_ros.core.errors import ImageError, InferenceError, PromptError, SpaceError

    try:
        return answer(segmenter, image, question, outputs)
    except (ImageError, PromptError, InferenceError) as error:
        return {"image": str(image), "error": " ".join(str(error).split())}
    except SpaceError as error:
        return {"image": str(image), "error": f"{image}: {' '.join(str(error).split())}"}


class _Warnings:
    """Prints each warning once, however many images have it."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def tell(self, warnings: Iterable[str]) -> None:
        for warning in warnings:
            if warning not in self._told:
                print(f"sam3-ros: warning: {visible(warning)}", file=sys.stderr)
                self._told.add(warning)


def _report(answer: dict[str, Any], for_program: bool) -> None:
    if "error" in answer:
        print(f"sam3-ros: error: {visible(answer['error'])}", file=sys.stderr)
    elif not for_program:
        image, overlay = visible(answer["image"]), visible(answer["overlay"])
        print(f"{image}: {len(answer['segments'])} segments -> {overlay}")
        rows = [
            (
                found["label"],
                f"{found['score']:.3f}",
                "box " + ", ".join(map("{:g}".format, found["box"])),
                *_place(found.get("space")),
                found.get("mask"),
            )
            for found in answer["segments"]
        ]
        in_space = [left(), left()] if any("space" in each for each in answer["segments"]) else []
        for line in table([left(), right(), left(), *in_space, left()], rows, indent=2):
            print(line)


def _place(space: dict[str, Any] | None) -> list[str]:
    """Return an object's place and size for the table; nothing where no depth was given."""
    if space is None:
        return []
    remarks = ", ".join(space["remarks"])
    if space["centre"] is None:
        return [f"no place: {remarks}", ""]
    at = ", ".join(f"{part:.3f}" for part in space["centre"])
    size = " x ".join(f"{length * 1000:.0f}" for length in space["box"]["size"])
    return [f"at {at} m", f"{size} mm{f' ({remarks})' if remarks else ''}"]
