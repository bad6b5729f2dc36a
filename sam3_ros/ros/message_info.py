"""What DDS knows of a message beside its content, as far as the version of rclpy tells it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rclpy.subscription import Subscription

# Humble calls back with the message alone.
_RCLPY_TELLS_MORE = hasattr(Subscription, "CallbackType")


class Origin(NamedTuple):
    """Who has sent a message."""

    #: DDS's id of the publisher; empty if it is not known.
    publisher: bytes
    #: The number that the publisher gave the message; 0 if it is not known.
    number: int

    @property
    def is_known(self) -> bool:
        return bool(self.publisher and self.number)


def with_origin(callback: Callable[[Any, Origin], None]) -> Callable[..., None]:
    """Return the callback as rclpy takes it: it looks at how many arguments one has."""

    def tell(message: Any, info: Mapping[str, Any]) -> None:
        callback(message, _origin(info))

    def tell_nothing(message: Any) -> None:
        callback(message, Origin(b"", 0))

    return tell if _RCLPY_TELLS_MORE else tell_nothing


def _origin(info: Mapping[str, Any]) -> Origin:
    # Older rclpy does not have them.
    publisher, number = info.get("publisher_gid"), info.get("publication_sequence_number")
    return Origin(bytes(publisher["data"]) if publisher else b"", number or 0)
