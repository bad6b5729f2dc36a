"""A hub of the tests' own: an HTTP server that speaks what huggingface_hub asks, with faults.

Large files are kept as the real hub keeps them: the answer to HEAD carries sum, size and commit and
leads to another origin (`localhost`, where the hub itself is 127.0.0.1), which serves ranges.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

TOKEN, READER = "hf_writer", "hf_reader"
#: Larger files are kept apart, as by Git LFS.
SMALL = 600
_RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
_INFO = re.compile(r"/api/models/([^/]+/[^/]+?)(?:/revision/(.+))?")
_PREUPLOAD = re.compile(r"/api/models/([^/]+/[^/]+)/preupload/(.+)")
_COMMIT = re.compile(r"/api/models/([^/]+/[^/]+)/commit/(.+)")
_BATCH = re.compile(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch")


@dataclass
class HubRepository:
    """A repository with one version of its files."""

    files: dict[str, bytes] = field(default_factory=dict)
    commit: str = "1" * 40
    gated: bool = False
    private: bool = False

    def revisions(self) -> set[str]:
        """Return what names its only version."""
        return {"main", "v1", self.commit}


@dataclass(frozen=True)
class HubRequest:
    """A request that came."""

    method: str
    path: str
    range: str | None
    authorised: bool


@dataclass
class LocalHub:
    """What the server knows, and how it misbehaves."""

    url: str = ""
    #: Of the origin of large files.
    storage: str = ""
    repositories: dict[str, HubRepository] = field(default_factory=dict)
    requests: list[HubRequest] = field(default_factory=list)
    #: For each coming answer with a large file: bytes after which the connection is cut.
    cuts: list[int] = field(default_factory=list)
    #: Served in place of the content with this sha256.
    swapped: dict[str, bytes] = field(default_factory=dict)
    #: Sent in place of every answer, if set.
    status: int = 0
    #: Whether answers to HEAD lack what only the hub sends.
    is_another_site: bool = False
    #: Content by sha256.
    stored: dict[str, bytes] = field(default_factory=dict)

    def add(self, repository: str, files: dict[str, bytes], **kind: bool) -> HubRepository:
        """Make a repository."""
        self.repositories[repository] = HubRepository(dict(files), **kind)
        self.stored |= {sha256(content): content for content in files.values()}
        return self.repositories[repository]

    def asked(self, method: str, part: str) -> list[HubRequest]:
        """Return the requests with a part in their path."""
        return [each for each in self.requests if each.method == method and part in each.path]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git_sum(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@contextmanager
def running_hub() -> Iterator[LocalHub]:
    """Run a hub in a thread, at a port that the system chose."""
    hub = LocalHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    hub.storage = f"http://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def hub_environment(hub: LocalHub, home: Path) -> dict[str, str]:
    """Return what makes a process ask this hub and keep its files below `home`."""
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_OFFLINE": "0",
        "NO_PROXY": "*",
    }


def ask_here(hub: LocalHub, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process ask the hub, without a login; the client read its environment long ago."""
    from huggingface_hub import constants

    from sam3_ros.hub import download

    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    for name, value in {
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": template,
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_TOKEN_PATH": str(home / "token"),
        "HF_STORED_TOKENS_PATH": str(home / "stored_tokens"),
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_DISABLE_TELEMETRY": True,
        "HF_HUB_OFFLINE": False,
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setattr(download, "WAITS", (0.0, 0.0))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: LocalHub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        url = urlsplit(self.path)
        self.route, self.query = unquote(url.path), parse_qs(url.query)
        self.token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        self.hub.requests.append(
            HubRequest(self.command, self.route, self.headers.get("Range"), bool(self.token))
        )
        if self.hub.status:
            self._send(self.hub.status)
            return
        for form, answer in (
            (_RESOLVE, self._resolve),
            (_PREUPLOAD, self._preupload),
            (_COMMIT, self._commit),
            (_INFO, self._info),
            (_BATCH, self._batch),
        ):
            if found := form.fullmatch(self.route):
                answer(*found.groups())
                return
        self._other()

    def _other(self) -> None:
        if self.route.startswith("/storage/"):
            self._stored(self.route.rpartition("/")[2])
        elif self.route.startswith("/upload/"):
            self.hub.stored[sha256(self.body)] = self.body
            self._send(200)
        elif self.route == "/api/repos/create":
            self._create()
        elif self.route == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        else:
            self._send(404)

    def _seen(self, repository: str, revision: str) -> HubRepository | None:
        """Return a repository that may be seen; else the answer is sent."""
        found = self.hub.repositories.get(repository)
        if found is None or (found.private and not self.token):
            self._refuse(404 if self.token else 401, "RepoNotFound")
        elif found.gated:
            self._refuse(403 if self.token else 401, "GatedRepo")
        elif revision not in found.revisions():
            self._refuse(404, "RevisionNotFound")
        else:
            return found
        return None

    def _resolve(self, repository: str, revision: str, name: str) -> None:
        found = self._seen(repository, revision)
        if found is None:
            return
        if name not in found.files:
            self._refuse(404, "EntryNotFound", {"X-Repo-Commit": found.commit})
            return
        content = found.files[name]
        headers = {} if self.hub.is_another_site else {"X-Repo-Commit": found.commit}
        if len(content) <= SMALL:
            self._send(200, content, {**headers, "ETag": f'"{git_sum(content)}"'})
            return
        linked = {
            "X-Linked-Etag": f'"{sha256(content)}"',
            "X-Linked-Size": str(len(content)),
            "Location": f"{self.hub.storage}/storage/{sha256(content)}",
        }
        self._send(302, b"", {**headers, **linked})

    def _stored(self, name: str) -> None:
        content = self.hub.swapped.get(name, self.hub.stored[name])
        status, headers, begin = 200, {"Accept-Ranges": "bytes"}, 0
        if asked := self.headers.get("Range"):
            begin = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            status = 206
        if not self.hub.cuts:
            self._send(status, content[begin:], headers)
            return
        self._begin(status, len(content) - begin, headers)
        self.wfile.write(content[begin : begin + self.hub.cuts.pop(0)])
        self.wfile.flush()
        self.close_connection = True

    def _info(self, repository: str, revision: str | None) -> None:
        found = self._seen(repository, revision or "main")
        if found is None:
            return
        if self.hub.is_another_site:
            self._send(200, b"<html>Welcome to our guest network</html>")
            return
        siblings = []
        for name, content in found.files.items():
            entry = {"rfilename": name, "size": len(content), "blobId": git_sum(content)}
            if len(content) > SMALL:
                entry["lfs"] = {"sha256": sha256(content), "size": len(content), "pointerSize": 130}
            siblings.append(entry)
        self._json({"id": repository, "sha": found.commit, "siblings": siblings})

    def _may_write(self) -> bool:
        if not self.token:
            self._refuse(401, "", message="Invalid username or password.")
        elif self.token != TOKEN:
            self._refuse(403, "", message="You don't have the rights to do this")
        return self.token == TOKEN

    def _create(self) -> None:
        if not self._may_write():
            return
        asked = json.loads(self.body)
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.hub.repositories:
            self._send(409, b'{"error": "You already created this model repo"}')
            return
        private = asked.get("private") or asked.get("visibility") == "private"
        self.hub.add(name, {}).private = bool(private)
        self._json({"url": f"{self.hub.url}/{name}"})

    def _preupload(self, repository: str, revision: str) -> None:
        if self._seen(repository, revision) is None or not self._may_write():
            return
        files = [
            {
                "path": each["path"],
                "uploadMode": "lfs" if each["size"] > SMALL else "regular",
                "shouldIgnore": False,
            }
            for each in json.loads(self.body)["files"]
        ]
        self._json({"files": files})

    def _batch(self, repository: str) -> None:
        if self._seen(repository, "main") is None or not self._may_write():
            return
        objects = [
            {
                **each,
                "actions": {"upload": {"href": f"{self.hub.storage}/upload/{each['oid']}"}},
            }
            for each in json.loads(self.body)["objects"]
        ]
        self._json({"transfer": "basic", "objects": objects})

    def _commit(self, repository: str, revision: str) -> None:
        found = self._seen(repository, revision)
        if found is None or not self._may_write():
            return
        for line in self.body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                content = base64.b64decode(value["content"])
                self.hub.stored[sha256(content)] = found.files[value["path"]] = content
            elif entry["key"] == "lfsFile":
                found.files[value["path"]] = self.hub.stored[value["oid"]]
        found.commit = "2" * 40
        self._json({"commitUrl": f"{self.hub.url}/{repository}", "commitOid": found.commit})

    def _refuse(
        self, status: int, code: str, headers: dict[str, str] | None = None, message: str = ""
    ) -> None:
        found = {"X-Error-Message": message or code, **(headers or {})}
        self._send(status, b"", found | ({"X-Error-Code": code} if code else {}))

    def _json(self, document: object) -> None:
        self._send(200, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def _send(
        self, status: int, content: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        self._begin(status, len(content), headers or {})
        if self.command != "HEAD":
            self.wfile.write(content)

    def _begin(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
