# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every declared jail is whole, mounted for now and for the next boot, and nobody is in it."""

from __future__ import annotations

import json
from typing import Any

import testinfra
from conftest import Jail

#: What is mounted in a jail, by its profile.
MOUNTS = {
    "default": {"/proc": "proc", "/sys": "sysfs", "/dev": None, "/dev/pts": "devpts"},
    "build": {
        "/proc": "proc",
        "/sys": "sysfs",
        "/dev/pts": "devpts",
        "/dev/shm": "tmpfs",
        "/tmp": "tmpfs",
    },
}


def test_sshd_is_up(host: Any) -> None:
    assert host.process.filter(user="root", comm="sshd")


def test_fstab_is_right(host: Any) -> None:
    found = host.run("findmnt --verify")
    assert found.rc == 0, found.stdout


def test_mounts(host: Any, jails: list[Jail]) -> None:
    table = json.loads(host.check_output("findmnt --json --list --output TARGET,FSTYPE"))
    mounted = {item["target"]: item["fstype"] for item in table["filesystems"]}
    lines = host.check_output("findmnt --fstab --noheadings --output TARGET").split()
    for jail in jails:
        own = {item["dest"]: None for item in jail.declared.get("mounts", [])}
        expected = {**MOUNTS[jail.declared.get("profile", "default")], **own}
        for place, fstype in expected.items():
            found = mounted.get(jail.path + place)
            assert found, (jail.path + place, mounted)
            assert fstype in (None, found), (place, found)
            assert jail.path + place in lines, (place, lines)


def test_nobody_is_inside(host: Any) -> None:
    # Those that end meanwhile are none of a jail's.
    assert host.run("find /proc/[0-9]*/root -lname '/srv/jails/*'").stdout == ""


def test_packages_by_dpkg(host: Any, jails: list[Jail]) -> None:
    for jail in jails:
        inside = f"chroot {jail.path}"
        assert host.check_output(f"{inside} dpkg --audit") == ""
        architecture = host.check_output(f"{inside} dpkg --print-architecture")
        assert architecture == jail.declared.get("arch", "amd64")
        for package in jail.declared.get("packages", []):
            assert host.run(f"{inside} dpkg -l {package} | grep ^ii").rc == 0, package


def test_packages_by_testinfra(jails: list[Jail]) -> None:
    for jail in jails:
        inside = testinfra.get_host(str(jail.outside), connection="chroot")
        assert inside.file("/.jail.json").mode == 0o644
        assert inside.user("root").uid == 0
        for package in ["dpkg", *jail.declared.get("packages", [])]:
            assert inside.package(package).is_installed, package


def test_nothing_half_made(host: Any) -> None:
    assert host.check_output("find /srv/jails -maxdepth 1 -name '*.partial-*'") == ""
