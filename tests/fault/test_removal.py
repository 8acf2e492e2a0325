# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Removals that are made difficult: never a file of the host is lost."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fault_runs import Host, clear
from fault_tools import LIBC, digest, eventually, leftovers, marker, mounts_below

MS_BIND = 4096
INNER = "srv/host"
ROUNDS = 4
#: How often it is tried to be in the way at all: a machine under load may look the other way.
MOST = 40
FILES = 5000
LEVELS = 3000


@contextlib.contextmanager
def restless_mount(source: Path, jail: Path, proven: bool) -> Iterator[list[int]]:
    """Mount a folder of the host in a jail and unmount it, again and again, wherever it moves to.

    If the jail is to be proven unused, begins when its name is gone. Yields a list that grows with
    every mount. No descriptor is kept: that alone would be a use.
    """
    stop, worked = threading.Event(), []

    def work() -> None:
        while proven and jail.exists() and not stop.is_set():
            pass
        while not stop.is_set():
            moved = jail.parent.glob(f"{jail.name}.partial-*/root/{INNER}")
            for place in (jail / INNER, *moved):
                if LIBC.mount(os.fsencode(source), os.fsencode(place), None, MS_BIND, None) == 0:
                    worked.append(1)
            for where in mounts_below(jail.parent):
                LIBC.umount2(os.fsencode(where), 8)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield worked
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("proven", [False, True], ids=["all the time", "after the proof"])
def test_a_mount_appears_meanwhile(
    host: Host, canary: Path, sham: Callable[[str], Path], proven: bool
) -> None:
    host_files = digest(canary)
    refusals = 0
    for number in range(MOST):
        if number >= ROUNDS and refusals:
            break
        path = sham(f"jails/jail-{number}")
        (path / INNER).mkdir()
        for name in range(5000):
            os.mknod(path / "home" / str(name))
        with restless_mount(canary, path, proven) as worked:
            eventually(lambda worked=worked: proven or len(worked) > 2, "mounts")
            found = host.call("debootstrap_jail", path=str(path), state="absent")
        assert digest(canary) == host_files
        if found["failed"]:
            refusals += 1
            # It may be found unused between two mounts, as it is when they begin after the proof.
            assert not (proven and path.exists())
            if path.exists():
                assert len(os.listdir(path / "home")) == FILES, "refused, and yet begun"
            assert "mount" in clear(found) or "busy" in clear(found)
        # Without the disturbance, all of it goes.
        host.done("debootstrap_jail", path=str(path), state="absent")
        assert not path.exists()
        assert not leftovers(path)
    assert refusals, "the mounts were never in the way"


def test_links_to_the_host(host: Host, canary: Path, sham: Callable[[], Path]) -> None:
    path = sham()
    (path / "home").rmdir()
    (path / "home").symlink_to(canary / "home")
    (path / "srv/up").symlink_to("../../canary")
    (path / "srv/file").symlink_to(canary / "home/file")
    os.link(canary / "home/file", path / "srv/hard")
    host.done("debootstrap_jail", path=str(path), state="absent")
    assert not path.exists()
    assert (canary / "home/file").read_text() == "the host's\n"


def test_a_deep_tree(host: Host, canary: Path, sham: Callable[[], Path]) -> None:
    path = sham()
    name = "d" * 200
    fd = os.open(path / "srv", os.O_RDONLY)
    for level in range(LEVELS):
        os.mkdir(name, dir_fd=fd)
        inner = os.open(name, os.O_RDONLY, dir_fd=fd)
        if level % 100 == 0:
            os.symlink(canary, "host", dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)
    host.done("debootstrap_jail", path=str(path), state="absent")
    assert not path.exists()
    assert not leftovers(path)


@pytest.mark.parametrize("features", ["dir_index", "^dir_index"])
def test_an_immutable_file(host: Host, disk: Callable[..., Path], features: str) -> None:
    path = disk("ext4", 64, "-O", features) / "jail"
    (path / "srv").mkdir(parents=True)
    (path / ".jail.json").write_text(json.dumps(marker()))
    (path / "srv/kept").write_text("kept\n")
    subprocess.run(["chattr", "+i", path / "srv/kept"], check=True)
    sentence = host.refused("debootstrap_jail", path=str(path), state="absent")
    assert "Operation not permitted (kept)" in sentence
    assert "lsattr" in sentence
    (kept,) = path.parent.rglob("kept")
    assert kept.read_text() == "kept\n"
    subprocess.run(["chattr", "-i", kept], check=True)
    assert host.done("debootstrap_jail", path=str(path), state="absent")["changed"] is True
    assert not path.exists()
    assert not leftovers(path)
