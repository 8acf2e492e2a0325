# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Download a file from another host, and digest it while it comes. No proxy is asked."""

from __future__ import annotations

import hashlib
import http.client
import socket
from collections.abc import Iterator

from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError

#: Seconds within which a host answers that can be reached, and that it may keep silent then.
_CONNECT = 5
_SILENCE = 60
_CHUNK = 1 << 20


class Unreached(JailError):
    """The other host did not give all of it; another way may."""


def reaches(address: str, port: int) -> bool:
    """Tell whether something answers there."""
    try:
        socket.create_connection((address, port), _CONNECT).close()
    except (OSError, OverflowError, UnicodeError):
        return False
    return True


def download(address: str, port: int, url_path: str, target: str, size: int) -> str:
    """Download a file of a known size to a new one; returns its SHA-256."""
    total = hashlib.sha256()
    with open(target, "xb") as handle:
        for chunk in _chunks(address, port, url_path, size):
            total.update(chunk)
            handle.write(chunk)
    return total.hexdigest()


def _chunks(address: str, port: int, url_path: str, size: int) -> Iterator[bytes]:
    what = f"Cannot download from {address}, port {port}"
    connection = http.client.HTTPConnection(address, port, timeout=_CONNECT)
    try:
        connection.connect()
        connection.sock.settimeout(_SILENCE)
        connection.request("GET", url_path)
        answer = connection.getresponse()
        if answer.status != 200:
            raise Unreached(f"{what}: it answers {answer.status} {answer.reason}.")
        left = size
        while left:
            chunk = answer.read(min(left, _CHUNK))
            if not chunk:
                raise Unreached(f"{what}: {left} of {size} bytes did not come.")
            left -= len(chunk)
            yield chunk
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        raise Unreached(f"{what}: {error}.") from None
    finally:
        connection.close()
