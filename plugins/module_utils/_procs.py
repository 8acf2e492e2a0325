# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Look at the host's processes through /proc: who is inside a folder, who sees a mount."""

from __future__ import annotations

import os

from ansible_collections.jaulas.chroot.plugins.module_utils import _files, _mountinfo
from ansible_collections.jaulas.chroot.plugins.module_utils._blocks import suppress
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import around
from ansible_collections.jaulas.chroot.plugins.module_utils._record import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Process(Record):
    """A process and the first reason why it counts as inside."""

    pid: int
    name: str
    reason: str

    def describe(self) -> str:
        return f"{self.name} (pid {self.pid}, {self.reason})"


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as handle:
            return handle.read().strip()
    except OSError:
        return "?"


def _links(pid: int) -> Iterator[tuple[str, str]]:
    """What a process holds, as (reason, path). One that ends meanwhile holds nothing."""
    for reason in ("root", "cwd", "exe"):
        with suppress(OSError):
            yield reason, os.readlink(f"/proc/{pid}/{reason}")
    with suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                yield f"open file {fd}", os.readlink(f"/proc/{pid}/fd/{fd}")


def inside_each(folders: Iterable[str]) -> dict[str, list[Process]]:
    """Find the processes whose root, working folder, program or open file lies in each folder."""
    found: dict[str, list[Process]] = {folder: [] for folder in folders}
    for pid in _pids():
        if pid == os.getpid():
            continue
        counted: set[str] = set()
        for reason, path in _links(pid):
            for folder in around(path, found):
                if folder not in counted:
                    counted.add(folder)
                    found[folder].append(Process(pid, _name(pid), f"{reason} {path}"))
            if len(counted) == len(found):
                break
    return found


def inside(folder: str) -> list[Process]:
    """Find the processes whose root, working folder, program or open file lies in a folder."""
    return inside_each([folder])[folder]


def mount_table() -> list[_mountinfo.Mount]:
    """Read the mounts of our own namespace."""
    return _mountinfo.parse(_files.read_text("/proc/self/mountinfo"))


def mount_points() -> list[str]:
    """Read where the mounts of our own namespace are."""
    return _mountinfo.points(_files.read_text("/proc/self/mountinfo"))


class SeenMount(Record):
    """A mount below a folder, and a process in whose mount namespace it is."""

    point: str
    fstype: str
    pid: int
    name: str
    own: bool

    def describe(self) -> str:
        if self.own:
            return f"{self.point} ({self.fstype})"
        return (
            f"{self.point} ({self.fstype}, in the mount namespace of {self.name}, pid {self.pid})"
        )


def _namespaces() -> Iterable[int]:
    """One process for each mount namespace and root that can be seen, ourselves first."""
    seen: dict[tuple[str, str], int] = {}
    for pid in [os.getpid(), *_pids()]:
        with suppress(OSError):
            key = (os.readlink(f"/proc/{pid}/ns/mnt"), os.readlink(f"/proc/{pid}/root"))
            seen.setdefault(key, pid)
    return seen.values()


def _all_mounts() -> Iterator[tuple[str, SeenMount, _mountinfo.Mount]]:
    """Each mount in every mount namespace and root that is seen: the namespace, and the mount."""
    own_namespace = os.readlink("/proc/self/ns/mnt")
    for pid in _namespaces():
        try:
            mounts = _mountinfo.parse(_files.read_text(f"/proc/{pid}/mountinfo"))
            # Mount points are told as the process sees them, below its own root.
            root = os.readlink(f"/proc/{pid}/root").rstrip("/")
            namespace = os.readlink(f"/proc/{pid}/ns/mnt")
        except OSError:
            continue
        name, own = _name(pid), namespace == own_namespace
        for mount in mounts:
            point = (root + mount.point).rstrip("/") or "/"
            yield namespace, SeenMount(point, mount.fstype, pid, name, own), mount


def mounts_below_each(folders: Iterable[str], itself: bool = False) -> dict[str, list[SeenMount]]:
    """Find what is mounted below folders (or on them too) in every mount namespace that is seen."""
    found: dict[str, dict[tuple[str, str], SeenMount]] = {folder: {} for folder in folders}
    for namespace, seen, _mount in _all_mounts():
        for folder in around(seen.point, found):
            if itself or seen.point != folder:
                found[folder].setdefault((namespace, seen.point), seen)
    return {folder: list(mounts.values()) for folder, mounts in found.items()}


def mounts_below(folder: str, itself: bool = False) -> list[SeenMount]:
    """Find what is mounted below a folder (or on it too) in every mount namespace that is seen."""
    return mounts_below_each([folder], itself)[folder]


def _mounts_where(fits: Callable[[str, _mountinfo.Mount], bool]) -> list[SeenMount]:
    """Find the mounts that fit, by their point and by what they are, in all namespaces seen."""
    found: dict[tuple[str, str], SeenMount] = {}
    for namespace, seen, mount in _all_mounts():
        if fits(seen.point, mount):
            found.setdefault((namespace, seen.point), seen)
    return list(found.values())


def mounts_of(folder: str) -> list[SeenMount]:
    """Find where else than below a folder, or on it, its files are mounted."""
    source = _mountinfo.origin(folder, mount_table())

    def fits(point: str, mount: _mountinfo.Mount) -> bool:
        if source is None or mount.device != source[0] or folder in around(point, (folder,)):
            return False
        return source[1] in around(mount.root, (source[1],))

    return _mounts_where(fits)


def mounts_with(option: str) -> list[SeenMount]:
    """Find the mounts whose file system has an option, such as the storage of an overlay."""
    return _mounts_where(lambda _point, mount: option in mount.super_options)
