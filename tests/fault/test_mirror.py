# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A mirror that lies, stops or dies: never a jail, one clear sentence, nothing left."""

from __future__ import annotations

import contextlib
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from fault_runs import Host
from fault_tools import bootstrap

ENGINES = ("debootstrap", "mmdebstrap")
#: What a mirror answers for a path, given the right answer; None hangs up.
Answer = Callable[[str, bytes], "bytes | None"]


class Between(BaseHTTPRequestHandler):
    """Fetch from the good mirror and pass on what the test makes of it."""

    answer: Answer

    def do_GET(self) -> None:
        status, data = 200, b""
        try:
            with urllib.request.urlopen(f"{os.environ['ARCHIVE_URL']}{self.path}") as source:
                data = source.read()
        except urllib.error.HTTPError as error:
            error.close()
            status = error.code
        changed = type(self).answer(self.path, data)
        if changed is None:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(changed)
        if len(changed) < len(data):
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


@contextlib.contextmanager
def mirror(answer: Answer) -> Iterator[str]:
    """A mirror of the archive that answers in its own way; its URL."""
    handler = type("Mirror", (Between,), {"answer": staticmethod(answer)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def refuse(host: Host, place: Path, url: str, engine: str) -> str:
    """Bootstrap from a bad mirror: the sentence, once nothing is left of it."""
    path = place / "jails" / "jail"
    args = bootstrap(path, engine=engine, mirror=url)
    sentence = host.refused("debootstrap_jail", **args)
    # Not even the folders above it, which were made for it.
    assert not path.parent.exists()
    return sentence


@pytest.mark.parametrize(
    ("kind", "engine", "words"),
    [
        ("404", "mmdebstrap", "mirror"),
        ("garbage", "mmdebstrap", "is no Release file"),
        ("silent", "debootstrap", "mirror"),
        ("truncate", "mmdebstrap", "mirror"),
    ],
)
def test_bad_mirror(host: Host, place: Path, kind: str, engine: str, words: str) -> None:
    sentence = refuse(host, place, f"{os.environ['ARCHIVE_BASE_URL']}/{kind}", engine)
    assert words in sentence


@pytest.mark.parametrize("engine", ENGINES)
def test_one_changed_byte_in_a_package(host: Host, place: Path, engine: str) -> None:
    changed = []

    def answer(path: str, data: bytes) -> bytes:
        if "/dash_" not in path or not data:
            return data
        changed.append(path)
        middle = len(data) // 2
        return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]

    with mirror(answer) as url:
        sentence = refuse(host, place, url, engine)
    assert changed
    assert "dash" in sentence
    assert "mirror" in sentence or "archive" in sentence


@pytest.mark.parametrize("engine", ENGINES)
def test_one_changed_byte_in_the_index(host: Host, place: Path, engine: str) -> None:
    changed = []

    def answer(path: str, data: bytes) -> bytes:
        # By whatever name it is asked for (Packages, Packages.xz, by-hash/...).
        if "/binary-" not in path or not data:
            return data
        changed.append(path)
        return data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]

    with mirror(answer) as url:
        sentence = refuse(host, place, url, engine)
    assert changed
    assert "mirror" in sentence or "archive" in sentence


@pytest.mark.parametrize("engine", ENGINES)
def test_mirror_dies_on_the_way(host: Host, base: Path, place: Path, engine: str) -> None:
    status = (base / "var/lib/dpkg/status").read_text()
    # Near the end: debootstrap asks for every one that is still missing, with its patience.
    last = status.count("Status: install ok installed") - 8
    packages: list[str] = []

    def answer(path: str, data: bytes) -> bytes | None:
        packages.append(path) if path.endswith(".deb") else None
        if len(packages) < last:
            return data
        # The one that is under way is cut off; then nobody answers any more.
        return data[: len(data) // 2] if len(packages) == last else None

    with mirror(answer) as url:
        sentence = refuse(host, place, url, engine)
    assert len(packages) >= last
    assert "mirror" in sentence or "archive" in sentence
