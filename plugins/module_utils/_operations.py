# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The changes that this collection makes to a system, one class each: operations of a plan.

Nothing else in the collection changes a mount table, a jail's tree or a file of the host.
"""

from __future__ import annotations

import errno
import os
import stat

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _files,
    _kernel,
    _procs,
    _rootfs,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import (
    Busy,
    JailError,
    Refused,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import (
    Located,
    Root,
    components,
    mount_id,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._profiles import Wanted
from ansible_collections.jaulas.chroot.plugins.module_utils._record import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from collections.abc import Iterable


def make_directories(root: Root, path: str, on_any_mount: bool = False) -> Located:
    """Make a folder and those above it inside a root, unless they would land on the host.

    A folder below a bind mount is the host's own: one that is missing there is not made.
    """
    place = root.locate("/")
    names = components(path)
    for depth, name in enumerate(names, 1):
        prefix = "/".join(names[:depth])
        found = root.find(prefix)
        if found is None:
            if not on_any_mount and mount_id(place.fd) != mount_id(root.fd):
                raise Refused(
                    f"Cannot make {root.host_path('/' + prefix)}: its folder is mounted from "
                    "elsewhere, so it would be made outside the jail.",
                    "Make it at the source of that mount first.",
                )
            try:
                os.mkdir(name, 0o755, dir_fd=place.fd)
            except FileExistsError:
                # Only a link that leads nowhere exists and cannot be found.
                raise Refused(
                    f"Cannot make {root.host_path('/' + prefix)}: a symbolic link that leads "
                    "nowhere inside the jail is in its place.",
                    "Remove the link, or name another path.",
                ) from None
            found = root.locate(prefix)
        place = found
    return place


def mount_point(root: Root, dest: str) -> Located | None:
    """Find a mount point inside a root, or None where it is still to be made.

    Folders above it may be links, they are followed inside the root; it itself may not be one.
    """
    try:
        place = root.find(dest, follow=False)
    except OSError as error:
        raise JailError(f"Cannot reach {dest} in {root.path}: {error.strerror}.") from None
    if place is not None and stat.S_ISLNK(place.status.st_mode):
        raise Refused(
            f"Cannot mount on {root.host_path(dest)}: it is a symbolic link.",
            "Name the path that it leads to inside the jail, or replace the link by a folder.",
        )
    return place


class MakePoint(Record):
    """Make a missing mount point: a folder, or an empty file for a file."""

    jail: str
    dest: str
    directory: bool
    on_any_mount: bool = False

    def describe(self) -> str:
        kind = "folder" if self.directory else "file"
        return f"make the {kind} {self.jail}{self.dest}"

    def apply(self) -> None:
        with Root(self.jail) as root:
            if mount_point(root, self.dest) is not None:
                return
            names = components(self.dest)
            if self.directory:
                make_directories(root, self.dest, self.on_any_mount)
                return
            folder = make_directories(root, "/".join(names[:-1]), self.on_any_mount)
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
            os.close(os.open(names[-1], flags, 0o644, dir_fd=folder.fd))


def attach(root: Root, wanted: Wanted, flags: frozenset[str]) -> None:
    """Make one mount inside a root in the caller's namespace; its point must be there."""
    options = wanted.options
    point = mount_point(root, wanted.dest)
    if point is None:
        raise JailError(f"Cannot mount on {root.host_path(wanted.dest)}: it is missing.")
    try:
        if options.bind:
            _kernel.bind(wanted.src, point.magic, options.recursive)
        else:
            _kernel.mount(
                wanted.src,
                point.magic,
                wanted.fstype,
                flags | options.flags,
                ",".join(options.data),
            )
        # The same path leads to the new mount's root now.
        mounted = root.locate(wanted.dest, follow=False).magic
        propagation = options.propagation
        if options.recursive and not propagation.startswith("r"):
            propagation = f"r{propagation}"
        _kernel.set_propagation(mounted, propagation)
        if options.bind:
            _kernel.set_flags(mounted, flags | options.flags)
    except OSError as error:
        raise JailError(
            f"Cannot mount {wanted.src} on {root.host_path(wanted.dest)}: {error.strerror}.",
            "Check the source, the file system type and the options"
            + (
                ", and that the host allows mounts (a container may not)."
                if error.errno == errno.EPERM
                else "."
            ),
        ) from None


class Attach(Record):
    """Mount something in a jail, visible to the whole host."""

    jail: str
    wanted: Wanted
    flags: frozenset[str]

    def describe(self) -> str:
        kind = "" if self.wanted.options.bind else f"{self.wanted.fstype} "
        return f"mount {kind}{self.wanted.src} on {self.jail}{self.wanted.dest}"

    def apply(self) -> None:
        with Root(self.jail) as root:
            attach(root, self.wanted, self.flags)


