# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The only door to the kernel's calls that Python does not have: mounts, namespaces, personality.

Every function raises OSError with the kernel's errno and the path concerned.
"""

from __future__ import annotations

import ctypes
import os

from ansible_collections.jaulas.chroot.plugins.module_utils import _options
from ansible_collections.jaulas.chroot.plugins.module_utils._libc import check, libc

# <sys/mount.h>
_MS_REMOUNT = 0x20
_MS_BIND = 0x1000
_MS_REC = 0x4000
_PROPAGATION = {
    "unbindable": 1 << 17,
    "private": 1 << 18,
    "slave": 1 << 19,
    "shared": 1 << 20,
}
_MNT_DETACH = 2
_UMOUNT_NOFOLLOW = 8
# <sched.h>
NEW_MOUNTS = 0x00020000
NEW_UTS = 0x04000000
NEW_IPC = 0x08000000
NEW_PIDS = 0x20000000
# <linux/fs.h>, <sys/personality.h>
_RENAME_EXCHANGE = 2
_AT_FDCWD = -100
_PER_LINUX32 = 8


def _bits(flags: frozenset[str]) -> int:
    return sum(_options.FLAGS[name] for name in flags)


def _mount(source: str, target: str, fstype: str, flags: int, data: str) -> None:
    # mount(2) takes the flags as an unsigned long.
    check(
        libc.mount(
            os.fsencode(source),
            os.fsencode(target),
            fstype.encode(),
            ctypes.c_ulong(flags),
            data.encode() or None,
        ),
        target,
    )


def mount(source: str, target: str, fstype: str, flags: frozenset[str], data: str = "") -> None:
    """Mount a file system."""
    _mount(source, target, fstype, _bits(flags), data)


def bind(source: str, target: str, recursive: bool = False) -> None:
    """Make a file or directory appear at a second place; it keeps its source's flags."""
    _mount(source, target, "", _MS_BIND | (_MS_REC if recursive else 0), "")


def set_flags(target: str, flags: frozenset[str]) -> None:
    """Change the flags of one mount and of nothing else (not of its file system)."""
    _mount("", target, "", _MS_REMOUNT | _MS_BIND | _bits(flags), "")


def reconfigure(target: str, flags: frozenset[str], data: str) -> None:
    """Change the options of the file system that is mounted."""
    _mount("", target, "", _MS_REMOUNT | _bits(flags), data)


def set_propagation(target: str, word: str) -> None:
    """Say whether later mounts below spread to other mounts: private, slave, rprivate, ..."""
    recursive = _MS_REC if word.startswith("r") else 0
    _mount("", target, "", _PROPAGATION[word[1:] if recursive else word] | recursive, "")


def unmount(target: str) -> None:
    """Unmount, never lazily: a busy mount is an error (EBUSY) and stays whole."""
    check(libc.umount2(os.fsencode(target), _UMOUNT_NOFOLLOW), target)


def detach(target: str) -> None:
    """Unmount with all below, busy or not: for copies in a namespace of our own only."""
    check(libc.umount2(os.fsencode(target), _MNT_DETACH | _UMOUNT_NOFOLLOW), target)


def unshare(flags: int) -> None:
    """Leave the caller's namespaces for new ones. New PIDs start with the next child."""
    check(libc.unshare(ctypes.c_int(flags)), "")


def join(namespace: int, kind: int) -> None:
    """Enter a namespace that a descriptor names; that of PIDs concerns the next children only."""
    check(libc.setns(ctypes.c_int(namespace), ctypes.c_int(kind)), "")


def call_itself_32bit() -> None:
    """Make uname(2) answer this process and its children as a 32-bit kernel would."""
    check(libc.personality(ctypes.c_ulong(_PER_LINUX32)), "")


def exchange(first: str, second: str) -> None:
    """Swap two names in one step: at no moment is one of them missing (renameat2(2))."""
    if not hasattr(libc, "renameat2"):
        raise OSError(38, os.strerror(38), second)
    check(
        libc.renameat2(
            _AT_FDCWD,
            os.fsencode(first),
            _AT_FDCWD,
            os.fsencode(second),
            _RENAME_EXCHANGE,
        ),
        second,
    )


def sync_filesystem(fd: int) -> None:
    """Write out the file system that a descriptor lies on, so that a power cut finds it whole."""
    check(libc.syncfs(ctypes.c_int(fd)), "")
