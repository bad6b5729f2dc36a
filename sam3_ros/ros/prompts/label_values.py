"""The numbers that prompts have in a mono8 label image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sam3_ros.core.errors import PromptError

# 0 is "nothing"; 255 is left free, for it commonly means "unknown" in label images.
LABEL_VALUES = range(1, 255)


def require_values_for(count: int) -> None:
    """Raise PromptError if so many prompts are more than there are values."""
    if count > len(LABEL_VALUES):
        raise PromptError(
            f"expected at most {len(LABEL_VALUES)} prompts at a time, as many as a label image "
            f"has values; got {count}: clear some first"
        )


def label_values(before: Mapping[str, int], ids: Iterable[str]) -> dict[str, int]:
    """By id: the value that the id had before, else the least that is free.

    Raises PromptError for more ids than there are values.
    """
    wanted = dict.fromkeys(ids)
    require_values_for(len(wanted))
    taken = {before[each] for each in wanted if each in before}
    free = (value for value in LABEL_VALUES if value not in taken)
    return {each: before[each] if each in before else next(free) for each in wanted}
