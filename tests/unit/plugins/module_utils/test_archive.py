# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import calendar
import contextlib
import http.server
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _archive
from ansible_collections.jaulas.chroot.plugins.module_utils._archive import Request
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError

RELEASE = """Origin: Canaima
Suite: stable
Codename: kerepakupai
Date: Sat, 14 Mar 2026 09:14:31 UTC
Valid-Until: Sat, 21 Mar 2026 09:14:31 UTC
Architectures: amd64 i386
Components: main updates/contrib
"""
FIELDS = {
    "suite": "stable",
    "codename": "kerepakupai",
    "valid_until": "Sat, 21 Mar 2026 09:14:31 UTC",
    "architectures": "amd64 i386",
    "components": "main updates/contrib",
}
BEFORE = calendar.timegm((2026, 3, 21, 9, 14, 30))
AFTER = BEFORE + 2


def request(mirror: str = "http://m/debian", **changes: object) -> Request:
    values = {"suite": "kerepakupai", "arch": "amd64", "components": ("main",), **changes}
    # The values are whatever a test changes.
    return Request(mirror, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "fields", "now"),
    [
        ({}, FIELDS, BEFORE),
        ({"suite": "stable"}, FIELDS, BEFORE),
        ({"suite": "kerepakupai/updates"}, FIELDS, BEFORE),
        ({"components": ("main", "contrib")}, FIELDS, BEFORE),
        ({"check_valid_until": False}, FIELDS, AFTER),
        ({}, {}, AFTER),
        ({"components": ("any",)}, {"codename": "kerepakupai"}, AFTER),
        ({}, {"codename": "kerepakupai", "valid_until": "some day"}, AFTER),
    ],
)
def test_judge_lets_pass(changes: dict[str, object], fields: dict[str, str], now: float) -> None:
    _archive.judge(request(**changes), fields, now)


@pytest.mark.parametrize(
    ("changes", "now", "said"),
    [
        ({"suite": "trixie"}, BEFORE, "calls itself kerepakupai / stable"),
        ({"arch": "arm64"}, BEFORE, "no architecture arm64, only amd64 i386"),
        ({"components": ("main", "non-free")}, BEFORE, "no component non-free, only main"),
        ({}, AFTER, "expired on Sat, 21 Mar 2026"),
    ],
)
def test_judge_stops(changes: dict[str, object], now: float, said: str) -> None:
    with pytest.raises(JailError, match=said):
        _archive.judge(request(**changes), FIELDS, now)


def test_a_date_that_no_calendar_has_is_no_crash() -> None:
    fields = {"codename": "kerepakupai", "valid_until": "Sat, 99 Mar 999999 99:99:99 UTC"}
    with contextlib.suppress(JailError):
        _archive.judge(request(), fields, AFTER)


Serve = Callable[[dict[str, object]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A mirror: a table of paths to a text, or to the number of an error."""
    servers = []

    def start(pages: dict[str, object]) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = pages.get(self.path, 404)
                self.send_response(page if isinstance(page, int) else 200)
                self.end_headers()
                if isinstance(page, str):
                    self.wfile.write(page.encode("latin-1"))

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


BASE = "/debian/dists/kerepakupai"


@pytest.mark.parametrize("name", ["InRelease", "Release"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_fetch_either_name(serve: Serve, name: str, slash: str) -> None:
    mirror = serve({f"{BASE}/{name}": RELEASE})
    fields = _archive.fetch_release(request(f"{mirror}/debian{slash}"))
    assert fields["codename"] == "kerepakupai"


def test_fetch_prefers_the_signed_one(serve: Serve) -> None:
    mirror = serve({f"{BASE}/InRelease": RELEASE, f"{BASE}/Release": "Suite: other\n"})
    assert _archive.fetch_release(request(f"{mirror}/debian"))["suite"] == "stable"


@pytest.mark.parametrize(
    ("pages", "said"),
    [
        ({}, "Release answers 404 Not Found"),
        ({f"{BASE}/InRelease": 500}, "InRelease answers 500"),
        ({f"{BASE}/InRelease": 403, f"{BASE}/Release": 403}, "Release answers 403"),
        ({f"{BASE}/InRelease": "<html>log in</html>"}, "no Release file"),
        ({f"{BASE}/InRelease": "\xff\xfe\x00" * 99}, "no Release file"),
        ({f"{BASE}/InRelease": ""}, "no Release file"),
    ],
)
def test_fetch_stops(serve: Serve, pages: dict[str, object], said: str) -> None:
    mirror = serve(pages)
    with pytest.raises(JailError, match=said) as caught:
        _archive.fetch_release(request(f"{mirror}/debian"))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("pages", "asked"),
    [
        ({f"{BASE}/InRelease": RELEASE}, ["InRelease"]),
        ({}, ["InRelease", "Release"]),
        ({f"{BASE}/InRelease": 503}, ["InRelease"]),
    ],
    ids=["there", "missing", "broken"],
)
def test_a_digest_is_asked_for_once(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, pages: dict[str, object], asked: list[str]
) -> None:
    get, seen = _archive._get, []

    def counting(url: str, proxy: str | None) -> str:
        seen.append(url.rpartition("/")[2])
        return get(url, proxy)

    monkeypatch.setattr(_archive, "_get", counting)
    address = f"{serve(pages)}{BASE}"
    digests = {_archive.release_digest(address) for _again in range(3)}
    assert (len(digests), digests == {None}) == (1, asked != ["InRelease"] or 503 in pages.values())
    assert seen == asked


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_nobody_listens() -> None:
    with pytest.raises(JailError, match="Connection refused"):
        _archive.fetch_release(request(f"http://127.0.0.1:{closed_port()}/debian"))


@pytest.mark.parametrize("words", [b"220 smtp ready\r\n", b"", b"HTTP/1.1 200 OK\r\nX"])
def test_a_server_of_another_kind(words: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _address = server.accept()
            connection.recv(4096)
            connection.sendall(words)
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        port = server.getsockname()[1]
        with pytest.raises(JailError):
            _archive.fetch_release(request(f"http://127.0.0.1:{port}/debian"))
        thread.join()


@pytest.mark.parametrize("mirror", ["http://[bad/debian", "http://", "http://127.0.0.1:x/debian"])
def test_an_address_that_is_none(mirror: str) -> None:
    with pytest.raises(JailError, match="gives no answer"):
        _archive.fetch_release(request(mirror))


def test_the_proxy_is_asked(serve: Serve) -> None:
    proxy = serve({"http://mirror.invalid/debian/dists/kerepakupai/InRelease": RELEASE})
    fields = _archive.fetch_release(request("http://mirror.invalid/debian", proxy=proxy))
    assert fields["codename"] == "kerepakupai"


def test_a_silent_mirror_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_archive, "TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        mirror = f"http://127.0.0.1:{server.getsockname()[1]}/debian"
        with pytest.raises(JailError, match="timed out"):
            _archive.fetch_release(request(mirror))