class Adjust(Record):
    """Change the flags or the file system options of a mount that is there."""

    jail: str
    wanted: Wanted
    flags: frozenset[str]

    def describe(self) -> str:
        words = ",".join(sorted(self.flags)) or "no restrictions"
        return f"remount {self.jail}{self.wanted.dest} with {words}"

    def apply(self) -> None:
        options = self.wanted.options
        with Root(self.jail) as root:
            point = root.locate(self.wanted.dest, follow=False).magic
            try:
                if options.propagation != "unbindable":
                    _kernel.set_propagation(point, options.propagation)
                if not options.bind and options.data:
                    _kernel.reconfigure(point, self.flags | options.flags, ",".join(options.data))
                _kernel.set_flags(point, self.flags | options.flags)
            except OSError as error:
                raise JailError(
                    f"Cannot remount {self.jail}{self.wanted.dest}: {error.strerror}."
                ) from None


def _same_mount(root: Root, dest: str, number: int, deed: str) -> Located:
    """Find a mount again; raises Busy where another one is by now."""
    place = root.locate(dest, follow=False)
    if mount_id(place.fd) != number:
        raise Busy(f"Cannot {deed}: the mount there is another by now.")
    return place


class Isolate(Record):
    """Stop sharing what happens on a mount of a jail with where it came from.

    Unmounting something on a mount that is shared unmounts the same thing there too: on the host.
    """

    jail: str
    dest: str
    id: int

    def describe(self) -> str:
        return f"make {self.jail}{self.dest} private"

    def apply(self) -> None:
        with Root(self.jail) as root:
            place = _same_mount(root, self.dest, self.id, self.describe())
            _kernel.set_propagation(place.magic, "private")


class Detach(Record):
    """Unmount one mount of a jail, never lazily. id is the kernel's, dest a true inside path."""

    jail: str
    dest: str
    id: int

    def describe(self) -> str:
        return f"unmount {self.jail}{self.dest}"

    def apply(self) -> None:
        point = f"{self.jail}{self.dest}"
        # Where mounts are shared with each other, unmounting one unmounts its likes elsewhere.
        if all(mount.id != self.id for mount in _procs.mount_table()):
            return
        try:
            with Root(self.jail) as root:
                _same_mount(root, self.dest, self.id, self.describe())
            # By way of the folder above it: a descriptor of the mount itself would keep it busy,
            # and a path could lead elsewhere by now.
            with Root(self.jail) as root:
                folder, name = root.parent(self.dest)
                _kernel.unmount(f"{folder.magic}/{name}")
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise JailError(f"Cannot unmount {point}: {error.strerror}.") from None
            users = listed([process.describe() for process in _procs.inside(point)])
            raise Busy(
                f"Cannot unmount {point}: it is busy, in use by {users or 'nobody that is seen'}.",
                "End what uses it and run again; nothing was unmounted by force.",
            ) from None


def leave_other_jails(own: str, points: Iterable[str]) -> None:
    """Let go of the mounts of all jails but one, in a mount namespace of our own.

    A copy of a jail's mount that lives on in here would keep that jail from being removed.
    """
    marked: dict[str, bool] = {}
    left: set[str] = set()
    for point in points:
        above = _above(point)
        if own == point or own in above or not left.isdisjoint(above):
            continue
        for folder in above:
            if folder not in marked:
                marked[folder] = os.path.lexists(f"{folder}/{_rootfs.MARKER}")
            if marked[folder]:
                _kernel.detach(point)
                left.add(point)
                break


def _above(path: str) -> list[str]:
    """The folders above a path, without the root."""
    names = path.strip("/").split("/")
    return ["/" + "/".join(names[:depth]) for depth in range(1, len(names))]


def listed(names: list[str], most: int = 8) -> str:
    """Join names for a sentence, the first few of many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


class WriteHostFile(Record):
    """Replace a text file of the host in one step, if it is still what was planned on."""

    path: str
    before: str
    after: str

    def describe(self) -> str:
        return f"write {self.path}"

    def apply(self) -> None:
        if _files.read_text(self.path) != self.before:
            raise Busy(
                f"Cannot write {self.path}: somebody else has changed it meanwhile.",
                "Run again.",
            )
        try:
            _files.replace_text(self.path, self.after)
        except OSError as error:
            raise JailError(f"Cannot write {self.path}: {error.strerror}.") from None
