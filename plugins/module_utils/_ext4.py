# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where ext4 puts the files of a tree: in a part of the disk that others leave alone.

For minutes ext4 does not use the inodes of deleted files again, and looks at each of them for each
file that it makes nearby. Jails that are made where others have just been removed would take ten
times as long.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import struct

from ansible_collections.jaulas.chroot.plugins.module_utils._paths import opened_folder

# <linux/fs.h>; the calls are numbered with the size of a long, and pass an int.
_SIZE = struct.calcsize("l") << 16
_GET_FLAGS = 0x80006601 | _SIZE
_SET_FLAGS = 0x40006602 | _SIZE
#: Folders in this one are unrelated, and are put far from each other (chattr(1), T).
_UNRELATED = 0x20000


def make(path: str) -> None:
    """Make an empty folder; on ext4 what it will hold gets a place of its own on the disk.

    The folder above keeps the hint. Other file systems have none, and need none.
    """
    above, name = os.path.split(path)
    # The place is chosen by the name that a folder is made with: another one each time.
    new = f"{name}-{os.urandom(8).hex()}"
    with opened_folder(above) as fd:
        with contextlib.suppress(OSError):
            flags = array.array("i", [0])
            fcntl.ioctl(fd, _GET_FLAGS, flags)
            fcntl.ioctl(fd, _SET_FLAGS, array.array("i", [flags[0] | _UNRELATED]))
        os.mkdir(new, dir_fd=fd)
        os.rename(new, name, src_dir_fd=fd, dst_dir_fd=fd)
