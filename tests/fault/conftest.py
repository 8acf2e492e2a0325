# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the fault tests: a host to break things on, jails to break, and a canary."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import fault_tools
import pytest
from fault_runs import Host
from fault_tools import bootstrap, copy, marker

UMOUNT_NOFOLLOW = 8
# Plain pytest does not know collections.
sys.path.extend(path for path in os.environ.get("ANSIBLE_COLLECTIONS_PATH", "").split(":") if path)


def clear_mounts(folder: Path) -> None:
    """Unmount all that is mounted below a folder, the last first."""
    for point in reversed(fault_tools.mounts_below(folder)):
        result = fault_tools.LIBC.umount2(os.fsencode(point), UMOUNT_NOFOLLOW)
        assert result == 0, (point, os.strerror(ctypes.get_errno()))


def clear_folder(folder: Path) -> None:
    """Delete a test's folder, once nothing of anybody else's is mounted in it."""
    clear_mounts(folder)
    subprocess.run(["chattr", "-R", "-f", "-i", folder], check=False)
    subprocess.run(["rm", "-rf", "--one-file-system", folder], check=True)


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    """The machine, with a scratch folder of its own for this session."""
    fault_tools.become_a_host()
    folder = Path(tempfile.mkdtemp(prefix="fault-", dir=os.environ["JAILS_ROOT"])).resolve()
    try:
        yield Host(folder)
    finally:
        clear_folder(folder)


@pytest.fixture(scope="session")
def base(host: Host) -> Path:
    """A whole jail, made once; tests work on copies of it."""
    path = host.folder / "base"
    host.done("debootstrap_jail", **bootstrap(path))
    # What no test reads, and every copy would cost.
    for bulk in ("doc", "locale", "man", "zoneinfo", "i18n"):
        shutil.rmtree(path / "usr/share" / bulk, ignore_errors=True)
    return path


@pytest.fixture
def place(host: Host) -> Iterator[Path]:
    """A new folder for one test. Nothing may be left of the test but what is in there."""
    folder = Path(tempfile.mkdtemp(prefix="test-", dir=host.folder))
    before = fault_tools.mount_table()
    try:
        yield folder
        host.settle(before)
    finally:
        for item in host.strays():
            with contextlib.suppress(ProcessLookupError):
                os.kill(item.pid, signal.SIGKILL)
        fault_tools.eventually(lambda: not host.strays(), "the end of what a test left behind")
        clear_folder(folder)


@pytest.fixture
def jail(base: Path, place: Path) -> Path:
    """A whole jail of the test's own."""
    return copy(base, place / "jail")


@pytest.fixture
def sham(place: Path) -> Callable[[str], Path]:
    """Makes jails by their marker alone: a few small files, quickly made and removed."""

    def make(name: str = "jail") -> Path:
        path = place / name
        for folder in ("etc", "dev", "proc", "sys", "srv", "home", "usr/bin"):
            (path / folder).mkdir(parents=True)
        (path / ".jail.json").write_text(json.dumps(marker()))
        return path

    return make


@pytest.fixture
def canary(place: Path) -> Iterator[Path]:
    """A folder of the host that no jail may change."""
    folder = place / "canary"
    for name in ("dev", "proc", "etc", "usr/sbin", "run", "home"):
        (folder / name).mkdir(parents=True)
        (folder / name / "file").write_text("the host's\n")
    (folder / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (folder / "etc/os-release").write_text("ID=host\n")
    before, mounted = fault_tools.digest(folder), fault_tools.mounts_below(folder)
    yield folder
    assert fault_tools.digest(folder) == before
    assert fault_tools.mounts_below(folder) == mounted


@pytest.fixture
def disk(place: Path) -> Iterator[Callable[..., Path]]:
    """Makes a file system in a file: its kind, its size in MiB, more for mkfs."""
    image, folder = place / "image", place / "disk"

    def make(kind: str, size: int, *options: str) -> Path:
        folder.mkdir()
        with open(image, "wb") as handle:
            handle.truncate(size << 20)
        subprocess.run([f"mkfs.{kind}", "-q", *options, image], check=True)
        subprocess.run(["mount", "-o", "loop", image, folder], check=True)
        return folder

    yield make
    if folder.is_mount():
        subprocess.run(["umount", folder], check=True)
