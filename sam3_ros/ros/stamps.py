"""Stamps of messages as whole nanoseconds, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from builtin_interfaces.msg import Time

NANOSECONDS = 1_000_000_000  # in a second
# An older stamp is taken to come from another clock.
OLDEST_STAMP_S = 60.0


def nanoseconds(stamp: Time) -> int:
    """Return a header's stamp as one number; 0 where nobody set it."""
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def time_message(stamp_ns: int) -> Time:
    """Return the stamp as a message; the inverse of nanoseconds()."""
    from builtin_interfaces.msg import Time  # late: all else here needs no ROS

    seconds, rest = divmod(stamp_ns, NANOSECONDS)
    return Time(sec=seconds, nanosec=rest)


def seconds_text(stamp_ns: int) -> str:
    """Return all digits of the stamp for people, such as "12.000000345 s"."""
    seconds, rest = divmod(stamp_ns, NANOSECONDS)
    return f"{seconds}.{rest:09d} s"


def seconds_since(stamp_ns: int, now_ns: int) -> float | None:
    """Return the seconds from a header's stamp to now; both must be of the same clock.

    None if that cannot be known: the stamp is 0, lies in the future, or is older than
    OLDEST_STAMP_S, as in a bag that is played without its own clock.
    """
    seconds = (now_ns - stamp_ns) / NANOSECONDS
    return seconds if stamp_ns and 0.0 <= seconds <= OLDEST_STAMP_S else None
