# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What should be mounted in a jail: one wanted mount, and the named sets of them. Pure."""

from __future__ import annotations

from ansible_collections.jaulas.chroot.plugins.module_utils import _options, _paths
from ansible_collections.jaulas.chroot.plugins.module_utils._record import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from collections.abc import Iterable


class Wanted(Record):
    """One mount as declared: dest is a path inside the jail; fstype is `none` for a bind."""

    src: str
    dest: str
    fstype: str = "none"
    opts: tuple[str, ...] = ("bind",)

    @property
    def options(self) -> _options.Options:
        return _options.parse(self.opts)


def _bind(path: str) -> Wanted:
    return Wanted(path, path)


_PROC = Wanted("proc", "/proc", "proc", ("nosuid", "nodev", "noexec"))
_SYS = Wanted("sysfs", "/sys", "sysfs", ("ro", "nosuid", "nodev", "noexec"))
#: gid 5 is `tty` on every Linux that has the group; grantpt(3) relies on it.
_PTS = Wanted(
    "devpts",
    "/dev/pts",
    "devpts",
    ("nosuid", "noexec", "gid=5", "mode=620", "ptmxmode=666"),
)
_SHM = Wanted("tmpfs", "/dev/shm", "tmpfs", ("nosuid", "nodev", "mode=1777"))
_TMP = Wanted("tmpfs", "/tmp", "tmpfs", ("nosuid", "nodev", "mode=1777"))

_CLASSIC = tuple(map(_bind, ("/proc", "/sys", "/dev", "/dev/pts")))
_ISOLATED = (_PROC, _SYS, _PTS, _SHM)

PROFILES: dict[str, tuple[Wanted, ...]] = {
    "none": (),
    "default": _CLASSIC,
    "isolated": _ISOLATED,
    "build": (*_ISOLATED, _TMP),
    "desktop": (*_CLASSIC, *map(_bind, ("/dev/shm", "/home", "/tmp"))),
}


def mount_set(profile: str, extra: Iterable[Wanted]) -> list[Wanted]:
    """Put a profile and the user's own mounts in the order in which they must be made.

    An own mount replaces the profile's at the same place; outer ones come before inner ones.
    """
    chosen = {wanted.dest: wanted for wanted in (*PROFILES[profile], *extra)}
    return sorted(chosen.values(), key=lambda wanted: len(_paths.components(wanted.dest)))
