# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A jail as it is now: whose it is, what it holds, who is in it. Reads only."""

from __future__ import annotations

import json
import os
import re
import stat

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _arch,
    _dpkg,
    _files,
    _fstab,
    _kernel,
    _marker,
    _procs,
    _release,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import (
    JailError,
    Refused,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import (
    Root,
    is_inside,
)

_STATUS = "/var/lib/dpkg/status"
_STATUS_LIMIT = 64 << 20
_TEXT_LIMIT = 1 << 16
_RELEASE_LIMIT = 1 << 20
#: Leftovers of a bootstrap or removal that was cut short lie beside the jail under such a name.
_PARTIAL = re.compile(r"\.partial-[0-9a-f]{8}")
#: What proves that a folder of that name is ours.
PARTIAL_MARKER = ".jail-partial"


def require_root_user(doing: str) -> None:
    """Refuse to start without the rights that mounting and chroot need."""
    if os.geteuid() != 0:
        raise JailError(
            f"Cannot start {doing} as the user {os.geteuid()}: it needs root on the host.",
            "Set become: true.",
        )


def real_parent(path: str) -> str:
    """Check a jail's path and spell it without links above its last name; it may be missing."""
    if not os.path.isabs(path):
        raise JailError(f"Cannot use {path}: the path is not absolute.", "Start it with `/`.")
    if any(ord(sign) < 32 for sign in path):
        raise JailError(f"Cannot use {path!r}: the path holds a control character.")
    normal = os.path.normpath("/" + path.lstrip("/"))
    if normal == "/":
        raise Refused("Cannot use /: that is the host itself.", "Name a folder of its own.")
    folder, name = os.path.split(normal)
    return os.path.join(os.path.realpath(folder), name)


def real_root(path: str) -> str:
    """Check that a path is a folder that can serve as a root, and spell it without links."""
    real = os.path.realpath(real_parent(path))
    try:
        status = os.stat(real)
    except OSError as error:
        raise JailError(f"Cannot use {path}: {error.strerror}.", "Make the jail first.") from None
    if not stat.S_ISDIR(status.st_mode):
        raise JailError(f"Cannot use {path}: it is not a folder.")
    if os.path.samestat(status, os.stat("/")):
        raise Refused(f"Cannot use {path}: that is the host itself.", "Name another folder.")
    return real


def real_root_or_nothing(path: str) -> str:
    """As real_root(), but a folder that is gone will do: what was left of it can be cleared."""
    spelled = real_parent(path)
    return real_root(path) if os.path.lexists(spelled) else spelled


def read_text(root: Root, path: str, limit: int = _TEXT_LIMIT) -> str:
    """Read a text file of the jail; one that is missing or out of reach is empty."""
    try:
        return root.read(path, limit).decode("utf-8", "replace")
    except OSError:
        return ""


def marker(root: Root) -> _marker.Marker | None:
    """Read the jail's marker; it must be a plain file at the root, not a link."""
    place = root.find(_marker.NAME, follow=False)
    if place is None or not stat.S_ISREG(place.status.st_mode):
        return None
    return _marker.parse(root.read(_marker.NAME, _marker.LIMIT))


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


def packages(root: Root) -> list[_dpkg.Package]:
    """Read what dpkg knows, from outside."""
    return _dpkg.parse(read_text(root, _STATUS, _STATUS_LIMIT))


def has_dpkg(root: Root) -> bool:
    """Tell whether dpkg manages this jail."""
    place = root.find(_STATUS)
    return place is not None and stat.S_ISREG(place.status.st_mode)


def os_release(root: Root) -> dict[str, str]:
    """Read os-release(5), from either of its places."""
    text = read_text(root, "/etc/os-release") or read_text(root, "/usr/lib/os-release")
    return _release.parse_os_release(text)


def architecture(root: Root) -> str | None:
    """Name the jail's architecture by its shell, or by dpkg where there is none."""
    for program in ("/bin/sh", "/usr/bin/sh", "/usr/bin/dpkg", "/bin/busybox"):
        try:
            found = _arch.of_program(root.read(program, 20))
        except OSError:
            continue
        # ELF cannot tell Debian's two 32-bit arm ports apart; dpkg can.
        if found and found != "armhf":
            return found
        if found:
            return "armel" if _dpkg_architecture(root) == "armel" else found
    return _dpkg_architecture(root)


def _dpkg_architecture(root: Root) -> str | None:
    return next((item.arch for item in packages(root) if item.name == "dpkg"), None)


def release(root: Root, suite: str) -> dict[str, str]:
    """Read what the archive called a suite, from the lists that the bootstrap left."""
    for path in root.glob("/var/lib/apt/lists/*Release"):
        fields = _release.parse_release(read_text(root, path, _RELEASE_LIMIT))
        if suite in (fields.get("suite"), fields.get("codename")):
            return fields
    return {}


def leave_other_jails(own: str) -> None:
    """Let go of the mounts of all jails but one, in a mount namespace of our own.

    A copy of a jail's mount that lives on in here would keep that jail from being removed.
    """
    left: list[str] = []
    for mount in _procs.mount_table():
        point = mount.point
        if own in (point, *_above(point)) or any(is_inside(point, other) for other in left):
            continue
        if any(os.path.lexists(os.path.join(folder, _marker.NAME)) for folder in _above(point)):
            _kernel.detach(point)
            left.append(point)


def _above(path: str) -> list[str]:
    """The folders above a path, without the root."""
    names = path.strip("/").split("/")
    return ["/" + "/".join(names[:depth]) for depth in range(1, len(names))]


def fstab_belongs(jail: str, entry: _fstab.Entry) -> bool:
    """Tell whether a line of fstab mounts something below a jail, however its path is spelled."""
    return any(
        is_inside(point, jail)
        for point in (os.path.normpath(entry.point), os.path.realpath(entry.point))
    )


def fstab_lines(jail: str, fstab: str = "/etc/fstab") -> list[str]:
    """Read the lines of fstab that mount something below a jail."""
    lines = _fstab.parse(_files.read_text(fstab))
    return [line.text for line in lines if line.entry and fstab_belongs(jail, line.entry)]


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
