# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a next jail is on file systems that can do more than to write it once more."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fault_runs import Host
from fault_tools import bootstrap, comparable

#: The inode of the top of a subvolume, and of that of a file system of this kind.
SUBVOLUME = 256
#: ext4 keeps the files of a folder together in so many of its groups (mke2fs(8), flex_bg).
FLEX = 16


def free(folder: Path) -> int:
    """Bytes that are free once all is written."""
    subprocess.run(["sync", "--file-system", folder], check=True)
    found = os.statvfs(folder)
    return found.f_bfree * found.f_frsize


def in_use(folder: Path) -> int:
    """Bytes that a tree takes."""
    said = subprocess.run(["du", "-s", "-B1", folder], check=True, capture_output=True)
    return int(said.stdout.split()[0])


@pytest.mark.parametrize("kind", ["btrfs", "xfs"])
def test_a_copy_shares_its_blocks(host: Host, disk: Callable[..., Path], kind: str) -> None:
    """It is whole, takes next to nothing, and goes without a trace."""
    folder = disk(kind, 1024)
    first, second = folder / "first", folder / "second"
    host.done("debootstrap_jail", **bootstrap(first, image=True))
    before = free(folder)
    made = host.done("debootstrap_jail", **bootstrap(second, image=True))
    assert "from a base image" in made["actions"][0]
    assert comparable(second) == comparable(first)
    assert before - free(folder) < in_use(second) / 5
    assert (second.stat().st_ino == SUBVOLUME) == (kind == "btrfs")
    for jail in (first, second):
        host.done("debootstrap_jail", path=str(jail), state="absent")
    assert os.listdir(folder) == [".jaulas.chroot"]


def parts(tree: Path, size: int) -> set[int]:
    """In which parts of an ext4 the files of a tree are, if a part has so many inodes."""
    names = [tree, *tree.rglob("*")]
    return {(name.lstat().st_ino - 1) // size for name in names}


def test_jails_are_apart(host: Host, disk: Callable[..., Path]) -> None:
    """Whoever makes one is not slowed down by the inodes of those that were removed (ext4)."""
    # ext4 spreads what is at its top by itself.
    folder = disk("ext4", 16384) / "jails"
    folder.mkdir()
    told = subprocess.run(
        ["dumpe2fs", "-h", folder.parents[1] / "image"], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    each = [int(line.split()[-1]) for line in told if line.startswith("Inodes per group:")]
    paths = [folder / name for name in ("first", "second", "third")]
    for path in paths:
        host.done("debootstrap_jail", **bootstrap(path, image=True))
    seen = [parts(path, each[0] * FLEX) for path in paths]
    assert sum(map(len, seen)) == len(set.union(*seen)) == len(seen)
    flags = subprocess.run(["lsattr", "-d", *paths], check=True, capture_output=True, text=True)
    assert all("T" not in line.split()[0] for line in flags.stdout.splitlines())
