"""Serve the archive that build.py made, well and badly, from one server.

The first part of a path chooses how the rest of it is answered:

    /ok/          as it should be
    /counted/     the same; /asked/ tells which packages were asked for there, a line for each time
    /expired/     /wrongsuite/   /unsigned/   well served, but what is served has this fault
    /slow/        at a limited rate
    /404/         nothing is found
    /missing/     no package is found, the indices are
    /garbage/     random bytes for every path
    /tampered/    packages with one byte changed
    /truncate/    packages end half-way
    /silent/      the connection is accepted and never answered
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import socketserver
import sys
import threading
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# Where the files of a prefix lie, when that is not "good".
FOLDERS = ("expired", "wrongsuite", "unsigned")
CHUNK = 16 * 1024
PR_SET_PDEATHSIG = 1


class Handler(SimpleHTTPRequestHandler):
    """One request: GET or HEAD."""

    protocol_version = "HTTP/1.1"
    slow_rate = 0

    def parse_request(self) -> bool:
        # Before anything else is looked at, since every path goes through here.
        if not super().parse_request():
            return False
        self.behaviour, _slash, rest = self.path.lstrip("/").partition("/")
        folder = self.behaviour if self.behaviour in FOLDERS else "good"
        self.path = f"/{folder}/{rest}"
        self.is_package = rest.endswith(".deb")
        return True

    def do_GET(self) -> None:
        if self.behaviour == "silent":
            # Until the client gives up.
            while self.connection.recv(CHUNK):
                pass
            self.close_connection = True
        elif self.behaviour == "garbage":
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Length", str(CHUNK))
            self.end_headers()
            self.wfile.write(os.urandom(CHUNK))
        elif self.behaviour == "asked":
            told = "".join(f"{path}\n" for path in self.server.asked).encode()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)
        elif self.behaviour == "404" or (self.behaviour == "missing" and self.is_package):
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            if self.behaviour == "counted" and self.is_package:
                self.server.asked.append(self.path)
            super().do_GET()

    def copyfile(self, source, outputfile) -> None:
        """Send the body, after the headers told its whole length."""
        size = os.fstat(source.fileno()).st_size
        if self.behaviour == "slow":
            while data := source.read(CHUNK):
                outputfile.write(data)
                # This wait is the rate limit itself.
                self.server.stopping.wait(len(data) / self.slow_rate)
        elif self.behaviour == "truncate" and self.is_package:
            outputfile.write(source.read(size // 2))
            self.close_connection = True
        elif self.behaviour == "tampered" and self.is_package:
            data = bytearray(source.read())
            data[-1] ^= 0xFF
            outputfile.write(data)
        else:
            super().copyfile(source, outputfile)

    def log_message(self, *args: object) -> None:
        """Keep quiet, unless asked to tell: a bootstrap makes hundreds of requests."""
        if self.server.verbose:
            super().log_message(*args)


class Server(ThreadingHTTPServer):
    """A thread per connection; clients that are killed half-way are its daily bread."""

    daemon_threads = True
    request_queue_size = 64
    verbose = False

    def __init__(self, *args: object) -> None:
        self.stopping = threading.Event()
        self.asked: list[str] = []
        super().__init__(*args)

    def server_bind(self) -> None:
        # As every server's: that of HTTP would ask the DNS for a name that nobody needs.
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def end_with_parent() -> None:
    """Have the kernel send TERM to this process when its parent is gone."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit("the parent process is gone")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", required=True, help="folder that build.py filled")
    parser.add_argument("--address", default="127.0.0.1", help="where it listens: on loopback")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--url-file", type=Path, help="file to write the server's URL to")
    parser.add_argument("--slow-rate", type=int, default=1 << 20, help="bytes a second of /slow/")
    parser.add_argument("--verbose", action="store_true", help="say every request on stderr")
    options = parser.parse_args()

    end_with_parent()
    Handler.slow_rate = options.slow_rate
    directory = os.path.abspath(options.root)
    at = (options.address, options.port)
    server = Server(at, lambda *args: Handler(*args, directory=directory))
    server.verbose = options.verbose
    url = f"http://{options.address}:{server.server_address[1]}"
    print(url, flush=True)
    if options.url_file:
        # Whoever waits for this file must never see half of it.
        partial = options.url_file.with_name(f"{options.url_file.name}.partial")
        partial.write_text(f"{url}\n")
        partial.rename(options.url_file)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.serve_forever()


if __name__ == "__main__":
    main()
