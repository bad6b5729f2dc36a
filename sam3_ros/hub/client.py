"""The hub's own client as this package uses it: with its cache and login, quiet, unmeasured."""

from __future__ import annotations

import logging
import os
from pathlib import Path

# Read when it is imported: nobody asked for the hub's makers to count machines.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from huggingface_hub import HfApi, constants, get_token
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import build_hf_headers, disable_progress_bars

from sam3_ros import __version__
from sam3_ros.hub.address import HubAddress

#: Of the HTTP library that the client brings, which is another one in each of its major versions.
HTTP_ERROR: type[Exception] = HfHubHTTPError.__bases__[0]
_NAME = "sam3_ros"
_REPOSITORY_FOLDER = "models--{}--{}"

# An error is one line here, and progress is shown by the command.
logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
disable_progress_bars()


def api() -> HfApi:
    """Return the client for what is no file."""
    return HfApi(library_name=_NAME, library_version=__version__)


def request_headers() -> dict[str, str]:
    """Return who asks, and the login where there is one."""
    return dict(build_hf_headers(library_name=_NAME, library_version=__version__))


def endpoint() -> str:
    """Return the site that is asked: HF_ENDPOINT, or the hub."""
    return str(constants.ENDPOINT)


def cache() -> Path:
    """Return the folder in which the hub's client keeps files."""
    return Path(constants.HF_HUB_CACHE)


def blobs(address: HubAddress) -> Path:
    """Return where the cache keeps the bytes of a repository's files, each named by its ETag."""
    return cache() / _REPOSITORY_FOLDER.format(*address.repository.split("/")) / "blobs"


def page(address: HubAddress) -> str:
    """Return the web page of a repository."""
    return f"{endpoint()}/{address.repository}"


def is_logged_in() -> bool:
    """Return whether requests carry a login."""
    return get_token() is not None
