"""Whether an error means that memory ran out, whatever raised it."""

from __future__ import annotations

# ONNX Runtime has no error type for it: core/framework/bfc_arena.cc and the CUDA provider use these
# words; C++ has its std::bad_alloc, OpenCV its error code -4.
_OUT_OF_MEMORY = (
    "failed to allocate memory",
    "smaller than requested bytes",
    "bad_alloc",
    "bad allocation",
    "out of memory",
    "alloc_failed",
    "insufficient memory",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether the error, or what caused it, means that memory ran out."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    if any(words in text for words in _OUT_OF_MEMORY):
        return True
    return error.__cause__ is not None and is_out_of_memory(error.__cause__)
