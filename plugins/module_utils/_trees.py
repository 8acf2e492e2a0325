# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole directory trees, by descriptors: delete one without leaving it, and measure one."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Collection, Iterator

from ansible_collections.jaulas.chroot.plugins.module_utils._errors import (
    JailError,
    Refused,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import mount_id

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: Deeper folders are moved to the top before they are emptied: each level costs a descriptor.
_DEEPEST = 64


def remove(path: str, last: str = "") -> None:
    """Delete a folder and all below it, on its own mount only; the file `last` in it goes last.

    Every folder is entered by a descriptor of the one above, never by a link, and only while its
    mount id is that of the folder above: a bind mount stops the deletion before anything behind it
    is touched. Raises Refused then, and JailError where the system says no.
    """
    folder, name = os.path.split(path)
    above = os.open(folder, _DIRECTORY)
    try:
        top = os.open(name, _DIRECTORY, dir_fd=above)
        try:
            if mount_id(top) != mount_id(above):
                raise Refused(f"Cannot delete {path}: it is a mount.", "Unmount it and run again.")
            # What was moved up, and what somebody puts there meanwhile, is met in another round.
            while set(os.listdir(top)) - {last}:
                _empty(top, path, top, mount_id(above), 0, keep=last)
            if last:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(last, dir_fd=top)
        finally:
            os.close(top)
        os.rmdir(name, dir_fd=above)
    except OSError as error:
        raise JailError(
            f"Cannot delete {path}: {error.strerror} ({error.filename}).",
            "Look for immutable files (lsattr) and for mounts (findmnt -R), then run again.",
        ) from None
    finally:
        os.close(above)


def _empty(fd: int, path: str, top: int, mount: int, depth: int, *, keep: str = "") -> None:
    with os.scandir(fd) as entries:
        names = [
            (entry.name, entry.is_dir(follow_symlinks=False))
            for entry in entries
            if entry.name != keep
        ]
    for name, is_folder in names:
        if not is_folder:
            os.unlink(name, dir_fd=fd)
            continue
        inner = os.open(name, _DIRECTORY, dir_fd=fd)
        try:
            if mount_id(inner) != mount:
                raise Refused(
                    f"Cannot delete {path}: {name} in it is a mount, and what lies behind it is "
                    "not the jail's.",
                    "Unmount it and run again.",
                )
            if depth < _DEEPEST:
                _empty(inner, f"{path}/{name}", top, mount, depth + 1)
        finally:
            os.close(inner)
        if depth < _DEEPEST:
            os.rmdir(name, dir_fd=fd)
        else:
            os.rename(name, f".deep-{secrets.token_hex(8)}", src_dir_fd=fd, dst_dir_fd=top)


def _statuses(path: str, skip: Collection[str]) -> Iterator[os.stat_result]:
    """Walk a tree on its own file system, without following a link, around the folders in skip."""
    todo: list[str] = [path]
    device = os.lstat(path).st_dev
    while todo:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    yield status
                    if not stat.S_ISDIR(status.st_mode) or status.st_dev != device:
                        continue
                    if entry.path not in skip:
                        todo.append(entry.path)
        except OSError:
            continue


def size(path: str, mounts: Collection[str] = ()) -> int:
    """Bytes that a tree takes, hard links counted once, what lies behind mounts left out."""
    total, seen = 0, set()
    for status in _statuses(path, mounts):
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
        total += status.st_blocks * 512
    return total
