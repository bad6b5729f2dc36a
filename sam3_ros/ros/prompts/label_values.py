"""The values of prompts in the label image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sam3_ros.core.errors import PromptError

# 0 means nothing; 255 is not used, because label images commonly use it for "unknown".
LABEL_VALUES = range(1, 255)


def label_values(before: Mapping[str, int], ids: Iterable[str]) -> dict[str, int]:
    """Return a value for each id: the one it had before, else the smallest free one.

    Raises PromptError for more ids than there are values.
    """
    wanted = dict.fromkeys(ids)
    require_label_values(len(wanted))
    taken = {before[each] for each in wanted if each in before}
    free = (value for value in LABEL_VALUES if value not in taken)
    return {each: before[each] if each in before else next(free) for each in wanted}


def require_label_values(count: int) -> None:
    """Raise PromptError if there are fewer label values than this many prompts need."""
    if count > len(LABEL_VALUES):
        raise PromptError(
            f"expected at most {len(LABEL_VALUES)} prompts at a time, as many as a label image "
            f"has values; got {count}: clear some first"
        )
