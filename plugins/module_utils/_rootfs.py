# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A folder that is to serve as a root: may it, and what a session must know of it. Reads only."""

from __future__ import annotations

import os
import stat

from ansible_collections.jaulas.chroot.plugins.module_utils import _arch
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import (
    JailError,
    Refused,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import Root
from ansible_collections.jaulas.chroot.plugins.module_utils._record import TYPE_CHECKING

if TYPE_CHECKING:
    from ansible_collections.jaulas.chroot.plugins.module_utils import _dpkg

#: Who finds a plain file of this name at the root of a folder has a jail of ours before him.
MARKER = ".jail.json"
_STATUS = "/var/lib/dpkg/status"
_STATUS_LIMIT = 64 << 20
_TEXT_LIMIT = 1 << 16


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


def holds_system(root: Root) -> bool:
    """Tell whether there is any sign of a system."""
    signs = (MARKER, "/etc/os-release", "/bin/sh", "/usr/bin/sh", _STATUS)
    return any(root.exists(sign, follow=False) for sign in signs)


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


def packages(root: Root) -> list[_dpkg.Package]:
    """Read what dpkg knows, from outside."""
    # Hardly a session needs it, and all of them would wait until it is loaded.
    from ansible_collections.jaulas.chroot.plugins.module_utils import _dpkg  # noqa: PLC0415

    return _dpkg.parse(read_text(root, _STATUS, _STATUS_LIMIT))


def has_dpkg(root: Root) -> bool:
    """Tell whether dpkg manages this jail."""
    place = root.find(_STATUS)
    return place is not None and stat.S_ISREG(place.status.st_mode)


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
