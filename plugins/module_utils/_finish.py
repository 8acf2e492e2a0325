# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is left to do with a system that an engine has made: check it, and take the traces out."""

from __future__ import annotations

import contextlib
import os
import shutil

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _archive,
    _dpkg,
    _jail,
    _kernel,
    _marker,
    _rootfs,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._bootstrap import Engine, Recipe
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError
from ansible_collections.jaulas.chroot.plugins.module_utils._glob import glob
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import Root
from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record

#: What only the bootstrap needed: mmdebstrap's options for apt and dpkg, and the package lists.
_TRACES = ("/etc/apt/apt.conf.d/99mmdebstrap", "/etc/dpkg/dpkg.cfg.d/99mmdebstrap")
_LISTS = "/var/lib/apt/lists"
#: Fields of Release that describe the archive and not what was taken from it.
_INDEXES = ("architectures", "components")


class Finished(Record):
    """What was learnt of the archive: its own words, and the digest of each Release file."""

    release: dict[str, str]
    releases: dict[str, str]


def archive_request(recipe: Recipe) -> _archive.Request | None:
    """What to ask the mirror, where it is one that can be asked."""
    if not recipe.mirror or not recipe.mirror.startswith(("http://", "https://")):
        return None
    return _archive.Request(
        mirror=recipe.mirror,
        suite=recipe.suite,
        arch=recipe.arch,
        components=recipe.components,
        proxy=recipe.http_proxy,
        check_valid_until=recipe.check_valid_until and recipe.check_gpg,
    )


def finish(path: str, recipe: Recipe, engine: Engine, root: Root) -> Finished:
    """Check that a system is whole, and leave nothing in it that only the bootstrap needed."""
    found = _rootfs.packages(root)
    broken = _dpkg.unfinished(found)
    missing = [name for name in recipe.include if not _dpkg.satisfies(found, name)]
    if not found or broken or root.find("/bin/sh") is None:
        names = ", ".join(item.name for item in broken[:5]) or "no packages in it"
        raise JailError(
            f"Cannot bootstrap {path}: {engine.name} reports success, but the system is not whole "
            f"({names}).",
            "Check that the mirror has the suite's essential packages.",
        )
    if missing:
        raise JailError(
            f"Cannot bootstrap {path}: {engine.name} left out {', '.join(missing)}.",
            "Check `include`.",
        )
    release = _jail.release(root, recipe.suite)
    request = archive_request(recipe)
    if request:
        _archive.judge(request, release)
    releases = _jail.releases(root)
    _trust_archive(recipe, root)
    for trace in [*_TRACES, *glob(root, f"{_LISTS}/*_*")]:
        with contextlib.suppress(FileNotFoundError):
            folder, name = root.parent(trace)
            os.unlink(name, dir_fd=folder.fd)
    told = {name: release[name] for name in release if name not in _INDEXES}
    return Finished(told, releases)


def mark(root: Root, marker: _marker.Marker) -> None:
    """Say of a system that it is complete, and write all of it out."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
    fd = os.open(_rootfs.MARKER, flags, 0o644, dir_fd=root.fd)
    with open(fd, "w", encoding="utf-8") as handle:
        handle.write(marker.render())
    os.chmod(root.fd, 0o755)
    # The name must not be on the disk before what it names.
    _kernel.sync_filesystem(root.fd)


def _trust_archive(recipe: Recipe, root: Root) -> None:
    """Give the jail's apt the key of its own archive, or it could never install from there."""
    keyring = recipe.keyring
    if not keyring or not recipe.check_gpg or root.find(keyring) is not None:
        return
    folder = root.find("/etc/apt/trusted.gpg.d")
    if folder is None:
        return
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    # A name that the archive's own keyring package would not take.
    name = f"jaulas-{os.path.basename(keyring)}"
    copy = os.open(name, flags, 0o644, dir_fd=folder.fd)
    with open(keyring, "rb") as source, open(copy, "wb") as target:
        shutil.copyfileobj(source, target)
