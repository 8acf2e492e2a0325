# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What on a host would stop an engine, found out before it has run for minutes."""

from __future__ import annotations

import os

from ansible_collections.jaulas.chroot.plugins.module_utils import _arch, _files
from ansible_collections.jaulas.chroot.plugins.module_utils._bootstrap import Engine, Recipe
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError

_BINFMT = "/proc/sys/fs/binfmt_misc"
_SCRIPTS = "/usr/share/debootstrap/scripts"


def script(made: Recipe) -> str:
    """The file by which debootstrap would make a suite."""
    return os.path.join(_SCRIPTS, made.script or made.suite)


def check(path: str, made: Recipe, engine: Engine) -> None:
    """Raise what stands in the way of a jail at a path."""
    what = f"Cannot bootstrap {path}:"
    if made.keyring and not os.path.isfile(made.keyring):
        raise JailError(
            f"{what} the keyring {made.keyring} is missing on the host.",
            "Copy it there first; the archive cannot be verified without it.",
        )
    if engine.name == "debootstrap" and not os.path.exists(script(made)):
        raise JailError(
            f"{what} debootstrap has no script for {made.script or made.suite}.",
            "Check the spelling, or name a suite like it in `script`.",
        )
    obstacle = _arch.obstacle(made.arch, os.uname().machine, _handlers())
    if obstacle:
        raise JailError(
            f"{what} {obstacle}.",
            "Install qemu-user-static (or enable its handler) on the host.",
        )
    folder = os.path.dirname(path)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    flags = os.statvfs(folder).f_flag
    for flag, name in (
        (os.ST_NOEXEC, "noexec"),
        (os.ST_NODEV, "nodev"),
        (os.ST_RDONLY, "ro"),
    ):
        if flags & flag:
            raise JailError(
                f"{what} the file system at {folder} is mounted {name}.",
                "Remount it without that option, or choose another folder.",
            )


def _handlers() -> list[_arch.Handler]:
    try:
        names = sorted(set(os.listdir(_BINFMT)) - {"register", "status"})
    except OSError:
        return []
    return [_arch.parse_handler(_files.read_text(f"{_BINFMT}/{name}")) for name in names]
