"""The hub's client and what the environment tells it, checked before it is imported."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from sam3_ros.core.errors import HubError

#: Whole seconds; another value ends a process when it imports the client.
_SECONDS = ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT")
#: Of the client; as in pyproject.toml.
_OLDEST = (1, 31)
_ENDPOINT = "HF_ENDPOINT"


def check_hub_client(version: str) -> None:
    """Raise HubError for a client that is too old: tokenizers brings one of any age."""
    found = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if found < _OLDEST:
        raise HubError(
            f"huggingface_hub {version} is too old: pip install 'huggingface_hub>="
            f"{'.'.join(map(str, _OLDEST))}'"
        )


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
