# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import http.client
import http.server
import os
import signal
import socket
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _archive,
    _deb_proxy,
    _debs,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._bootstrap import Recipe

DEB = "/debian/pool/dash_1_amd64.deb"
DATA = os.urandom(300_000)


class Mirror(http.server.ThreadingHTTPServer):
    """A mirror, or a proxy before one, that remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages: dict[str, bytes] = {DEB: DATA, "/debian/dists/trixie/InRelease": b"Release"}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.connections = 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.released = threading.Event()

    def process_request(self, *args: object) -> None:
        self.connections += 1
        super().process_request(*args)  # type: ignore[arg-type]

    def handle_error(self, *args: object) -> None:
        """A proxy that ends with its run hangs up as it likes."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Mirror

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        self.server.headers.append(dict(self.headers.items()))
        path = urllib.parse.urlsplit(self.path)
        data = self.server.pages.get(path.path)
        if path.query == "silent":
            self.server.released.wait()
            self.close_connection = True
        elif path.query == "redirect":
            self.answer(302, b"", Location="http://elsewhere.example.org/x.deb")
        elif data is None:
            self.answer(404, b"nothing")
        elif "If-Modified-Since" in self.headers:
            self.send_response(304)
            self.send_header("ETag", "x")
            self.end_headers()
        elif "Range" in self.headers:
            self.answer(206, data[5:9], **{"Content-Range": f"bytes 5-8/{len(data)}"})
        elif path.query == "chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data))
        elif path.query == "hangup":
            # The answer ends and so does the connection, without a word.
            self.answer(200, data)
            self.close_connection = True
        elif path.path in self.server.pages and path.path.endswith("_cut.deb"):
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[:1000])
            self.close_connection = True
        else:
            self.answer(200, data)

    do_HEAD = do_GET  # noqa: N815

    def answer(self, status: int, data: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "jaulas" / "debs"
    monkeypatch.setattr(_debs, "FOLDER", str(path))
    monkeypatch.setattr(_debs, "SPARE", 0)
    return path


@pytest.fixture
def mirror(folder: Path) -> Iterator[Mirror]:
    with Mirror() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


class Answer:
    def __init__(self, raw: http.client.HTTPResponse) -> None:
        self.status = raw.status
        self.headers = raw.headers
        self.data = raw.read()


class Client:
    """An engine: one connection to the proxy that its environment names."""

    def __init__(self, url: str) -> None:
        self.url = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.url.port or 0, timeout=30)

    def get(self, url: str, method: str = "GET", **headers: str) -> Answer:
        words = _deb_proxy._basic(self.url.username or "", self.url.password or "")
        headers = {"Proxy-Authorization": words, **headers}
        self.connection.request(method, url, headers=headers)
        return Answer(self.connection.getresponse())


@contextlib.contextmanager
def run(recipe: Recipe | None = None) -> Iterator[Client]:
    """A bootstrap that ends well if the block does."""
    recipe = recipe or Recipe("trixie", "amd64")
    with contextlib.ExitStack() as held:
        client = Client(held.enter_context(_deb_proxy.proxies(recipe))["http_proxy"])
        held.callback(client.connection.close)
        yield client


def test_a_package_is_fetched_once(mirror: Mirror) -> None:
    for _round in range(3):
        with run() as client:
            answer = client.get(f"{mirror.url}{DEB}")
            assert (answer.status, answer.data) == (200, DATA)
    assert mirror.asked == [f"GET {DEB}"]


def test_of_all_else_nothing_is_kept(mirror: Mirror, folder: Path) -> None:
    url = f"{mirror.url}/debian/dists/trixie/InRelease"
    for _round in range(2):
        with run() as client:
            assert client.get(url).data == b"Release"
            assert client.get(f"{mirror.url}{DEB}", "HEAD").headers["Content-Length"] == "300000"
            assert client.get(f"{mirror.url}{DEB}?query").data == DATA
            assert client.get(f"{mirror.url}/debian/no.deb").status == 404
            assert client.get(f"{mirror.url}{DEB}", Range="bytes=5-8").data == DATA[5:9]
            date = {"If-Modified-Since": "Sat, 14 Mar 2026 09:14:31 UTC"}
            assert client.get(f"{mirror.url}{DEB}", **date).status == 304
    assert len(mirror.asked) == 12
    assert list(folder.iterdir()) == []


