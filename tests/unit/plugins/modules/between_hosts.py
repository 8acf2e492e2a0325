# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is looked at when images go from one host to another."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import stat
from pathlib import Path

from ansible_collections.jaulas.chroot.tests.unit.plugins.modules.conftest import Result


def kept(tmp_path: Path) -> list[str]:
    """What is in the store of the other host, whole or not."""
    store = tmp_path / "other/store"
    return sorted(os.listdir(store)) if store.exists() else []


def tree(top: Path) -> dict[bytes, tuple[object, ...]]:
    """All that should be the same in a copy, links among its files included."""
    found: dict[bytes, tuple[object, ...]] = {}
    first: dict[int, bytes] = {}
    for folder, folders, files in os.walk(os.fsencode(top)):
        for name in [*folders, *files, b"."]:
            path = os.path.join(folder, name)
            status, inside = os.lstat(path), os.path.relpath(path, os.fsencode(top))
            content: object = None
            if stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(status.st_mode):
                content = Path(os.fsdecode(path)).read_bytes()
            found[inside] = (
                *(status.st_mode, status.st_uid, status.st_gid, status.st_rdev),
                *(status.st_mtime_ns, status.st_nlink, content),
                first.setdefault(status.st_ino, inside) if status.st_nlink > 1 else b"",
                [
                    os.getxattr(path, key, follow_symlinks=False)
                    for key in sorted(os.listxattr(path, follow_symlinks=False))
                ],
            )
    return found


def system(top: Path) -> dict[bytes, tuple[object, ...]]:
    """What is in a jail, or in an image of it."""
    found = tree(top)
    return {name: facts for name, facts in found.items() if name not in (b".", b".jail.json")}


def get(offer: Result, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", offer["port"], timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def refuses(port: int) -> bool:
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 10).close()
        return False
    return True


def nobody_listens() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
