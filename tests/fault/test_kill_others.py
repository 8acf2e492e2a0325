# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SIGKILL while something is done in a jail, to its mounts, or to the jail itself."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fault_runs import Host
from fault_tools import eventually, leftovers, marker, mount_table, mounts_below

POLICY = "usr/sbin/policy-rc.d"


@pytest.mark.parametrize("victim", ["module", "ansible"])
def test_killed_session(host: Host, jail: Path, victim: str) -> None:
    before = mount_table()
    daemons = "setsid sleep 998 & (sleep 997 &) ; : > /srv/ready; sleep 999"
    run = host.start("chroot_exec", path=str(jail), argv=["sh", "-c", daemons])
    eventually((jail / "srv/ready").exists, "the command's start", 60)
    eventually(
        lambda: sum(item.runs("sleep") for item in host.strays()) == 3, "the command's daemons"
    )
    run.kill(victim)
    host.settle(before)
    placeholder = jail / POLICY
    if placeholder.exists():
        assert placeholder.stat().st_size == 0
        assert not placeholder.stat().st_mode & 0o111
    host.done("chroot_exec", path=str(jail), cmd="true")
    assert not placeholder.exists()


@pytest.mark.parametrize("program", ["apt-get", "dpkg"])
def test_killed_installation(host: Host, jail: Path, program: str) -> None:
    before = mount_table()
    args = {"path": str(jail), "name": ["jaula-probe"], "update_cache": True}
    run = host.start("jail_packages", **args)

    def works() -> bool:
        assert not run.ended(), run.text()
        return any(item.runs(program) for item in run.members())

    eventually(works, f"{program} at work", 60, pause=0.0)
    run.kill("module")
    host.settle(before)
    host.done("jail_packages", **args)
    assert host.done("jail_packages", path=str(jail), name=["jaula-probe"])["changed"] is False
    audit = host.done("chroot_exec", path=str(jail), cmd="dpkg --audit")
    assert audit["stdout"] == ""
    assert not (jail / POLICY).exists()


@pytest.mark.parametrize(
    "left", ["install reinstreq half-installed", "install reinstreq installed"]
)
def test_unpacking_that_was_cut_short(host: Host, jail: Path, left: str) -> None:
    """What dpkg leaves when it is killed in the middle of a package, a name in its lists amiss."""
    args = {"path": str(jail), "name": ["jaula-probe"]}
    host.done("jail_packages", **args, update_cache=True)
    status = jail / "var/lib/dpkg/status"
    whole = "Package: jaula-probe\nStatus: install ok installed\n"
    text = status.read_text()
    assert whole in text
    status.write_text(text.replace(whole, f"Package: jaula-probe\nStatus: {left}\n"))
    (jail / "var/lib/dpkg/info/jaula-probe.list").unlink()
    assert host.done("jail_packages", **args)["changed"] is True
    assert host.done("jail_packages", **args)["changed"] is False
    audit = host.done("chroot_exec", path=str(jail), cmd="dpkg --audit")
    assert audit["stdout"] == ""


def test_killed_mounting(host: Host, place: Path, sham: Callable[[str], Path]) -> None:
    fstab = place / "fstab"
    old = "# the administrator's\nproc /proc proc defaults 0 0\n"
    fstab.write_text(old)
    sources = place / "sources"
    entries = []
    for number in range(6):
        (sources / str(number)).mkdir(parents=True)
        options = ["bind", "ro"] if number % 2 else ["bind"]
        entry = {"src": str(sources / str(number)), "dest": f"/srv/{number}", "opts": options}
        entries.append(entry)
    args = {"profile": "isolated", "mounts": entries, "fstab": str(fstab)}
    model, jail = sham("model"), sham("tested")
    host.done("bind_mounts", path=str(model), **args)
    wanted = fstab.read_text()
    fstab.write_text(old)

    def as_model() -> list[str]:
        return [line.replace(str(jail), str(model)) for line in mount_table() if str(jail) in line]

    model_mounts = [line for line in mount_table() if str(model) in line]
    total = len(mounts_below(model))
    for count in [0, 1, 2, total // 2, total - 1, total]:
        assert not mounts_below(jail)
        run = host.start("bind_mounts", path=str(jail), **args)
        # It lives for a moment only, and may have come to its end before it was seen, or killed.
        seen = eventually(lambda run=run: run.victims("module") or run.ended(), "it", pause=0.0)
        eventually(
            lambda count=count: len(mounts_below(jail)) >= count, f"{count} mounts", pause=0.0
        )
        with contextlib.suppress(ProcessLookupError):
            if isinstance(seen, list):
                os.kill(seen[0], signal.SIGKILL)
        run.process.wait(60)
        eventually(lambda: not host.strays(), "the end of all processes")
        text = fstab.read_text()
        assert text in (old, wanted.replace(str(model), str(jail)))
        verify(fstab)
        if count in (1, total - 1):
            host.done("bind_mounts", path=str(jail), **args)
            assert as_model() == model_mounts
            assert host.done("bind_mounts", path=str(jail), **args)["changed"] is False
        host.done("bind_mounts", path=str(jail), state="absent", fstab=str(fstab))
        assert fstab.read_text() == old
    host.done("bind_mounts", path=str(model), state="unmounted", fstab=str(fstab))


def verify(fstab: Path) -> None:
    """Have findmnt parse every line of an fstab."""
    verified = subprocess.run(
        ["findmnt", "--verify", "--tab-file", fstab], capture_output=True, text=True, check=False
    )
    assert verified.returncode == 0, verified.stdout


def deep_and_wide(path: Path) -> None:
    """A jail by its marker, large enough to be met while it is removed."""
    path.mkdir()
    (path / ".jail.json").write_text(json.dumps(marker()))
    for number in range(20):
        folder = path / f"srv/{number}"
        folder.mkdir(parents=True)
        for name in range(1000):
            os.mknod(folder / str(name))


def files_in(folder: Path) -> int:
    """How many of the files that deep_and_wide() made are left."""
    return sum(len(names) for _base, _folders, names in os.walk(folder))


@pytest.mark.parametrize("left", [19999, 10000, 10])
def test_killed_removal(host: Host, disk: Callable[..., Path], left: int) -> None:
    # Without an index, a folder lists its names in the order in which they were made: the worst
    # for what marks a leftover as ours, which is made first.
    path = disk("ext4", 64, "-N", "32768", "-O", "^dir_index") / "jail"
    before = mount_table()
    deep_and_wide(path)
    run = host.start("debootstrap_jail", path=str(path), state="absent")

    def reached() -> bool:
        return not path.exists() and sum(map(files_in, map(Path, leftovers(path)))) <= left

    run.kill_when(reached, "the removal's middle")
    host.settle(before)
    assert not path.exists()
    host.done("debootstrap_jail", path=str(path), state="absent")
    assert not leftovers(path)


def test_removal_killed_at_once(host: Host, jail: Path) -> None:
    before = mount_table()
    run = host.start("debootstrap_jail", path=str(jail), state="absent")
    run.kill_when(lambda: True, "the module's start")
    host.settle(before)
    if jail.exists():
        assert host.done("chroot_exec", path=str(jail), cmd="true")["rc"] == 0
    host.done("debootstrap_jail", path=str(jail), state="absent")
    assert not jail.exists()
    assert not leftovers(jail)
