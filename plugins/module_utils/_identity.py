# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a copy of a system must not share with its original: who it is, and what it remembers."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import uuid
from collections.abc import Callable

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _engine,
    _files,
    _process,
    _streams,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError
from ansible_collections.jaulas.chroot.plugins.module_utils._glob import glob
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import Root

_MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id")
_ID = re.compile(rb"[0-9a-f]{32}\n?")
_NOBODY = "0" * 32
_HOST_KEYS = "/etc/ssh/ssh_host_*_key"
_MEMORIES = ("/var/lib/systemd/random-seed", "/var/lib/systemd/credential.secret")
_LOGS = ("/var/log/*", "/var/log/*/*")


def forget(root: Root) -> None:
    """Take out of an original what no copy should remember: secrets, logs, and who it was.

    That there were a machine id and host keys stays to be seen, so that a copy gets its own.
    """
    for path in _MACHINE_IDS:
        if _ID.fullmatch(_content(root, path)):
            _write(root, path, f"{_NOBODY}\n")
    for path in glob(root, _HOST_KEYS):
        if _content(root, path):
            _write(root, path, "")
    for path in [*_MEMORIES, *(path for pattern in _LOGS for path in glob(root, pattern))]:
        place = root.find(path, follow=False)
        # Empty logs belong to packages, which want them there with their modes.
        if place and stat.S_ISREG(place.status.st_mode) and place.status.st_size:
            _unlink(root, path)


def renew(root: Root) -> None:
    """Give a copy a machine id of its own, and what an engine takes from the host it runs on."""
    own = f"{uuid.uuid4().hex}\n"
    for path in _MACHINE_IDS:
        # An empty one, or the word uninitialized, is filled in at the first boot (machine-id(5)).
        if _ID.fullmatch(_content(root, path)):
            _write(root, path, own)
    for path, text in (
        ("/etc/hostname", f"{os.uname().nodename}\n"),
        ("/etc/resolv.conf", _files.read_text("/etc/resolv.conf")),
    ):
        if _content(root, path):
            _write(root, path, text)
    for path in glob(root, _HOST_KEYS):
        for name in (path, f"{path}.pub"):
            _unlink(root, name)


def has_host_keys(root: Root) -> bool:
    """Tell whether an original has keys by which it is known as an ssh server."""
    return bool(glob(root, _HOST_KEYS))


def settle(tree: str, keys: bool, prepare: Callable[[], None]) -> None:
    """Make a copy somebody of its own: prepare is called in a mount namespace for nothing else.

    Then, where its original had host keys, the copy's own program makes all kinds that it knows.
    """

    def enter() -> None:
        if keys:
            os.chroot(tree)
            os.chdir("/")

    command = _streams.Command(("ssh-keygen", "-A") if keys else ("true",), _engine.ENV)
    outcome = _process.contain(command, prepare, enter)
    if outcome.rc != 0:
        said = outcome.stderr.decode("utf-8", "replace").strip()
        raise JailError(f"Cannot make host keys for {tree}: ssh-keygen says {said!r}.")


def _content(root: Root, path: str) -> bytes:
    """Read a small regular file that is no link; anything else is empty."""
    place = root.find(path, follow=False)
    if place is None or not stat.S_ISREG(place.status.st_mode):
        return b""
    return root.read(path, 1 << 16)


def _write(root: Root, path: str, text: str) -> None:
    with open(root.locate(path, follow=False).magic, "w", encoding="utf-8") as handle:
        handle.write(text)


def _unlink(root: Root, path: str) -> None:
    folder, name = root.parent(path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder.fd)
