# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Subvolumes of btrfs, by the kernel's own calls: btrfs-progs need not be there (linux/btrfs.h)."""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from ansible_collections.jaulas.chroot.plugins.module_utils._paths import opened_folder

_CREATE = 0x5000940E
_SNAPSHOT = 0x50009417
# Python passes on structures of this size only from memory that may be changed: a bytearray.
#: struct btrfs_ioctl_vol_args: a descriptor (unused here), then the new name.
_NAMED = struct.Struct("=q4088s")
#: struct btrfs_ioctl_vol_args_v2: the source's descriptor, three fields unused here, the new name.
_NAMED_FROM = struct.Struct("=qQQ32x4040s")
#: The root of every subvolume has this inode number.
_TOP = 256
#: What file systems that know nothing of subvolumes answer.
_UNKNOWN = (errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL)


def make(path: str) -> bool:
    """Make an empty subvolume; False, and nothing is made, where the file system has none."""
    above, name = os.path.split(path)
    with opened_folder(above) as fd:
        try:
            fcntl.ioctl(fd, _CREATE, bytearray(_NAMED.pack(0, os.fsencode(name))))
        except OSError as error:
            if error.errno in _UNKNOWN:
                return False
            raise
    return True


def snapshot(source: str, path: str) -> bool:
    """Make a writable snapshot of a subvolume; False, and nothing is made, where that cannot be.

    That is so when the source is no subvolume, or lies on another file system.
    """
    above, name = os.path.split(path)
    with opened_folder(source) as origin, opened_folder(above) as fd:
        if os.fstat(origin).st_ino != _TOP:
            return False
        try:
            call = _NAMED_FROM.pack(origin, 0, 0, os.fsencode(name))
            fcntl.ioctl(fd, _SNAPSHOT, bytearray(call))
        except OSError as error:
            if error.errno in (*_UNKNOWN, errno.EXDEV):
                return False
            raise
    return True
