# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _users
from ansible_collections.jaulas.chroot.plugins.module_utils._users import User

PASSWD = """root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
ana:x:1000:1000:Ana,,,:/home/ana:/bin/zsh
bare:x:1001:1001::::
broken:x:abc:1:::
short:x:1
1000:x:1500:1500:named like a number:/home/odd:/bin/sh
"""
GROUP = """root:x:0:
adm:x:4:syslog,ana
sudo:x:27:ana
ana:x:1000:
broken:x:abc:ana
ananas:x:99:anab
"""


@pytest.mark.parametrize(
    ("request_", "user"),
    [
        ("root", User("root", 0, 0, (0,), "/root", "/bin/bash")),
        ("0", User("root", 0, 0, (0,), "/root", "/bin/bash")),
        ("ana", User("ana", 1000, 1000, (1000, 4, 27), "/home/ana", "/bin/zsh")),
        ("1000", User("ana", 1000, 1000, (1000, 4, 27), "/home/ana", "/bin/zsh")),
        ("bare", User("bare", 1001, 1001, (1001,), "/", "/bin/sh")),
        ("4242", User("4242", 4242, 4242, (4242,))),
        ("ana:sudo", User("ana", 1000, 27, (27,), "/home/ana", "/bin/zsh")),
        ("ana:99", User("ana", 1000, 99, (99,), "/home/ana", "/bin/zsh")),
        ("7:8", User("7", 7, 8, (8,))),
    ],
)
def test_find(request_: str, user: User) -> None:
    assert _users.find(request_, PASSWD, GROUP) == user


@pytest.mark.parametrize(
    "request_", ["", "nobody", "broken", "short", "ana:nogroup", "ana:broken", "-1", "an"]
)
def test_nobody(request_: str) -> None:
    assert _users.find(request_, PASSWD, GROUP) is None


def test_root_needs_no_passwd() -> None:
    assert _users.find("root", "", "") == User("root", 0, 0, (0,), "/root")


@pytest.mark.parametrize("request_", ["²", "٣"])
def test_digits_of_other_scripts_are_no_numbers(request_: str) -> None:
    assert _users.find(request_, PASSWD, GROUP) is None


def test_hostile_numbers_in_passwd_are_passed_over() -> None:
    hostile = "ana:x:²:0::/:/bin/sh\nana:x:1000:1000::/home/ana:/bin/sh\n"
    found = _users.find("ana", hostile, "")
    assert found is not None
    assert found.uid == 1000
