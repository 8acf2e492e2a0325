# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tell what is at a path as far as jails go. Reads files only: starts nothing, changes nothing."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _dpkg,
    _fstab,
    _image,
    _images,
    _jail,
    _marker,
    _mounts,
    _procs,
    _rootfs,
    _storage,
    _trees,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._mountinfo import Mount
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import Root
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Plan
from ansible_collections.jaulas.chroot.plugins.module_utils._procs import Process, SeenMount
from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record


def search(roots: Iterable[str]) -> list[str]:
    """List the folders in some folders that hold a jail, a system or what is left of one."""
    found = []
    for folder in roots:
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        for name in names:
            place = os.path.join(os.path.realpath(folder), name)
            if os.path.islink(place) or not os.path.isdir(place):
                continue
            # A jail whose overlay is not mounted holds nothing; its storage tells of it.
            jail = _storage.owner(place)
            if jail or _holds_system(place):
                found.append(jail or place)
    return found


def _holds_system(place: str) -> bool:
    with Root(place) as root:
        return _rootfs.holds_system(root) or root.exists(_jail.PARTIAL_MARKER, follow=False)


class Sight(Record):
    """What is read once for all paths: the mount table, fstab, and all processes."""

    table: list[Mount]
    lines: dict[str, list[str]]
    mounts: dict[str, list[SeenMount]]
    processes: dict[str, list[Process]]


def look(paths: Collection[str]) -> Sight:
    """Look at the host for some paths at once."""
    return Sight(
        _procs.mount_table(),
        _jail.fstab_lines_each(paths),
        _procs.mounts_below_each(paths),
        _procs.inside_each(paths),
    )


def describe(path: str, sight: Sight) -> dict[str, object]:
    """Everything that can be read about one path."""
    overlay = _storage.find(path, sight.table)
    leftovers = _storage.leftovers(path)
    lines = sight.lines[path]
    result: dict[str, object] = {
        "path": path,
        "exists": os.path.isdir(path),
        "managed": False,
        "complete": False,
        "storage": "overlay" if overlay else "directory",
        "leftovers": leftovers,
        "fstab": lines,
    }
    if not os.path.isdir(path):
        result["stale"] = _stale_lines(lines, []) + _stale_leftovers(leftovers)
        return result
    with Root(path) as root:
        marker = _jail.marker(root)
        packages = _rootfs.packages(root)
        partial = root.find(_jail.PARTIAL_MARKER, follow=False) is not None
        result.update(
            managed=marker is not None,
            complete=marker is not None
            or (_holds_system(path) and not (partial or _dpkg.unfinished(packages))),
            parameters=marker.parameters if marker else None,
            digest=_marker.digest(marker.parameters) if marker else None,
            engine=marker.engine if marker else None,
            release=marker.release if marker else None,
            created=marker.created if marker else None,
            image=marker.image if marker else None,
            os_release=_jail.os_release(root),
            architecture=_rootfs.architecture(root),
            packages={item.name: item.version for item in packages if item.installed},
        )
    present = _mounts.below(sight.table, path)
    result.update(
        size=_trees.size(
            _storage.storage(path) if overlay else path, {mount.point for mount in present}
        ),
        mounts=[_mounts.describe_mount(mount) for mount in present],
        mounts_elsewhere=[mount.describe() for mount in sight.mounts[path] if not mount.own],
        processes=[
            {"pid": item.pid, "name": item.name, "reason": item.reason}
            for item in sight.processes[path]
        ],
        stale=_stale_lines(lines, [mount.point for mount in present])
        + _stale_leftovers(leftovers)
        + ([f"{path} is an overlay that is not mounted"] if overlay and not overlay.mounted else [])
        + [f"{item.name} is {item.state}" for item in _dpkg.unfinished(packages)],
    )
    return result


def _stale_lines(lines: Iterable[str], points: list[str]) -> list[str]:
    declared = [line.entry.point for line in _fstab.parse("\n".join(lines)) if line.entry]
    return [f"{point} is in fstab and not mounted" for point in declared if point not in points]


def _stale_leftovers(leftovers: Iterable[str]) -> list[str]:
    return [f"{path} was left by a run that was cut short" for path in leftovers]


def plan(paths: Iterable[str], roots: Iterable[str]) -> Plan:
    """Everything about the paths and about what is found below the roots, each once."""
    found = dict.fromkeys(map(os.path.realpath, [*paths, *search(roots)]))
    sight = look(found)
    stores = {_images.STORE: None, **{_images.store_for(path, sight.table): None for path in found}}
    images = [_image.describe(image) for store in stores for image in _images.listed(store)]
    return Plan(result={"jails": [describe(path, sight) for path in found], "images": images})