def test_what_passes_is_what_was_said(mirror: Mirror) -> None:
    with run() as client:
        answer = client.get(f"{mirror.url}{DEB}?redirect", Accept="x/y")
    assert (answer.status, answer.headers["Location"]) == (
        302,
        "http://elsewhere.example.org/x.deb",
    )
    assert mirror.asked == [f"GET {DEB}?redirect"]
    (headers,) = mirror.headers
    assert headers["Accept"] == "x/y"
    assert headers["Host"] == mirror.url[len("http://") :]
    assert "Proxy-Authorization" not in headers


@pytest.mark.parametrize("query", ["", "chunked", "hangup"])
def test_many_answers_on_one_connection(mirror: Mirror, query: str) -> None:
    with run() as client:
        for _round in range(5):
            assert client.get(f"{mirror.url}{DEB}?{query}").data == DATA
    assert mirror.connections == (5 if query == "hangup" else 1)


def test_requests_in_a_row_are_answered_in_order(mirror: Mirror) -> None:
    names = [f"/debian/pool/{number}.deb" for number in range(9)]
    mirror.pages.update((name, name.encode() * 9999) for name in names)
    with run() as client:
        # One of them is kept, the others have to be fetched.
        client.get(f"{mirror.url}{names[4]}")
    with run() as client, socket.create_connection(("127.0.0.1", client.url.port or 0)) as stream:
        words = _deb_proxy._basic(client.url.username or "", client.url.password or "")
        ask = "GET {} HTTP/1.1\r\nHost: m\r\nProxy-Authorization: {}\r\n\r\n"
        stream.sendall("".join(ask.format(mirror.url + name, words) for name in names).encode())
        with stream.makefile("rb") as answers:
            for name in names:
                assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
                headers = http.client.parse_headers(answers)
                assert answers.read(int(headers["Content-Length"])) == mirror.pages[name]


def fail(mirror: Mirror) -> None:
    with run() as client:
        assert client.get(f"{mirror.url}{DEB}").data == DATA
        raise ValueError("the engine failed")


def test_a_run_that_fails_leaves_nothing_of_what_it_got(mirror: Mirror, folder: Path) -> None:
    for _round in range(2):
        with pytest.raises(ValueError, match="the engine failed"):
            fail(mirror)
        assert list(folder.iterdir()) == []
    with run() as client:
        client.get(f"{mirror.url}{DEB}")
    with pytest.raises(ValueError, match="the engine failed"):
        fail(mirror)
    assert list(folder.iterdir()) == []
    assert len(mirror.asked) == 3


def test_who_asks_again_gets_what_the_mirror_has(mirror: Mirror) -> None:
    with run() as client:
        client.get(f"{mirror.url}{DEB}")
    mirror.pages[DEB] = b"another"
    with run() as client:
        assert client.get(f"{mirror.url}{DEB}").data == DATA
        assert client.get(f"{mirror.url}{DEB}").data == b"another"
    with run() as client:
        assert client.get(f"{mirror.url}{DEB}").data == b"another"


def test_an_answer_that_ends_too_early_ends_too_early(mirror: Mirror, folder: Path) -> None:
    mirror.pages["/debian/x_cut.deb"] = DATA
    with run() as client:
        with pytest.raises(http.client.IncompleteRead):
            client.get(f"{mirror.url}/debian/x_cut.deb")
        client.connection.close()
        assert client.get(f"{mirror.url}{DEB}").data == DATA
    assert len(list(folder.iterdir())) == 1


def test_a_mirror_that_is_silent_or_away(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_archive, "TIMEOUT", 2)
    with run() as client:
        assert client.get(f"{mirror.url}{DEB}?silent").status == 502
        assert client.get("http://127.0.0.1:1/x.deb").status == 502
        assert client.get(f"{mirror.url}{DEB}").status == 200


