"""A Hub of our own on this machine: the few answers that its library asks for, and faults on demand."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class FakeHub:
    """Repositories as {name: {path: content}}, and what was asked for."""

    repositories: Mapping[str, Mapping[str, bytes]]
    gated: frozenset[str] = frozenset()
    token_that_may: str = ""
    cut_short: set[str] = field(default_factory=set)
    """Paths of files that break off in the middle."""
    url: str = ""
    fetched: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    asked: int = 0


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    """The Hub at `hub.url` while this lasts."""

    class Handler(_Handler):
        of = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    of: FakeHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, with_body: bool) -> None:
        self.of.asked += 1
        self.of.tokens.add(self.headers.get("authorization", ""))
        parts = urlsplit(self.path).path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self._about("/".join(parts[2:4]), parts[4:])
        else:
            self._file("/".join(parts[:2]), "/".join(parts[4:]), with_body)

    def _about(self, repository: str, rest: list[str]) -> None:
        files = self.of.repositories.get(repository)
        if files is None:
            self._refuse(401, "RepoNotFound")
        elif rest[:1] == ["tree"]:
            self._send(json.dumps([_entry(path, content) for path, content in files.items()]).encode())
        else:
            siblings = [{"rfilename": path, "size": len(content)} for path, content in files.items()]
            about = {"id": repository, "sha": COMMIT, "siblings": siblings}
            self._send(json.dumps(about).encode())

    def _file(self, repository: str, path: str, with_body: bool) -> None:
        if repository in self.of.gated:
            token = self.headers.get("authorization", "").removeprefix("Bearer ")
            if token != self.of.token_that_may:
                self._refuse(403 if token else 401, "GatedRepo")
                return
        content = self.of.repositories[repository][path]
        if with_body:
            self.of.fetched.append(path)
        self._send(content, with_body, _sha(content), is_cut=path in self.of.cut_short)

    def _send(self, content: bytes, with_body: bool = True, tag: str = "", is_cut: bool = False) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{tag}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if with_body:
            self.wfile.write(content[: len(content) // 2] if is_cut else content)
        if is_cut:
            self.close_connection = True

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _entry(path: str, content: bytes) -> Mapping[str, object]:
    return {"type": "file", "path": path, "size": len(content), "oid": _sha(content)}


def _sha(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
