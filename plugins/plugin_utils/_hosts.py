# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What makes a jail a host of an inventory: the variables that lead there, and its words. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_CONNECTIONS = {
    "ssh": "jaulas.chroot.ssh",
    "smart": "jaulas.chroot.ssh",
    "ansible.builtin.ssh": "jaulas.chroot.ssh",
    "local": "jaulas.chroot.local",
    "ansible.builtin.local": "jaulas.chroot.local",
}
#: What a host has these for is its own business and none of its jails'.
_HOST_ONLY = re.compile(
    r"ansible_(connection|python_interpreter|become.*|shell.*|remote_tmp|facts)"
)
_PYTHON = "/usr/bin/python3"


def is_name(text: str) -> bool:
    """Tell whether a word can be part of a host's or a group's name."""
    return _NAME.fullmatch(text) is not None


def leads_there(name: str) -> bool:
    """Tell whether a variable of a host is about the way into its jails."""
    about_it = name.startswith("ansible_") and not _HOST_ONLY.fullmatch(name)
    return about_it or name == "ansible_connection"


def way_in(host: str, variables: Mapping[str, Any]) -> dict[str, Any] | None:
    """The variables of a host that lead into its jails, or None where there is no way."""
    connection = _CONNECTIONS.get(str(variables.get("ansible_connection", "ssh")))
    if connection is None:
        return None
    kept = {name: value for name, value in variables.items() if leads_there(name)}
    python = str(variables.get("ansible_python_interpreter", ""))
    # One that is called with arguments is none that a shell finds by its name.
    if python.startswith("/") and len(python.split()) == 1:
        kept.setdefault("ansible_jail_host_python", python)
    return {
        "ansible_host": host,
        "ansible_python_interpreter": _PYTHON,
        **kept,
        "ansible_connection": connection,
    }


def found_jail(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What matters here of one record of jail_info: words, or nothing where there is none."""
    release = answer.get("os_release") or {}
    declared = answer.get("parameters") or {}
    path = str(answer["path"])
    facts = {
        "name": path.rpartition("/")[2],
        "path": path,
        "suite": declared.get("suite") or release.get("version_codename"),
        "arch": answer.get("architecture"),
        "variant": declared.get("variant"),
    }
    words = {"suite", "arch", "variant"}
    return {
        key: str(value)
        for key, value in facts.items()
        if value and (key not in words or is_name(str(value)))
    }
