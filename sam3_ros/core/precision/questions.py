"""The questions that check a model: prompts of every kind on several images."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.errors import ImageError
from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.image_file import read_rgb
from sam3_ros.core.precision.answers import Question
from sam3_ros.core.precision.recorded import QuestionedImage, RecordedAnswers
from sam3_ros.core.precision.recording import answers_in_fp32, recorded_in
from sam3_ros.core.segmenter.interactive import PADDING, mask_feeds, prompt_feeds
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.text import ClipTokenizer
from sam3_ros.core.segmenter.transform import Floats, ImageTransform
from sam3_ros.core.stages.session import Array, OpenSession

TABLE = Path(__file__).resolve().parents[2] / "demo_data" / "table.jpg"
NO_BOXES = np.zeros((1, 0, 4), np.float32)
# A positive and a negative exemplar, cxcywh as parts of the image.
TWO_BOXES = np.array([[[0.5, 0.5, 0.3, 0.4], [0.2, 0.3, 0.1, 0.2]]], np.float32)
LABELS = np.array([[1, 0]], np.int64)
#: The score of an object that is there, as a given mask has it.
_SEEN = 10.0

Pixels = npt.NDArray[np.uint8]

log = logging.getLogger(__name__)


def standard_images(
    manifest: Manifest, tokenizer: Path | None, more: Iterable[Path] = ()
) -> tuple[QuestionedImage, ...]:
    """Return a picture of a table, an upright crop of it, random blocks, and `more` image files.

    All questions are asked of the first, every other one of the rest, so that a full-size model
    takes a minute. An image file is named by its file name, or by its path where that is taken.
    Raises ImageError for a file that cannot be read, or that is given twice.
    """
    table = read_rgb(TABLE)
    upright = np.ascontiguousarray(table[:, table.shape[1] // 3 : 2 * table.shape[1] // 3])
    pictures = {"table": table, "upright": upright, "blocks": _blocks(seed=7)}
    for path in more:
        name = path.name if path.name not in pictures else str(path)
        if name in pictures:
            raise ImageError(f"{path}: a picture of this path is there already: give each once")
        pictures[name] = read_rgb(path)
    found: list[QuestionedImage] = []
    for name, pixels in pictures.items():
        questions = _questions(manifest, tokenizer, ImageSize(*pixels.shape[:2]))
        found.append(QuestionedImage(name, pixels, questions if not found else questions[::2]))
    return tuple(found)


def questions_of(bundle: Bundle, picture: Path) -> QuestionedImage:
    """Ask of another picture all that is asked of the first of standard_images."""
    pixels = read_rgb(picture)
    tokenizer = bundle.tokenizer_file if bundle.manifest.concept else None
    size = ImageSize(*pixels.shape[:2])
    return QuestionedImage(picture.name, pixels, _questions(bundle.manifest, tokenizer, size))


def _questions(manifest: Manifest, tokenizer: Path | None, size: ImageSize) -> tuple[Question, ...]:
    asked = (*_concept_questions(manifest, tokenizer), *_clicks(manifest, size))
    followed = followed_question(manifest, "a disc that is followed", disc)  # whatever is there
    return asked if followed is None else (*asked, followed)


def _concept_questions(manifest: Manifest, tokenizer: Path | None) -> list[Question]:
    if manifest.concept is None or tokenizer is None:
        return []
    encoder = ClipTokenizer(tokenizer, manifest.concept.tokenizer)
    asked = (
        ("words", "a red cube on the table", NO_BOXES),
        ("one word", "dog", NO_BOXES),
        ("boxes alone", manifest.concept.textless_prompt, TWO_BOXES),
        ("words and a box", "the yellow ball", TWO_BOXES[:, :1]),
    )
    return [
        Question(
            name,
            {
                "input_ids": encoder.encode(text),
                "boxes": boxes,
                "box_labels": LABELS[:, : boxes.shape[1]],
                "box_mask": np.ones(boxes.shape[:2], np.bool_),
            },
        )
        for name, text, boxes in asked
    ]


def _clicks(manifest: Manifest, size: ImageSize) -> list[Question]:
    if manifest.interactive is None:
        return []
    settings = manifest.interactive
    transform = ImageTransform.of(size, manifest)
    h, w = size
    several = tuple((w * x, h * y) for x, y in ((0.3, 0.7), (0.64, 0.2), (0.01, 0.01), (0.5, 0.5)))
    box = Box(w * 0.2, h * 0.25, w * 0.7, h * 0.8)
    asked = {
        "click": InteractivePrompt(points=((w / 2, h / 2),)),
        "several clicks": InteractivePrompt(points=several, point_labels=(1, 0, 1, 1)),
        "box": InteractivePrompt(box=box),
        "box and a click": InteractivePrompt(points=several[:1], box=box),
    }
    found = [
        Question(name, prompt_feeds(prompt, transform, settings)) for name, prompt in asked.items()
    ]
    if settings.mask_input is not None:  # as following an object asks
        mask = disc(settings.mask_input)
        feeds = prompt_feeds(asked["click"], transform, settings, mask)
        found.append(Question("click in a mask", feeds))
    return found


def followed_question(
    manifest: Manifest, name: str, cover: Callable[[ImageSize], Floats]
) -> Question | None:
    """Return a question that follows an object, or None for a bundle without video stages.

    cover: mask logits f32 [h, w] of the object, of a size.
    """
    interactive, video = manifest.interactive, manifest.video
    if interactive is None or video is None or interactive.mask_input is None:
        return None
    given, remembered = (
        (cover(size) > 0).astype(np.float32)[None, None]
        for size in (video.object_mask, video.memory_mask)
    )
    feeds: dict[str, Array] = {
        "point_coords": np.zeros((1, 1, 2), np.float32),
        "point_labels": np.full((1, 1), PADDING, np.int64),
        **mask_feeds(None, interactive.mask_input),
        "object_mask": given,
        "memory_mask": remembered,
        "object_score": np.full((1, 1), _SEEN, np.float32),
        "memory_ages": np.zeros(1, np.int64),
        "pointer_ages": np.full(1, 1 / video.pointer_divisor, np.float32),
    }
    return Question(name, feeds)


def disc(size: ImageSize) -> Floats:
    """Return mask logits f32 [h, w]: an ellipse in the middle, a third of each side."""
    y, x = np.mgrid[-1 : 1 : size.height * 1j, -1 : 1 : size.width * 1j]
    return np.where(np.hypot(x, y) < 1 / 3, 8.0, -8.0).astype(np.float32)


def _blocks(seed: int) -> Pixels:
    """Return noise in blocks of four sizes: edges on every scale, unlike any photo."""
    generator = np.random.default_rng(seed)
    side = 256
    picture = np.zeros((side, side, 3))
    for blocks in (4, 16, 64, 256):
        noise = generator.standard_normal((blocks, blocks, 3))
        picture += noise.repeat(side // blocks, 0).repeat(side // blocks, 1)
    return np.clip(128 + 40 * picture, 0, 255).astype(np.uint8)


def reference_answers(
    bundle: Bundle, threads: int | None = None, open_stage_session: OpenSession = open_session
) -> RecordedAnswers:
    """Return the few answers in fp32 that the guard judges by.

    They are read from the bundle; where it holds none, its stages run in fp32 on the CPU, and the
    log says so. Raises PrecisionError for a bundle without recorded answers and fp32 files.
    """
    recorded = recorded_in(bundle)
    lacking = "recorded answers"
    if recorded is not None:
        if not _lacks_followed(bundle.manifest, recorded):
            return few_of(recorded)
        lacking = "recorded answers of the stages that follow objects"
    log.warning(
        "bundle %r holds no %s, so it is run in fp32 on the CPU first; "
        "`sam3-ros bundle record %s` records them once",
        bundle.manifest.name,
        lacking,
        bundle.path,
    )
    tokenizer = bundle.tokenizer_file if bundle.manifest.concept else None
    asked = few_images(standard_images(bundle.manifest, tokenizer))
    return answers_in_fp32(bundle, asked, threads, open_stage_session)


def _lacks_followed(manifest: Manifest, recorded: RecordedAnswers) -> bool:
    """Return whether nothing recorded runs the stages of following, as in older files."""
    asked = (question for image in recorded.images for question in image.questions)
    return manifest.video is not None and not any(each.is_followed for each in asked)


def few_of(recorded: RecordedAnswers) -> RecordedAnswers:
    """Return the recorded answers to the questions that few_images keeps."""
    (image,) = few_images(recorded.images)
    return recorded.of([(image.name, question.name) for question in image.questions])


def few_images(images: tuple[QuestionedImage, ...]) -> tuple[QuestionedImage, ...]:
    """Return the first image with as few questions as run every stage once.

    They are the concept question that runs most stages, and all others, which are cheap.
    """
    first, *_ = images
    others = [question for question in first.questions if not question.is_concept]
    concepts = [question for question in first.questions if question.is_concept]
    chosen = (*sorted(concepts, key=_exemplars)[:1], *others)
    return (QuestionedImage(first.name, first.pixels, chosen),)


def _exemplars(question: Question) -> tuple[bool, int]:
    """Rank one exemplar first, which runs all of the geometry stage, and none last."""
    count = question.feeds["boxes"].shape[1]
    return count == 0, count
