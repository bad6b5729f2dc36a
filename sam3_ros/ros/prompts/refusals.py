"""Why a prompt is not asked, and which one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sam3_ros.core.errors import PromptError
from sam3_ros.core.segmenter.prompts import MAX_TEXT_CHARACTERS

LONGEST_NAME = 60


class PromptRefusedError(PromptError):
    """A prompt that is not asked.

    prompt_id: its id, shortened if no text may be that long. camera: as it was asked, empty for
    every camera. The reason names the prompt by its id, or else by the name `called`.
    """

    def __init__(self, prompt_id: str, reason: str, camera: str = "", called: str = "") -> None:
        name = repr(shortened(prompt_id)) if prompt_id else called
        is_named = not name or name in reason or repr(prompt_id) in reason
        kind = "prompt " if prompt_id else ""
        super().__init__(reason if is_named else f"{kind}{name}: {reason}")
        fits = len(prompt_id) <= MAX_TEXT_CHARACTERS
        self.prompt_id = prompt_id if fits else shortened(prompt_id)
        self.camera = shortened(camera)


@contextmanager
def refusing(prompt_id: str, camera: str = "", called: str = "") -> Iterator[None]:
    """Turn a PromptError of the body into one that names the prompt."""
    try:
        yield
    except PromptRefusedError:
        raise
    except PromptError as error:
        raise PromptRefusedError(prompt_id, str(error), camera, called) from error


def naming(prompt_id: str, reason: str) -> str:
    """The reason with the prompt it is of, unless it names it."""
    name = repr(shortened(prompt_id))
    return f"prompt {name}: {reason}" if prompt_id and name not in reason else reason


def shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def repeated_id(camera: str | None, prompt_id: str) -> PromptRefusedError:
    """camera: None for every camera, as below."""
    where = f" at the camera {camera!r}" if camera else ""
    reason = f"expected ids that differ{where}, got {shortened(prompt_id)!r} more than once"
    return PromptRefusedError(prompt_id, reason, camera or "")


def unknown_id(camera: str | None, prompt_id: str, is_asked_elsewhere: bool) -> PromptRefusedError:
    where = f" of the camera {camera!r}" if camera else ""
    advice = "~/active_prompts lists them"
    if is_asked_elsewhere:
        advice = "it is asked of others, so leave the camera empty or name theirs"
    got = f"got {shortened(prompt_id)!r}: {advice}"
    reason = f"expected the id of a prompt that is asked{where}, {got}"
    return PromptRefusedError(prompt_id, reason, camera or "")
