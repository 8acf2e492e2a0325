# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The storage of a jail that is an overlay, as it is: where, over which image, and in fstab.

    PATH                        where the jail is mounted; an empty folder until then
    PATH.overlay/upper          what differs from the image, the jail's marker among it
    PATH.overlay/work           the kernel's own
    PATH.overlay/overlay.json   which image it is

The line in fstab mounts it at every boot, before what is to be mounted in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _fstab,
    _jail,
    _procs,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError
from ansible_collections.jaulas.chroot.plugins.module_utils._marker import Marker
from ansible_collections.jaulas.chroot.plugins.module_utils._mountinfo import Mount
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import Root
from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record

#: What the name of a jail's storage adds to the jail's own.
_OVERLAY = ".overlay"
#: What says that a folder is the storage of a jail.
DESCRIPTION = "overlay.json"
_LIMIT = 1 << 16
#: What ends a path in the options of an overlay (overlayfs in the kernel's documentation).
_SPECIAL = frozenset(',:\\"')


class Overlay(Record):
    """The storage of a jail as it is: its image, its marker, and whether it is mounted."""

    path: str
    image: str
    marker: Marker | None
    mounted: bool


def storage(path: str) -> str:
    """Where the storage of a jail lies."""
    return f"{path}{_OVERLAY}"


def leftovers(path: str) -> list[str]:
    """What runs that were cut short left beside a jail and beside its storage."""
    return [*_jail.leftovers(path), *_jail.leftovers(storage(path))]


def owner(storage_path: str) -> str | None:
    """The jail whose storage a folder is, or None if it is none."""
    there = os.path.lexists(f"{storage_path}/{DESCRIPTION}")
    path = storage_path.removesuffix(_OVERLAY)
    return path if there and path != storage_path else None


def find(path: str, table: Sequence[Mount] | None = None) -> Overlay | None:
    """Look for the storage of a jail; what is not ours by its description is none."""
    try:
        with open(f"{storage(path)}/{DESCRIPTION}", encoding="utf-8") as handle:
            image = str(json.loads(handle.read(_LIMIT))["image"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    with Root(f"{storage(path)}/upper") as root:
        marker = _jail.marker(root)
    return Overlay(path, image, marker, is_mounted(path, table))


def marker_of(path: str) -> Marker | None:
    """The marker of a jail that is complete, also where it is an overlay that is not mounted."""
    overlay = find(path)
    return _jail.inspect(path)[1] or (overlay.marker if overlay else None)


def is_mounted(path: str, table: Sequence[Mount] | None = None) -> bool:
    """Tell whether the topmost mount at a path is the overlay with its storage."""
    mounts = _procs.mount_table() if table is None else table
    there = [mount for mount in mounts if mount.point == path]
    return bool(there) and f"upperdir={storage(path)}/upper" in there[-1].super_options


def options(lower: str, store: str) -> tuple[str, ...]:
    """What the kernel is told to mount; raises JailError for a path that it would not take."""
    for place in (lower, store):
        if _SPECIAL & set(place):
            raise JailError(
                f"Cannot make an overlay with {place}: the path holds a comma, colon, quote or "
                "backslash.",
                "Name a path without, or leave storage: directory.",
            )
    return (f"lowerdir={lower}", f"upperdir={store}/upper", f"workdir={store}/work")


def entry(path: str, image: str, *more: str) -> _fstab.Entry:
    """The line of fstab that mounts a jail's storage, with more options perhaps."""
    lower = f"{image}/root"
    # systemd looks at the path only: without a word it would not wait for the image's file system.
    needs = f"x-systemd.requires-mounts-for={lower}"
    words = (*options(lower, storage(path)), "nofail", needs, *more, _fstab.MARK)
    return _fstab.Entry("overlay", path, "overlay", words)


def fstab_text(path: str, text: str, image: str | None, *more: str) -> str:
    """The text of fstab with the line for a jail's storage, or without it."""
    lines = _fstab.parse(text)

    def belongs(item: _fstab.Entry) -> bool:
        return item.point == path and item.fstype == "overlay" and item.is_ours

    entries = [entry(path, image, *more)] if image else []
    new = _fstab.replace(lines, belongs, entries)
    return text if new == lines else _fstab.render(new)
