"""A hub on this machine: enough of the Hugging Face hub's HTTP for the real huggingface_hub to download from it."""

import hashlib
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

LFS_SUFFIXES = (".safetensors", ".bin")


@dataclass
class Repository:
    """What the server gives out for one model.

    `refusal` is an X-Error-Code that every request for a file gets; `hold_back` names files that break off half way,
    `garbled` those that arrive with a wrong last byte.
    """

    files: dict[str, bytes]
    commit: str = "a" * 40
    refusal: str | None = None
    hold_back: set[str] = field(default_factory=set)
    garbled: set[str] = field(default_factory=set)


class HubServer:
    """Serves repositories by id, and remembers what was asked for."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.requests: list[str] = []
        self._server = Server(self)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def add(self, name: str, folder: Path, **more: bytes) -> Repository:
        """Serve the files of `folder` as the model `name`."""
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        self.repositories[name] = Repository(files | more)
        return self.repositories[name]

    def downloads(self) -> list[str]:
        """Return the files whose bytes were asked for."""
        return [line.rpartition("/")[2] for line in self.requests if line.startswith("GET") and "/resolve/" in line]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def entry(name: str, content: bytes) -> dict[str, object]:
    """Describe a file as the hub's tree does: git's blob id, and SHA-256 for what git LFS holds."""
    described: dict[str, object] = {"type": "file", "path": name, "size": len(content), "oid": git_id(content)}
    if name.endswith(LFS_SUFFIXES):
        described["lfs"] = {"oid": sha256(content), "size": len(content), "pointerSize": 134}
    return described


def git_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _sibling(name: str, content: bytes) -> dict[str, object]:
    sibling: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": git_id(content)}
    if name.endswith(LFS_SUFFIXES):
        sibling["lfs"] = {"sha256": sha256(content), "size": len(content), "pointerSize": 134}
    return sibling


class Server(ThreadingHTTPServer):
    """The HTTP server of a hub."""

    def __init__(self, hub: HubServer) -> None:
        self.hub = hub
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    """Answers for the hub that its server carries."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_HEAD(self) -> None:
        self.respond()

    def do_GET(self) -> None:
        self.respond()

    def respond(self) -> None:
        self.server.hub.requests.append(f"{self.command} {self.path}")
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        is_api = parts[:2] == ["api", "models"]
        if is_api:
            parts = parts[2:]
        name = "/".join(parts[:2])
        repository = self.server.hub.repositories.get(name)
        if repository is None:
            self.refuse(HTTPStatus.NOT_FOUND, "RepoNotFound")
        elif is_api:
            self.describe(name, repository, parts[2:])
        else:
            self.give(repository, revision=parts[3], file="/".join(parts[4:]))

    def describe(self, name: str, repository: Repository, parts: list[str]) -> None:
        kind, revision = parts if parts else ["revision", "main"]
        if revision not in {"main", "v1", repository.commit}:
            self.refuse(HTTPStatus.NOT_FOUND, "RevisionNotFound")
        elif kind == "tree":
            self.answer([entry(*file) for file in repository.files.items()])
        else:
            blobs = parse_qs(urlsplit(self.path).query).get("blobs")
            listed = [_sibling(*file) if blobs else {"rfilename": file[0]} for file in repository.files.items()]
            self.answer({"id": name, "sha": repository.commit, "siblings": listed, "tags": [], "downloads": 0})

    def give(self, repository: Repository, *, revision: str, file: str) -> None:
        if repository.refusal is not None:
            self.refuse(HTTPStatus.FORBIDDEN, repository.refusal)
            return
        content = repository.files[file]
        etag = sha256(content) if file.endswith(LFS_SUFFIXES) else git_id(content)
        if file in repository.garbled:
            content = content[:-1] + b"?"
        start = 0
        if asked := self.headers.get("Range"):
            start = int(asked.removeprefix("bytes=").partition("-")[0])
        self.send_response(HTTPStatus.PARTIAL_CONTENT if start else HTTPStatus.OK)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("X-Repo-Commit", repository.commit)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if self.command == "GET":
            broken = file in repository.hold_back
            repository.hold_back.discard(file)
            self.wfile.write(content[start : len(content) // 2] if broken else content[start:])
            self.close_connection = broken

    def answer(self, content: object) -> None:
        text = json.dumps(content).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(text)

    def refuse(self, status: HTTPStatus, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass
