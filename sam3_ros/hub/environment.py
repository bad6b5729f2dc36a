"""What the environment says about the hub, checked before its client reads it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from sam3_ros.core.errors import HubError

#: Whole seconds; another value ends a process when it imports the client.
_SECONDS = ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT")
_ENDPOINT = "HF_ENDPOINT"


def check_hub_environment(environment: Mapping[str, str]) -> None:
    """Raise HubError for a variable that the hub's client cannot read."""
    for name in _SECONDS:
        value = environment.get(name)
        if value is not None and not value.strip().isdecimal():
            raise HubError(f"{name} is {value!r}: expected whole seconds, or unset it")
    endpoint = environment.get(_ENDPOINT)
    if endpoint is not None and not _is_site(endpoint):
        raise HubError(
            f"{_ENDPOINT} is {endpoint!r}: expected a web address such as https://huggingface.co, "
            f"or unset it"
        )


def _is_site(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
