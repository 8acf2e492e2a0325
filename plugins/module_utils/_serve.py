# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Serve some files to other hosts for a while, by a process that knows nothing else.

It is a session of its own, runs as nobody in an empty root, and has but the files that it was
started with, open for reading. Who does not know the token, 128 bits of chance, is told nothing.
Its state is in a file that it holds locked for as long as it lives:

    FOLDER/server.json    its process, its port, its token and the names of its files
"""

from __future__ import annotations

import contextlib
import fcntl
import http.server
import json
import os
import secrets
import signal
import socket
import socketserver
from collections.abc import Sequence
from typing import Any, BinaryIO, NoReturn

from ansible_collections.jaulas.chroot.plugins.module_utils import _streams
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import Busy, JailError
from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record

_STATE = "server.json"
_LIMIT = 1 << 20
#: The user and group that own nothing.
_NOBODY = 65534
#: Seconds that a client may keep silent.
_PATIENCE = 60


class Server(Record):
    """A server that runs."""

    pid: int
    port: int
    token: str
    names: list[str]

    def url_path(self, name: str) -> str:
        return f"/{self.token}/{name}"


class _Handler(http.server.BaseHTTPRequestHandler):
    timeout = _PATIENCE
    server: _Listener

    def do_GET(self) -> None:
        handle = self.server.files.get(self.path)
        if handle is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(os.fstat(handle.fileno()).st_size))
        self.end_headers()
        # By its own offset: others read the same file meanwhile.
        self.connection.sendfile(handle, 0)

    def version_string(self) -> str:
        return "jaulas.chroot"

    def log_message(self, *_args: Any) -> None:
        """Nobody would read it."""


class _Listener(socketserver.ThreadingTCPServer):
    """All addresses of the host; IPv6 speaks for IPv4 as well where there is both."""

    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    allow_reuse_address = True
    request_queue_size = 128
    idle = False

    def __init__(self, port: int) -> None:
        self.files: dict[str, BinaryIO] = {}
        super().__init__(("", port), _Handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def handle_timeout(self) -> None:
        self.idle = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is its own business."""


def running(folder: str) -> Server | None:
    """The server of a folder, if it lives."""
    with contextlib.suppress(FileNotFoundError), open(f"{folder}/{_STATE}", "rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read(folder, handle.read(_LIMIT))
    return None


def _read(folder: str, raw: bytes) -> Server:
    try:
        return Server(**json.loads(raw))
    except (ValueError, TypeError):
        raise Busy(
            f"Cannot tell what serves {folder}: it is just starting.", "Run again."
        ) from None


def stop(folder: str) -> None:
    """End the server of a folder, with all that it is sending, and wait until it is gone."""
    server = running(folder)
    if server is None:
        return
    with open(f"{folder}/{_STATE}", "rb") as handle:
        # It lives as its file is locked, so this is its process and nobody else's.
        os.kill(server.pid, signal.SIGTERM)
        fcntl.flock(handle, fcntl.LOCK_EX)


def start(folder: str, names: Sequence[str], port: int, seconds: int) -> Server:
    """Serve files of a folder until nobody has asked for anything for some seconds.

    Port 0 takes one that is free.
    """
    # What was opened first is closed last at the end of a process: whoever has waited for this lock
    # finds the port free.
    with (
        open(f"{folder}/{_STATE}", "wb", buffering=0, opener=_private) as state,
        _listen(port) as listener,
    ):
        fcntl.flock(state, fcntl.LOCK_EX)
        state.truncate(0)
        token = secrets.token_hex(16)
        ready, say = os.pipe()
        if os.fork() == 0:
            server = Server(os.getpid(), listener.server_address[1], token, list(names))
            listener.timeout = seconds
            _serve(folder, listener, server, state, say)
        os.close(say)
        with open(ready, "rb") as handle:
            said = handle.read()
    started = running(folder) if said else None
    if started is None:
        raise JailError(f"Cannot serve {folder}: the server ended at once.", "Run again.")
    return started


def _listen(port: int) -> _Listener:
    try:
        return _Listener(port)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise JailError(
            f"Cannot serve images on port {port}: {reason}.", "Choose another one, or 0."
        ) from None


def _private(path: str, flags: int) -> int:
    return os.open(path, (flags & ~os.O_TRUNC) | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _serve(folder: str, listener: _Listener, server: Server, state: BinaryIO, say: int) -> NoReturn:
    """Become the server. Whatever happens, it must not run on in its caller's code."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setsid()
        _streams.close_all_but(listener.fileno(), state.fileno(), say)
        with contextlib.ExitStack() as held:
            for name in server.names:
                handle = held.enter_context(open(f"{folder}/{name}", "rb"))
                listener.files[server.url_path(name)] = handle
            state.write(json.dumps(dict(zip(server._fields, server))).encode())
            os.chroot(folder)
            os.chdir("/")
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
            os.write(say, b"ready")
            os.close(say)
            while not listener.idle:
                listener.handle_request()
            # Those who are still being served come to their end.
            listener.server_close()
    finally:
        os._exit(0)
