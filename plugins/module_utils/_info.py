# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tell what is at a path as far as jails go. Reads files only: starts nothing, changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _dpkg,
    _fstab,
    _jail,
    _marker,
    _mounts,
    _procs,
    _rootfs,
    _trees,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import Root
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Plan


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
            if not os.path.islink(place) and os.path.isdir(place) and _holds_system(place):
                found.append(place)
    return found


def _holds_system(place: str) -> bool:
    signs = (
        _rootfs.MARKER,
        _jail.PARTIAL_MARKER,
        "/etc/os-release",
        "/bin/sh",
        "/usr/bin/sh",
    )
    with Root(place) as root:
        return any(root.find(sign, follow=False) for sign in signs)


def describe(path: str) -> dict[str, object]:
    """Everything that can be read about one path."""
    path = os.path.realpath(path)
    leftovers = _jail.leftovers(path)
    lines = _jail.fstab_lines(path)
    result: dict[str, object] = {
        "path": path,
        "exists": os.path.isdir(path),
        "managed": False,
        "complete": False,
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
            os_release=_jail.os_release(root),
            architecture=_rootfs.architecture(root),
            packages={item.name: item.version for item in packages if item.installed},
        )
    present = _mounts.below(_procs.mount_table(), path)
    processes = _procs.inside(path)
    result.update(
        size=_trees.size(path, {mount.point for mount in present}),
        mounts=[_mounts.describe_mount(mount) for mount in present],
        mounts_elsewhere=[mount.describe() for mount in _procs.mounts_below(path) if not mount.own],
        processes=[
            {"pid": item.pid, "name": item.name, "reason": item.reason} for item in processes
        ],
        stale=_stale_lines(lines, [mount.point for mount in present])
        + _stale_leftovers(leftovers)
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
    return Plan(result={"jails": [describe(path) for path in found]})