@pytest.mark.parametrize("words", ["", "Basic amF1bGFzOng=", "Basic ü"])
def test_nobody_else_is_answered(mirror: Mirror, words: str) -> None:
    with run() as client:
        client.get(f"{mirror.url}{DEB}")
    with run() as client:
        for method in ("GET", "HEAD"):
            headers = {"Proxy-Authorization": words.encode().decode("latin-1")}
            answer = client.get(f"{mirror.url}{DEB}", method, **headers)
            assert answer.status == 407
            assert DATA[:99] not in answer.data
    assert len(mirror.asked) == 1


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [
        ("POST", "http://m/x.deb", 501),
        ("CONNECT", "m:443", 501),
        ("GET", "/etc/passwd", 400),
        ("GET", "file:///etc/passwd", 400),
        ("GET", "https://m/x.deb", 400),
        ("GET", "http:///x.deb", 400),
    ],
)
def test_it_does_nothing_else(mirror: Mirror, method: str, url: str, status: int) -> None:
    with run() as client:
        assert client.get(url, method).status == status


def test_the_users_own_proxy_comes_after_it(mirror: Mirror) -> None:
    proxy = f"http://me:pass%20word@{mirror.url[len('http://') :]}"
    for _round in range(2):
        with run(Recipe("trixie", "amd64", http_proxy=proxy)) as client:
            assert client.get(f"http://far.example.org{DEB}").data == DATA
    assert mirror.asked == [f"GET http://far.example.org{DEB}"]
    assert mirror.headers[0]["Host"] == "far.example.org"
    assert mirror.headers[0]["Proxy-Authorization"] == _deb_proxy._basic("me", "pass word")


def test_the_users_own_proxy_stays_for_https(mirror: Mirror) -> None:
    with _deb_proxy.proxies(Recipe("trixie", "amd64", http_proxy="proxy:3128")) as env:
        assert env["https_proxy"] == "proxy:3128"
        assert env["http_proxy"].startswith("http://jaulas:")
    with _deb_proxy.proxies(Recipe("trixie", "amd64")) as env:
        assert list(env) == ["http_proxy"]


@pytest.mark.parametrize(
    ("changes", "of_use"),
    [
        ({}, True),
        ({"mirror": "http://m/debian"}, True),
        ({"mirror": "https://m/debian"}, False),
        ({"mirror": "file:///srv/mirror"}, False),
        ({"deb_cache": False}, False),
        ({"http_proxy": "proxy:3128"}, True),
        ({"http_proxy": "http://proxy:3128"}, True),
        ({"http_proxy": "https://proxy:3128"}, False),
        ({"http_proxy": "socks5h://proxy:1080"}, False),
    ],
)
def test_when_it_is_of_use(folder: Path, changes: dict[str, object], of_use: bool) -> None:
    recipe = Recipe("trixie", "amd64")._replace(**changes)
    assert _deb_proxy.is_of_use(recipe) == of_use
    theirs = recipe.http_proxy
    with _deb_proxy.proxies(recipe) as env:
        assert ("127.0.0.1" in env.get("http_proxy", "")) == of_use
        assert of_use or env == ({"http_proxy": theirs, "https_proxy": theirs} if theirs else {})
    assert folder.exists() == of_use


def test_a_proxy_that_is_no_url_is_the_engines_to_tell(folder: Path) -> None:
    with _deb_proxy.proxies(Recipe("trixie", "amd64", http_proxy="http://[")) as env:
        assert env["http_proxy"] == "http://["
    assert list(folder.iterdir()) == []


def test_without_a_folder_it_does_without(folder: Path) -> None:
    folder.parent.write_text("in the way")
    with _deb_proxy.proxies(Recipe("trixie", "amd64")) as env:
        assert env == {}


def test_it_ends_with_the_block(folder: Path) -> None:
    with run() as client:
        port = client.url.port or 0
        socket.create_connection(("127.0.0.1", port)).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_it_ends_with_its_caller_however_that_ends(folder: Path) -> None:
    heard, told = os.pipe()
    caller = os.fork()
    if caller == 0:
        with run() as client:
            os.write(told, f"{client.url.port}\n".encode())
            signal.pause()
        os._exit(0)
    os.close(told)
    with open(heard, "rb") as report:
        port = int(report.readline())
        socket.create_connection(("127.0.0.1", port)).close()
        os.kill(caller, signal.SIGKILL)
        os.waitpid(caller, 0)
        # The end of the pipe is the end of the last who had it.
        assert report.read() == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
