"""Names of files and repositories on the hub: hf://ORG/REPO/FILE@REVISION."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from sam3_ros.core.errors import HubError

SCHEME = "hf://"
#: What a repository shows where no revision is named.
DEFAULT_REVISION = "main"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_FILE = re.compile(r"[^\x00-\x1f\x7f\\:*?\"<>|@]{1,500}")
# A branch, a tag, a commit, or what the hub calls a pull request: refs/pr/3.
_REVISION = re.compile(r"[\w.-][\w./-]{0,199}", re.ASCII)
_OTHER_KINDS = ("datasets", "spaces", "models", "kernels", "buckets")
_FORM = f"{SCHEME}ORG/REPO/FILE or {SCHEME}ORG/REPO/FILE@REVISION"


@dataclass(frozen=True)
class HubAddress:
    """A file of a model repository, or the whole of one."""

    #: ORG/REPO.
    repository: str
    #: Relative to the repository, with forward slashes; empty for the whole repository.
    file: str = ""
    #: A branch, a tag or a commit.
    revision: str = DEFAULT_REVISION

    def __str__(self) -> str:
        """Return the address as it is written on a command line."""
        path = f"/{self.file}" if self.file else ""
        at = f"@{self.revision}" if self.revision != DEFAULT_REVISION else ""
        return f"{SCHEME}{self.repository}{path}{at}"

    @property
    def name(self) -> str:
        """The file's own name; the repository's where no file is named."""
        return (self.file or self.repository).rpartition("/")[2]

    def sibling(self, name: str) -> HubAddress:
        """Return the address of a file in the same folder, at the same revision."""
        folder, slash, _ = self.file.rpartition("/")
        return replace(self, file=f"{folder}{slash}{name}")

    def at(self, revision: str) -> HubAddress:
        """Return the same at another revision."""
        return replace(self, revision=revision)


def is_address(text: str) -> bool:
    """Return whether a text means the hub and no path."""
    return text.lower().startswith(SCHEME)


def parsed_address(text: str) -> HubAddress:
    """Read an address; the revision may also stand behind the repository, as the hub writes it.

    Raises HubError that says what is wrong.
    """
    rest = text[len(SCHEME) :] if is_address(text) else text
    rest, separator, revision = rest.partition("@")
    parts = rest.split("/")
    if separator and len(parts) == 2:  # hf://ORG/REPO@REVISION/FILE, or without a file
        revision, file = _split_revision(revision)
        parts += file.split("/") if file else []
    if parts[0] in _OTHER_KINDS:
        raise HubError(f"{text} is no repository of a model: expected {_FORM}")
    if len(parts) < 2 or not all(map(_is_name, parts[:2])):
        raise HubError(f"{text} names no repository: expected {_FORM}")
    file = "/".join(parts[2:])
    if len(parts) > 2 and not is_plain_path(file):
        raise HubError(f"{text} names no file of a repository: expected {_FORM}")
    if separator and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise HubError(f"{text} names no revision behind @: a branch, a tag or a commit")
    return HubAddress("/".join(parts[:2]), file, revision or DEFAULT_REVISION)


def is_plain_path(path: str) -> bool:
    """Return whether a path stays below the folder that it is relative to, on any system."""
    steps = path.split("/")
    return _FILE.fullmatch(path) is not None and not {"", ".", ".."}.intersection(steps)


def _split_revision(text: str) -> tuple[str, str]:
    """Return the revision and the file behind it; those of pull requests have slashes."""
    steps = text.split("/")
    count = 3 if steps[0] == "refs" else 1
    return "/".join(steps[:count]), "/".join(steps[count:])


def _is_name(part: str) -> bool:
    return _NAME.fullmatch(part) is not None and ".." not in part and "--" not in part
