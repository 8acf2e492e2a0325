# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A proxy on loopback that lives while an engine runs, and fetches no package twice.

It answers requests for packages from the cache (`_debs`) and passes on everything else, redirects
and errors included. It decides nothing about what is right: that is the engine's, as ever.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import http.client
import os
import secrets
import signal
import socketserver
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import NoReturn

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _archive,
    _debs,
    _libc,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._bootstrap import Recipe

_CHUNK = 1 << 16
_KEEP, _FORGET = b"k", b"f"
#: Headers that are about one connection and not about what is asked for (RFC 9110, 7.6.1).
_OWN = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
#: A request with one of these is not for the whole file.
_PARTIAL = ("Range", "If-Range", "If-Modified-Since", "If-None-Match")


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def is_of_use(recipe: Recipe) -> bool:
    """Tell whether a bootstrap's packages can come through here: by plain HTTP, that is.

    What is fetched by https is nobody's to look into. The engines' default mirrors are http.
    """
    mirror, proxy = recipe.mirror or "http://", recipe.http_proxy or ""
    plain = proxy.startswith("http://") or "://" not in proxy
    return recipe.deb_cache and mirror.startswith("http://") and plain


@contextlib.contextmanager
def proxies(recipe: Recipe) -> Iterator[dict[str, str]]:
    """The variables that tell an engine its proxies; ours is among them while the block runs.

    When the block fails, what the engine got in it is forgotten.
    """
    theirs = recipe.http_proxy
    env = {"http_proxy": theirs, "https_proxy": theirs} if theirs else {}
    store = _debs.open_store() if is_of_use(recipe) else None
    if store is None:
        yield env
        return
    try:
        server = _Server(store, theirs)
    except (OSError, ValueError):
        # A network namespace whose loopback is down; a proxy that is no URL, which is the
        # engine's to tell.
        store.forget()
        yield env
        return
    verdict, child = _start(server)
    said = _FORGET
    try:
        yield {**env, "http_proxy": server.url}
        said = _KEEP
    finally:
        with contextlib.suppress(BrokenPipeError):
            os.write(verdict, said)
        os.close(verdict)
        os.waitpid(child, 0)


def _start(server: _Server) -> tuple[int, int]:
    """Fork the proxy: a descriptor to write the verdict to, and the child.

    A process and not a thread, as we fork for the engine, and would leave its locks in any state.
    """
    caller = os.getpid()
    heard, verdict = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(verdict)
        _serve(server, caller, heard)
    os.close(heard)
    server.server_close()
    return verdict, child


def _serve(server: _Server, caller: int, heard: int) -> NoReturn:
    # Whatever happens, it must not run on in its caller's code.
    try:
        _libc.die_with_parent()
        # A caller that is interrupted at the terminal still has a verdict to tell.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if os.getppid() == caller:
            nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            for standard in range(3):
                os.dup2(nothing, standard)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            accepted = os.read(heard, 1) == _KEEP
            # Whoever still asks has outlived the engine, and ends with us.
            if accepted:
                server.store.keep()
            else:
                server.store.forget()
    finally:
        os._exit(0)


class _Server(socketserver.ThreadingTCPServer):
    """It listens from the start, so that nobody has to wait for it.

    Every user of the host can reach the port. The password is what keeps them out: only the
    engine's environment has it, and it is worth nothing after the run. Without it nobody gets at
    files of a mirror or through a proxy that want passwords themselves, or fills the cache.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, store: _debs.Store, upstream: str | None) -> None:
        self.upstream = None
        if upstream:
            # As the engines take it: the scheme may be left out.
            whole = upstream if "://" in upstream else f"http://{upstream}"
            self.upstream = urllib.parse.urlsplit(whole)
        super().__init__(("127.0.0.1", 0), _Handler)
        self.store = store
        user, password = "jaulas", secrets.token_hex(16)
        self.credentials = _basic(user, password)
        self.url = f"http://{user}:{password}@127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet: a client that is gone is no error of anybody's."""


