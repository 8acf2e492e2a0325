# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two runs at once over the same jail, the same path or the same fstab."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from fault_runs import Host, clear
from fault_tools import bootstrap, eventually, leftovers, mounts_below

JAILS = 10


def test_two_bootstraps_on_one_path(host: Host, place: Path) -> None:
    path = place / "jail"
    runs = [host.start("debootstrap_jail", **bootstrap(path)) for _round in range(2)]
    results = [run.result() for run in runs]
    made = [found for found in results if not found["failed"] and found["changed"]]
    assert len(made) == 1, results
    for found in results:
        if found["failed"]:
            assert "in use by debootstrap_jail" in clear(found)
    assert not leftovers(path)
    assert host.done("debootstrap_jail", **bootstrap(path))["changed"] is False
    assert host.done("chroot_exec", path=str(path), cmd="true")["rc"] == 0


def test_ten_jails_and_one_fstab(host: Host, place: Path, sham: Callable[[str], Path]) -> None:
    fstab = place / "fstab"
    fstab.write_text("# kept\nproc /proc proc defaults 0 0\n")
    source = place / "source"
    source.mkdir()
    jails = [sham(f"jail {number}") for number in range(JAILS)]
    entry = {"src": str(source), "dest": "/srv", "opts": ["bind"]}
    args = {"profile": "none", "mounts": [entry], "fstab": str(fstab)}
    runs = [host.start("bind_mounts", path=str(jail), **args) for jail in jails]
    for run in runs:
        found = run.result()
        assert not found["failed"], found
    text = fstab.read_text()
    assert text.startswith("# kept\nproc /proc proc defaults 0 0\n")
    for jail in jails:
        assert text.count(str(jail / "srv").replace(" ", "\\040") + " ") == 1, text
        assert mounts_below(jail) == [str(jail / "srv")]
    verified = subprocess.run(
        ["findmnt", "--verify", "--tab-file", fstab], capture_output=True, text=True, check=False
    )
    assert verified.returncode == 0, verified.stdout
    absent = [("bind_mounts", {**args, "path": str(jail), "state": "absent"}) for jail in jails]
    assert all(found["changed"] for found in host.play(absent, 120))
    assert fstab.read_text() == "# kept\nproc /proc proc defaults 0 0\n"


def test_bootstrap_and_removal(host: Host, place: Path) -> None:
    path = place / "jail"
    making = host.start("debootstrap_jail", **bootstrap(path))
    eventually(lambda: leftovers(path), "the bootstrap's beginning")
    removing = host.start("debootstrap_jail", path=str(path), state="absent")
    made, removed = making.result(), removing.result()
    assert not made["failed"], made
    # It waits for the bootstrap and then removes what that made.
    assert not removed["failed"], removed
    assert removed["changed"], removed
    assert not path.exists()
    assert not leftovers(path)


def test_many_sessions_in_one_jail(host: Host, jail: Path) -> None:
    script = "echo $$ > /srv/$0 && test -x /usr/sbin/policy-rc.d && cat"
    runs = []
    for number in range(6):
        argv = ["sh", "-c", script, f"run-{number}"]
        runs.append(host.start("chroot_exec", path=str(jail), argv=argv, stdin=f"{number}"))
    for number, run in enumerate(runs):
        found = run.result()
        assert not found["failed"], found
        assert found["stdout"] == str(number)
        assert (jail / f"srv/run-{number}").is_file()
    assert not (jail / "usr/sbin/policy-rc.d").exists()


def test_packages_and_sessions_at_once(host: Host, jail: Path) -> None:
    session = host.start("chroot_exec", path=str(jail), argv=["sh", "-c", "touch /srv/in; cat"])
    install = {"path": str(jail), "name": ["jaula-probe"], "update_cache": True}
    runs = [host.start("jail_packages", **install) for _round in range(2)]
    results = [run.result() for run in runs]
    assert not any(found["failed"] for found in results), results
    assert sorted(found["changed"] for found in results) == [False, True]
    assert not session.result()["failed"]
    assert not (jail / "usr/sbin/policy-rc.d").exists()
