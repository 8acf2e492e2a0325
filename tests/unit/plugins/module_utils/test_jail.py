# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _jail,
    _marker,
    _rootfs,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError, Refused
from ansible_collections.jaulas.chroot.plugins.module_utils._fstab import Entry
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import Root

MARKER = _marker.Marker({"suite": "trixie"}, {"name": "debootstrap"}, {}, "").render()
CAPTURED = "Suite: {suite}\nCodename: {name}\n"


@pytest.fixture
def jail(tmp_path: Path) -> Path:
    place = tmp_path / "jail"
    place.mkdir()
    return place


def elf(machine: int, bits: int = 2) -> bytes:
    return b"\x7fELF" + bytes((bits, 1, 1)) + bytes(9) + b"\x03\0" + bytes((machine, 0))


@pytest.mark.parametrize("path", ["/srv/j", "/srv//j/", "//srv/./j", "/srv/x/../j"])
def test_real_parent_spells_one_way(path: str) -> None:
    assert _rootfs.real_parent(path) == os.path.realpath("/srv") + "/j"


def test_real_parent_follows_links_above_only(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real/j").symlink_to("/")
    assert _rootfs.real_parent(f"{tmp_path}/link/j") == f"{tmp_path}/real/j"
    with pytest.raises(Refused, match="the host itself"):
        _rootfs.real_root(f"{tmp_path}/link/j")


@pytest.mark.parametrize("path", ["", "srv/j", "/", "//", "/..", "/a\tb", "/a\0b"])
def test_real_parent_refuses(path: str) -> None:
    with pytest.raises(JailError):
        _rootfs.real_parent(path)


def test_inspect(jail: Path) -> None:
    assert _jail.inspect(str(jail / "nowhere"))[0] == "absent"
    assert _jail.inspect(str(jail))[0] == "empty"
    (jail / "x").write_text("")
    assert _jail.inspect(str(jail))[0] == "foreign"
    assert _jail.inspect(str(jail / "x"))[0] == "foreign"
    (jail / ".jail.json").write_text(MARKER)
    kind, marker = _jail.inspect(str(jail))
    assert (kind, marker and marker.parameters) == ("jail", {"suite": "trixie"})
    (jail.parent / "link").symlink_to("jail")
    assert _jail.inspect(f"{jail.parent}/link")[0] == "foreign"


@pytest.mark.parametrize("how", ["link", "folder", "pipe"])
def test_a_marker_is_a_plain_file(jail: Path, how: str) -> None:
    place = jail / ".jail.json"
    if how == "link":
        (jail / "other").write_text(MARKER)
        place.symlink_to("other")
    elif how == "folder":
        place.mkdir()
    else:
        os.mkfifo(place)
    assert _jail.inspect(str(jail)) == ("foreign", None)


@pytest.mark.parametrize(
    ("program", "status", "arch"),
    [
        (elf(62), "", "amd64"),
        (elf(3, 1), "", "i386"),
        (elf(40, 1), "", "armhf"),
        (elf(40, 1), "armel", "armel"),
        (elf(40, 1), "riscv64", "armhf"),
        (b"#!/bin/dash\n" * 9, "i386", "i386"),
        (b"", "", None),
    ],
)
def test_architecture(jail: Path, program: bytes, status: str, arch: str | None) -> None:
    (jail / "bin").mkdir()
    (jail / "bin/sh").write_bytes(program)
    if status:
        (jail / "var/lib/dpkg").mkdir(parents=True)
        text = f"Package: dpkg\nStatus: install ok installed\nArchitecture: {status}\n"
        (jail / "var/lib/dpkg/status").write_text(text)
    with Root(str(jail)) as root:
        found = _rootfs.architecture(root)
    assert found == arch


def test_release_is_that_of_the_suite(jail: Path) -> None:
    lists = jail / "var/lib/apt/lists"
    lists.mkdir(parents=True)
    (lists / "m_dists_a_InRelease").write_text(CAPTURED.format(suite="old", name="bookworm"))
    (lists / "m_dists_b_Release").write_text(CAPTURED.format(suite="stable", name="trixie"))
    with Root(str(jail)) as root:
        assert _jail.release(root, "stable") == {"suite": "stable", "codename": "trixie"}
        assert _jail.release(root, "bookworm")["suite"] == "old"
        assert _jail.release(root, "sid") == {}


@pytest.mark.parametrize("where", ["etc/os-release", "usr/lib/os-release"])
def test_os_release(jail: Path, where: str) -> None:
    (jail / where).parent.mkdir(parents=True)
    (jail / where).write_text("ID=debian\n")
    with Root(str(jail)) as root:
        assert _jail.os_release(root) == {"id": "debian"}


@pytest.mark.parametrize(
    ("point", "belongs"),
    [
        ("{jail}/proc", True),
        ("{jail}//x/../proc/", True),
        ("/{jail}/proc", True),
        ("{parent}/link/proc", True),
        ("{jail}", False),
        ("{jail}er/proc", False),
        ("none", False),
        ("/", False),
    ],
)
def test_whose_line_of_fstab(jail: Path, point: str, belongs: bool) -> None:
    (jail.parent / "link").symlink_to("jail")
    entry = Entry("/x", point.format(jail=jail, parent=jail.parent), "none", ("bind",))
    fstab = jail.with_name("fstab")
    fstab.write_text(f"# by hand\n{entry.render()}\n")
    inner = f"{jail}/proc"
    found = _jail.fstab_lines_each([str(jail), inner], str(fstab))
    assert found == {str(jail): [entry.render()] if belongs else [], inner: []}


def test_leftovers(jail: Path) -> None:
    for name, marked in {
        "jail.partial-00000001": True,
        "jail.partial-00000002": False,
        "jail.partial-0000000g": True,
        "jail.partial-000000033": True,
        "jail2.partial-00000004": True,
    }.items():
        (jail.parent / name).mkdir()
        if marked:
            (jail.parent / name / ".jail-partial").write_text("{}")
    (jail.parent / "jail.partial-00000005").symlink_to("jail.partial-00000001")
    (jail.parent / "jail.partial-00000006").mkdir()
    (jail.parent / "jail.partial-00000006/precious").write_text("")
    found = [os.path.basename(name) for name in _jail.leftovers(str(jail))]
    assert found == ["jail.partial-00000001", "jail.partial-00000002"]
    assert _jail.leftovers("/nowhere/jail") == []
