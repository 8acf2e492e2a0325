# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A jail as it is now: whose it is, what it holds, who is in it. Reads only."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _files,
    _fstab,
    _marker,
    _release,
    _rootfs,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._glob import glob
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import Root, around

_RELEASE_LIMIT = 1 << 20
#: Leftovers of a bootstrap or removal that was cut short lie beside the jail under such a name.
PARTIAL = ".partial-"
_PARTIAL = re.compile(rf"{re.escape(PARTIAL)}[0-9a-f]{{8}}")
#: What proves that a folder of that name is ours.
PARTIAL_MARKER = ".jail-partial"


def marker(root: Root) -> _marker.Marker | None:
    """Read the jail's marker; it must be a plain file at the root, not a link."""
    place = root.find(_rootfs.MARKER, follow=False)
    if place is None or not stat.S_ISREG(place.status.st_mode):
        return None
    return _marker.parse(root.read(_rootfs.MARKER, _marker.LIMIT))


def inspect(path: str) -> tuple[str, _marker.Marker | None]:
    """Tell what is at a path: absent, empty, jail (with its marker) or foreign."""
    if not os.path.lexists(path):
        return "absent", None
    if os.path.islink(path) or not os.path.isdir(path):
        return "foreign", None
    if not os.listdir(path):
        return ("foreign" if os.path.ismount(path) else "empty"), None
    with Root(path) as root:
        found = marker(root)
    return ("jail", found) if found else ("foreign", None)


def state(path: str, parameters: dict[str, object] | None) -> dict[str, str]:
    """A jail as a diff shows it: the parameters that it was (or will be) made from."""
    return {path: json.dumps(parameters, indent=2, sort_keys=True) + "\n" if parameters else ""}


def observe(path: str) -> dict[str, str]:
    """The state of a jail as it is."""
    found = inspect(path)[1]
    return state(path, found.parameters if found else None)


def os_release(root: Root) -> dict[str, str]:
    """Read os-release(5), from either of its places."""
    text = _rootfs.read_text(root, "/etc/os-release") or _rootfs.read_text(
        root, "/usr/lib/os-release"
    )
    return _release.parse_os_release(text)


def release(root: Root, suite: str) -> dict[str, str]:
    """Read what the archive called a suite, from the lists that the bootstrap left."""
    for path in glob(root, "/var/lib/apt/lists/*Release"):
        fields = _release.parse_release(_rootfs.read_text(root, path, _RELEASE_LIMIT))
        if suite in (fields.get("suite"), fields.get("codename")):
            return fields
    return {}


def releases(root: Root) -> dict[str, str]:
    """Digest what each archive said of itself, by its address, from what the bootstrap left.

    Only those that can be asked again, and that were found, are told.
    """
    found: dict[str, str] = {}
    lists = glob(root, "/var/lib/apt/lists/*Release")
    for address, suite in _release.sources(_rootfs.read_text(root, "/etc/apt/sources.list")):
        # apt names a list by its address; debootstrap has a name of its own in the host's place.
        end = f"_dists_{suite.replace('/', '_')}_"
        names = [path for path in lists if path.rpartition(end)[2] in ("InRelease", "Release")]
        if address.startswith(("http://", "https://")) and names:
            text = _rootfs.read_text(root, names[0], _RELEASE_LIMIT)
            found[f"{address}/dists/{suite}"] = _release.digest(text)
    return found


def fstab_points(entry: _fstab.Entry) -> tuple[str, str]:
    """Where a line of fstab mounts: as it is spelled, and where that leads."""
    return os.path.normpath(entry.point), os.path.realpath(entry.point)


def fstab_lines_each(jails: Iterable[str], fstab: str = "/etc/fstab") -> dict[str, list[str]]:
    """Read the lines of fstab that mount something below each jail, however that is spelled."""
    found: dict[str, list[str]] = {jail: [] for jail in jails}
    for line in _fstab.parse(_files.read_text(fstab)):
        points = fstab_points(line.entry) if line.entry else ()
        for jail in {jail for point in points for jail in around(point, found) if jail != point}:
            found[jail].append(line.text)
    return found


def fstab_lines(jail: str) -> list[str]:
    """Read the lines of fstab that mount something below a jail."""
    return fstab_lines_each([jail])[jail]


def leftovers(path: str) -> list[str]:
    """Find what a run that was cut short left beside a jail: ours by name and by content."""
    folder, name = os.path.split(path)
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    found = []
    for other in names:
        place = os.path.join(folder, other)
        if not (other.startswith(name) and _PARTIAL.fullmatch(other[len(name) :])):
            continue
        if os.path.islink(place) or not os.path.isdir(place):
            continue
        # An empty one was cut short before it could say whose it is.
        if os.path.lexists(os.path.join(place, PARTIAL_MARKER)) or not os.listdir(place):
            found.append(place)
    return found
