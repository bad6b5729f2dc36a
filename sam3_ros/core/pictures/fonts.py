"""Which font can write which characters.

DejaVu Sans Condensed comes with the package, cut down to Latin, Greek and Cyrillic, so that these
look the same everywhere. Other scripts are written in a font of the system, if it has one.
"""

from __future__ import annotations

import subprocess
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from PIL import ImageFont


@dataclass(frozen=True)
class Font:
    """A font file, and the number of the font in it."""

    path: str
    index: int = 0


@dataclass(frozen=True)
class Run:
    """A part of a text, and the font that can write it."""

    text: str
    font: Font


OWN_FONT = Font(str(Path(__file__).with_name("DejaVuSansCondensed.ttf")))

# Where fontconfig is not installed. Those for Chinese, Japanese and Korean come first.
_COMMON_FONTS = (
    Font("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"),
    Font("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc"),
    Font("/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf"),
    Font("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"),
)
# A label comes from whoever asks, and the frame waits for the answer.
_FONTCONFIG_SECONDS = 1.0
# No font has a glyph for this: it is no character, and never will be one.
_NO_CHARACTER = "\ufffe"
_SIZE_TO_LOOK_AT = 16


def runs_of(text: str) -> tuple[Run, ...]:
    r"""Return the text in parts, each with a font that has all its characters.

    A character that no font has, or that is not to be seen, is written as an escape such as \u7acb.
    """
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    lacking = {char for char in text if char.isprintable() and not _has(OWN_FONT, char)}
    other = _system_font("".join(sorted(lacking))) if lacking else None

    parts: list[tuple[str, Font]] = []
    for char in text:
        # A space stays with the word before: a text from right to left is one run then.
        goes_on = char == " " and bool(parts) and parts[-1][1] == other
        if other is not None and (goes_on or char in lacking) and _has(other, char):
            parts.append((char, other))
        elif char.isprintable() and char not in lacking:
            parts.append((char, OWN_FONT))
        else:
            parts.append((char.encode("unicode_escape").decode("ascii"), OWN_FONT))
    return tuple(
        Run("".join(part for part, _ in together), font)
        for font, together in groupby(parts, key=lambda part: part[1])
    )


@lru_cache(maxsize=64)
def loaded(font: Font, size: int) -> ImageFont.FreeTypeFont:
    """Return the font at a size in px. Raises OSError for a file that is no such font."""
    return ImageFont.truetype(font.path, size, font.index)


@lru_cache(maxsize=4096)
def _has(font: Font, char: str) -> bool:
    """Return whether the font has a character: one that it lacks looks like any other it lacks."""
    try:
        opened = loaded(font, _SIZE_TO_LOOK_AT)
        return bytes(opened.getmask(char)) != bytes(opened.getmask(_NO_CHARACTER))
    except OSError:  # no file, or one with pictures of one size, as those for emoji are
        return False


@lru_cache(maxsize=64)
def _system_font(chars: str) -> Font | None:
    """Return the font with most of these characters; None if none has any."""
    fonts = [*_by_fontconfig(chars), *_COMMON_FONTS]
    most, best = max(
        ((sum(_has(font, char) for char in chars), font) for font in fonts),
        key=lambda pair: pair[0],
        default=(0, None),
    )
    return best if most else None


def _by_fontconfig(chars: str) -> list[Font]:
    """Ask fontconfig, which knows the fonts that are installed, for one with these characters."""
    wanted = f"sans:charset={' '.join(f'{ord(char):x}' for char in chars)}"
    command = ["fc-match", "--format=%{index} %{file}", wanted]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=_FONTCONFIG_SECONDS, check=True
        )
        index, _, path = answer.stdout.partition(" ")
        return [Font(path, int(index))]
    except (OSError, subprocess.SubprocessError, ValueError):  # not installed, or no answer
        return []
