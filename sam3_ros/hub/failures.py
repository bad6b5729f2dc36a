"""What goes wrong with the hub, each in a line that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.errors import (
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from sam3_ros.core.errors import HubError
from sam3_ros.hub.address import HubAddress
from sam3_ros.hub.client import HTTP_ERROR, endpoint, is_logged_in, page

_UNAUTHORISED, _FORBIDDEN, _TOO_MANY = 401, 403, 429
_SERVER = 500


class UnreachableError(HubError):
    """No answer from the hub: no network, or it is down."""


class FileNotThereError(HubError):
    """The repository has no such file at this revision."""


@contextmanager
def hub_failures(address: HubAddress) -> Iterator[None]:
    """Raise HubError for what the hub's client raises in the block; a full disk stays an OSError.

    UnreachableError where there was no answer, FileNotThereError where the file is not there.
    """
    try:
        yield
    except GatedRepoError as error:
        raise HubError(_gated(address)) from error
    except RepositoryNotFoundError as error:
        raise HubError(_no_repository(address)) from error
    except RevisionNotFoundError as error:
        raise HubError(
            f"{address.repository} has no revision {address.revision!r}: see {page(address)}"
        ) from error
    except RemoteEntryNotFoundError as error:
        raise FileNotThereError(
            f"{address.repository} has no file {address.file!r} at {address.revision}: see "
            f"{page(address)}/tree/{address.revision}"
        ) from error
    except HfHubHTTPError as error:
        raise _refused(address, error) from error
    except FileMetadataError as error:
        raise HubError(no_hub()) from error
    except OfflineModeIsEnabled as error:
        raise UnreachableError(f"HF_HUB_OFFLINE is set: nobody is asked for {address}") from error
    except (HTTP_ERROR, LocalEntryNotFoundError) as error:
        raise UnreachableError(
            f"{endpoint()} cannot be reached for {address} ({_reason(error)}): check the network, "
            f"and HTTPS_PROXY where a proxy is needed"
        ) from error


def no_hub() -> str:
    """Say that something else answers."""
    return (
        f"what answers at {endpoint()} is not the hub: check HF_ENDPOINT, and whether the network "
        f"wants a login or a proxy first"
    )


def _gated(address: HubAddress) -> str:
    if is_logged_in():
        return (
            f"{address.repository} is gated and your account has no access yet: ask for it at "
            f"{page(address)}"
        )
    return (
        f"{address.repository} is gated: ask for access at {page(address)}, then `hf auth login`, "
        f"and run the command again"
    )


def _no_repository(address: HubAddress) -> str:
    if is_logged_in():
        who, what = "your account", "check the name"
    else:
        who, what = "the public", "check the name; a private one needs `hf auth login`"
    return f"{who} sees no repository {address.repository}: {what}: {page(address)}"


def _refused(address: HubAddress, error: HfHubHTTPError) -> HubError:
    status = error.response.status_code
    if status == _UNAUTHORISED:
        return HubError(f"the hub does not take your login for {address}: `hf auth login` anew")
    if status == _FORBIDDEN:
        return HubError(
            f"your login may not do this with {address.repository}: take a token with that right "
            f"({endpoint()}/settings/tokens), then `hf auth login`"
        )
    if status == _TOO_MANY:
        return HubError("the hub has had too many requests from here: wait some minutes")
    if status >= _SERVER:
        return UnreachableError(f"the hub answers {status} for {address}: try again later")
    return HubError(f"the hub answers {status} for {address}: {_reason(error)}")


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