class _Handler(BaseHTTPRequestHandler):
    """One connection of an engine's: apt asks for everything on it, wget for one file."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    #: Seconds that an engine may pause on a connection; apt opens another when it is closed.
    timeout = 60
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._address: tuple[str, int] | None = None
        self._connection: http.client.HTTPConnection | None = None

    def finish(self) -> None:
        super().finish()
        self._hang_up()

    def do_GET(self) -> None:
        given = self.headers.get("Proxy-Authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, self.server.credentials.encode("ascii")):
            self.send_error(407)
            return
        url = urllib.parse.urlsplit(self.path)
        if url.scheme != "http" or not url.hostname:
            self.send_error(400)
            return
        whole = self.command == "GET" and not any(name in self.headers for name in _PARTIAL)
        is_package = whole and self.path.endswith((".deb", ".udeb"))
        kept = self.server.store.find(self.path) if is_package else None
        if kept:
            with kept:
                self.send_response_only(200)
                self.send_header("Content-Length", str(os.fstat(kept.fileno()).st_size))
                self.end_headers()
                self.connection.sendfile(kept)
            return
        try:
            answer = self._ask(url)
        except (OSError, http.client.HTTPException) as error:
            self._hang_up()
            self.send_error(502, _words(error))
            return
        size = answer.length
        takes = is_package and answer.status == 200 and size is not None
        download = self.server.store.take(self.path, size or 0) if takes else None
        try:
            self._pass_on(answer, size, download)
        except (OSError, http.client.HTTPException):
            # The engine sees what we saw: an answer that ends too early.
            self.close_connection = True
            self._hang_up()
        finally:
            if download:
                download.drop()

    # The names are those that http.server looks for, here and below.
    do_HEAD = do_GET  # noqa: N815

    def _ask(self, url: urllib.parse.SplitResult) -> http.client.HTTPResponse:
        """Ask where the answer is to come from: as the engine did, in the engine's words."""
        through = self.server.upstream
        asked = through or url
        address = (asked.hostname or "", asked.port or 80)
        target = self.path
        if not through:
            target = urllib.parse.urlunsplit(("", "", url.path or "/", url.query, ""))
        headers = [item for item in self.headers.items() if item[0].lower() not in _OWN]
        if through and through.username is not None:
            words = map(urllib.parse.unquote, (through.username, through.password or ""))
            headers.append(("Proxy-Authorization", _basic(*words)))
        if address == self._address and self._connection and self._connection.sock:
            # It may have been closed since the last answer.
            with contextlib.suppress(ConnectionError, http.client.BadStatusLine):
                return _exchange(self._connection, self.command, target, headers)
        self._hang_up()
        self._address = address
        # An IPv6 that leads nowhere must leave time for IPv4 within the engine's patience.
        self._connection = http.client.HTTPConnection(*address, timeout=_archive.TIMEOUT / 2)
        self._connection.connect()
        self._connection.sock.settimeout(_archive.TIMEOUT)
        return _exchange(self._connection, self.command, target, headers)

    def _pass_on(
        self,
        answer: http.client.HTTPResponse,
        size: int | None,
        download: _debs.Download | None,
    ) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _OWN and not (size is None and name.lower() == "content-length"):
                self.send_header(name, value)
        if size is None:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        left = _CHUNK if size is None else size
        # What has come goes on at once: the engine's patience is with a pause and not with a rate.
        while left and (data := answer.read1(min(left, _CHUNK))):
            if size is None:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
                continue
            left -= len(data)
            if download:
                download.write(data)
                # The engine may end as soon as it has the last byte.
                if not left:
                    download.finish()
            self.wfile.write(data)
        if size is None:
            self.wfile.write(b"0\r\n\r\n")
        elif left:
            raise http.client.IncompleteRead(b"", left)
        answer.close()

    def _hang_up(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep quiet: the engine has a log."""


def _exchange(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    headers: list[tuple[str, str]],
) -> http.client.HTTPResponse:
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders()
    return connection.getresponse()


def _words(error: Exception) -> str:
    """An error's words on one line, for a status line."""
    return " ".join(str(error).split()).encode("ascii", "replace").decode() or type(error).__name__
