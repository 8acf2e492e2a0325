# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _dpkg
from ansible_collections.jaulas.chroot.plugins.module_utils._dpkg import Package

STATUS = """Package: libc6
Status: install ok installed
Priority: optional
Architecture: amd64
Multi-Arch: same
Version: 2.36-9+deb12u4
Description: GNU C Library: Shared libraries
 Contains the standard libraries that are used by nearly all programs on
 Package: fake
 Status: install ok installed
 .
 the system.
Conffiles:
 /etc/ld.so.conf.d/x86_64-linux-gnu.conf d4e7a7b88a71b5ffd9e2644e71a0cfab

Package: libc6
Status: install ok installed
Architecture: i386
Version: 2.36-9+deb12u4

Package: nano
Status: deinstall ok config-files
Architecture: amd64
Version: 7.2-1

Package: man-db
Status: install ok half-configured
Architecture: amd64
Version: 2.11.2-2

Package: held
Status: hold ok installed
Architecture: all
Version: 1:2.0-1~bpo12+1
"""
HOSTILE = """: no name
Package without a colon
Package: short
Status: install

Status: install ok installed

Package: half
Status: install reinstreq half-installed
Version: \x1b[31m9\x1b[0m
Package: twice


Package: after
Status: install ok installed"""


def test_parse() -> None:
    assert _dpkg.parse(STATUS) == [
        Package("libc6", "amd64", "2.36-9+deb12u4", "install", "installed"),
        Package("libc6", "i386", "2.36-9+deb12u4", "install", "installed"),
        Package("nano", "amd64", "7.2-1", "deinstall", "config-files"),
        Package("man-db", "amd64", "2.11.2-2", "install", "half-configured"),
        Package("held", "all", "1:2.0-1~bpo12+1", "hold", "installed"),
    ]


def test_hostile_text_yields_what_can_be_read() -> None:
    found = {item.name: item.state for item in _dpkg.parse(HOSTILE)}
    assert found == {"twice": "half-installed", "after": "installed"}


@pytest.mark.parametrize("text", ["", "\n\n\n", "\0" * 99, "Package:\n" * 99, "x" * 99999])
def test_garbage_has_no_packages(text: str) -> None:
    assert _dpkg.parse(text) == []


@pytest.mark.parametrize(
    ("request_", "parts"),
    [
        ("nano", ("nano", "", "")),
        ("nano:i386", ("nano", "i386", "")),
        ("nano=7.2-1", ("nano", "", "7.2-1")),
        ("held:all=1:2.0-1", ("held", "all", "1:2.0-1")),
        ("held=1:2.0-1", ("held", "", "1:2.0-1")),
    ],
)
def test_split_request(request_: str, parts: tuple[str, str, str]) -> None:
    assert _dpkg.split_request(request_) == parts


@pytest.mark.parametrize(
    ("request_", "yes"),
    [
        ("libc6", True),
        ("libc6:i386", True),
        ("libc6:any", True),
        ("libc6:arm64", False),
        ("libc6=2.36-9+deb12u4", True),
        ("libc6=2.36", False),
        ("held=1:2.0-1~bpo12+1", True),
        ("nano", False),
        ("man-db", False),
        ("libc", False),
        ("fake", False),
    ],
)
def test_satisfies(request_: str, yes: bool) -> None:
    assert _dpkg.satisfies(_dpkg.parse(STATUS), request_) is yes


def test_matching_sees_every_state() -> None:
    assert [item.state for item in _dpkg.matching(_dpkg.parse(STATUS), "nano")] == ["config-files"]


def test_a_damaged_package_is_not_installed() -> None:
    for status in ("install reinstreq installed", "install ok half-installed"):
        text = f"Package: a\nStatus: {status}\nArchitecture: all\nVersion: 1\n"
        found = _dpkg.parse(text)
        assert not _dpkg.satisfies(found, "a")
        assert _dpkg.unfinished(found) == found


def test_unfinished() -> None:
    assert [item.name for item in _dpkg.unfinished(_dpkg.parse(STATUS))] == ["man-db"]
    assert [item.name for item in _dpkg.unfinished(_dpkg.parse(HOSTILE))] == ["twice"]
