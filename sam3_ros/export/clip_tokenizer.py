"""CLIP's tokenizer, for the bundles of every model that reads text.

All text encoders of the family read CLIP's 49,408 tokens. The embedded bundle `tabletop` carries
them in full, though it knows few of them, with the notice that their licence asks for; exported
bundles take both from there.
"""

from __future__ import annotations

from pathlib import Path

from sam3_ros.core.bundle.bundle import EMBEDDED_FOLDER
from sam3_ros.core.errors import ExportError

START, END, PAD = 49406, 49407, 0


def clip_tokenizer_files() -> tuple[Path, Path]:
    """The tokenizer, a file of the `tokenizers` library, and the licence of its vocabulary.

    Raises ExportError where this installation lacks them.
    """
    folder = EMBEDDED_FOLDER / "tabletop"
    files = folder / "tokenizer.json", folder / "CLIP-LICENSE.txt"
    for file in files:
        if not file.is_file():
            raise ExportError(
                f"{file} is missing: it comes with sam3_ros, so install the package again"
            )
    return files
