# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The text of a jail's passwd and group files as users (passwd(5), group(5)). Pure.

Users are the jail's own: the host's numbers and names mean nothing inside.
"""

from __future__ import annotations

from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record


class User(Record):
    """Who a command runs as."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str = "/"
    shell: str = "/bin/sh"


ROOT = User("root", 0, 0, (0,), "/root")


def _is_id(text: str) -> bool:
    # Longer numbers are no ids, and digits of other scripts are no numbers to the kernel.
    return text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < 2**32 - 1


def _rows(text: str, columns: int) -> list[list[str]]:
    rows = [line.split(":") for line in text.splitlines()]
    return [row for row in rows if len(row) >= columns]


def _group_id(text: str, name: str) -> int | None:
    if _is_id(name):
        return int(name)
    return next(
        (int(row[2]) for row in _rows(text, 3) if row[0] == name and _is_id(row[2])),
        None,
    )


def find(request: str, passwd: str, group: str) -> User | None:
    """Find the user that `NAME`, `UID` or `NAME:GROUP` means, or None if the jail has none.

    A number needs no entry; root needs none either, so that a jail without passwd can be entered.
    """
    name, _colon, group_name = request.partition(":")
    found = ROOT if name in ("root", "0") else None
    for row in _rows(passwd, 7):
        if name in (row[0], row[2]) and _is_id(row[2]) and _is_id(row[3]):
            more = [
                int(other[2])
                for other in _rows(group, 4)
                if _is_id(other[2]) and row[0] in other[3].split(",")
            ]
            gid = int(row[3])
            groups = tuple(dict.fromkeys((gid, *more)))
            found = User(row[0], int(row[2]), gid, groups, row[5] or "/", row[6] or "/bin/sh")
            break
    if found is None and _is_id(name):
        found = User(name, int(name), int(name), (int(name),))
    if found is None or not group_name:
        return found
    gid_asked = _group_id(group, group_name)
    if gid_asked is None:
        return None
    return User(found.name, found.uid, gid_asked, (gid_asked,), found.home, found.shell)
