# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.jaulas.chroot.plugins.plugin_utils._hosts import (
    found_jail,
    is_name,
    way_in,
)


def test_what_leads_to_a_host_leads_to_its_jails() -> None:
    way = way_in(
        "web",
        {
            "ansible_host": "192.0.2.1",
            "ansible_user": "deploy",
            "ansible_jail_escalation": "sudo",
            "ansible_become": True,
            "ansible_python_interpreter": "/opt/python",
            "ansible_remote_tmp": "/var/tmp",
            "other": 1,
        },
    )
    assert way == {
        "ansible_connection": "jaulas.chroot.ssh",
        "ansible_host": "192.0.2.1",
        "ansible_user": "deploy",
        "ansible_jail_escalation": "sudo",
        "ansible_jail_host_python": "/opt/python",
        "ansible_python_interpreter": "/usr/bin/python3",
    }


@pytest.mark.parametrize(
    ("connection", "expected"),
    [("local", "jaulas.chroot.local"), ("smart", "jaulas.chroot.ssh"), ("winrm", None)],
)
def test_connection_of_the_host(connection: str, expected: str | None) -> None:
    way = way_in("web", {"ansible_connection": connection})
    assert (way and way["ansible_connection"]) == expected


def test_what_is_found_is_words() -> None:
    answer = {
        "path": "/srv/jails/x",
        "os_release": {"version_codename": "{{ 1 + 1 }}"},
        "architecture": "amd64",
        "parameters": None,
    }
    assert found_jail(answer) == {"name": "x", "path": "/srv/jails/x", "arch": "amd64"}


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("trixie", True),
        ("a.b-c_1", True),
        ("-a", False),
        ("", False),
        ("{{ a }}", False),
        ("é", False),
    ],
)
def test_names(text: str, good: bool) -> None:
    assert is_name(text) is good
