"""Which errors mean that there was not enough memory."""

from __future__ import annotations

# ONNX Runtime has no type of its own for it: core/framework/bfc_arena.cc and the CUDA provider
# raise by these words, C++ by its std::bad_alloc, OpenCV by its error code -4.
_WORDS = (
    "failed to allocate memory",
    "smaller than requested bytes",
    "bad_alloc",
    "bad allocation",
    "out of memory",
    "alloc_failed",
    "insufficient memory",
)


def is_out_of_memory(error: BaseException) -> bool:
    """The error, or what caused it."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    if any(words in text for words in _WORDS):
        return True
    return error.__cause__ is not None and is_out_of_memory(error.__cause__)
