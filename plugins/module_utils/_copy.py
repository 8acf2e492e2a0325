# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copy a whole tree by the fastest way that its file systems have, and tell whether one changed."""

from __future__ import annotations

import hashlib
import os

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _btrfs,
    _ext4,
    _process,
    _streams,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError

_ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def make_top(path: str) -> None:
    """Make the folder that a tree is to grow in: a subvolume where there are such things."""
    if not _btrfs.make(path):
        _ext4.make(path)
    os.chmod(path, 0o755)


def copy(source: str, target: str) -> None:
    """Copy a tree to a name that is free: as a snapshot, by shared blocks, or byte by byte.

    Owners, modes, times, links, devices and extended attributes come along.
    """
    if _btrfs.snapshot(source, target):
        return
    make_top(target)
    argv = ["cp", "--archive", "--reflink=auto", "--", f"{source}/.", target]
    outcome = _process.contain(_streams.Command(argv, _ENV), lambda: None)
    if outcome.rc != 0:
        said = outcome.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason"]
        raise JailError(
            f"Cannot copy {source} to {target}: {said[-1]}.",
            "See whether the disk is full.",
        )


def fingerprint(path: str) -> str:
    """Name the state of a tree by what the kernel keeps about each of its files.

    Whoever changes a file, even if he sets its times back, changes the time of that change, which
    nobody can set (ctime, inode(7)). Reading what is in the files would take ten times as long.
    """
    total = hashlib.sha256()
    todo = [("", path)]
    while todo:
        inside, folder = todo.pop()
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            name = f"{inside}/{entry.name}"
            facts = (
                status.st_mode,
                status.st_uid,
                status.st_gid,
                status.st_rdev,
                status.st_size,
                status.st_mtime_ns,
                status.st_ctime_ns,
            )
            total.update(f"{name}\0{facts}\n".encode("utf-8", "surrogateescape"))
            if entry.is_dir(follow_symlinks=False):
                todo.append((name, entry.path))
    return total.hexdigest()
