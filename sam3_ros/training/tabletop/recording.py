"""Questions of the precision guard to the tabletop bundle, about objects that are in the image.

python -m sam3_ros.training.tabletop.recording    # records the embedded bundle anew
"""

from __future__ import annotations

import sys
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.image_file import read_rgb
from sam3_ros.core.precision.answers import Question
from sam3_ros.core.precision.questions import TABLE, disc, followed_question
from sam3_ros.core.precision.recorded import QuestionedImage
from sam3_ros.core.precision.recording import record_into
from sam3_ros.core.segmenter.concept import exemplar_feeds
from sam3_ros.core.segmenter.interactive import prompt_feeds
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.core.segmenter.text import ClipTokenizer
from sam3_ros.core.segmenter.transform import Floats, ImageTransform

# In px of the demo's table at half its size: one of two balls, and the red cube. The decoder hardly
# says of the other ball's mask whether it is there: its pointer hangs on the sign of that, and
# rounding may turn it.
BALL = Box(179.0, 97.0, 211.0, 129.0)
BALLS = ConceptPrompt("ball", exemplars=(BALL,))
CUBE = InteractivePrompt(points=((130.0, 110.0),))


def record_tabletop(bundle: Bundle) -> Bundle:
    """Record the bundle's fp32 answers to questions about the demo's table in it."""
    return record_into(bundle, [table_questions(bundle)])


def table_questions(bundle: Bundle) -> QuestionedImage:
    """Return the demo's table at half its size, which is what the model sees, with questions."""
    manifest = bundle.manifest
    assert manifest.concept is not None
    assert manifest.interactive is not None
    pixels = _halved(read_rgb(TABLE))
    picture = ImageSize(*pixels.shape[:2])
    transform = ImageTransform.of(picture, manifest)
    tokenizer = ClipTokenizer(bundle.tokenizer_file, manifest.concept.tokenizer)
    words = {"input_ids": tokenizer.encode(BALLS.text or ""), **exemplar_feeds(BALLS, transform)}
    click = prompt_feeds(CUBE, transform, manifest.interactive)
    assert manifest.interactive.mask_input is not None
    mask = disc(manifest.interactive.mask_input)
    within = prompt_feeds(CUBE, transform, manifest.interactive, mask)
    name = "one of the balls, followed"
    followed = followed_question(manifest, name, partial(_ball, picture))
    asked = (
        Question("balls like this one", words),
        Question("click on the red cube", click),
        Question("the same in a mask", within),
    )
    return QuestionedImage("table", pixels, asked if followed is None else (*asked, followed))


def _ball(picture: ImageSize, size: ImageSize) -> Floats:
    """Return mask logits f32 [h, w] of a size: an ellipse in the bounds of the ball."""
    y, x = np.mgrid[0 : size.height, 0 : size.width] + 0.5
    x, y = x * picture.width / size.width, y * picture.height / size.height
    middle = (BALL.x_min + BALL.x_max) / 2, (BALL.y_min + BALL.y_max) / 2
    across = np.hypot((x - middle[0]) / BALL.width, (y - middle[1]) / BALL.height)
    return np.where(across < 1 / 2, 8.0, -8.0).astype(np.float32)


def _halved(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    height, width, _ = pixels.shape
    halved = cv2.resize(pixels, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(halved, np.uint8)


if __name__ == "__main__":
    written = record_tabletop(Bundle.open(sys.argv[1] if len(sys.argv) > 1 else "tabletop"))
    print(f"recorded: {written.path}", file=sys.stderr)
