# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Put text or a copy of a host's file into a jail, from outside and without ever leaving it."""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.jaulas.chroot.plugins.module_utils._errors import (
    JailError,
    Refused,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._operations import (
    make_directories,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import (
    Root,
    components,
    mount_id,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Operation, Plan, State
from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record

_MOST_MODE = 0o7777
_LIMIT = 16 << 20
_FLAGS = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class PutFile(Record):
    """Write one file of a jail in one step; owner root, the mode as declared."""

    jail: str
    dest: str
    content: bytes
    mode: int

    def describe(self) -> str:
        return f"write {self.jail}{self.dest}"

    def apply(self) -> None:
        with Root(self.jail) as root:
            *above, name = components(self.dest)
            folder = make_directories(root, "/".join(above))
            _stay_inside(root, folder.fd, self.dest)
            partial = f".{name}.{secrets.token_hex(4)}"
            fd = os.open(partial, _FLAGS, 0o600, dir_fd=folder.fd)
            try:
                with open(fd, "wb") as handle:
                    handle.write(self.content)
                    os.fchmod(handle.fileno(), self.mode)
                # A link in its place is replaced, never followed.
                os.rename(partial, name, src_dir_fd=folder.fd, dst_dir_fd=folder.fd)
            except BaseException:
                os.unlink(partial, dir_fd=folder.fd)
                raise


class DropFile(Record):
    """Delete one file of a jail."""

    jail: str
    dest: str

    def describe(self) -> str:
        return f"delete {self.jail}{self.dest}"

    def apply(self) -> None:
        with Root(self.jail) as root:
            folder, name = root.parent(self.dest)
            _stay_inside(root, folder.fd, self.dest)
            os.unlink(name, dir_fd=folder.fd)


def _stay_inside(root: Root, fd: int, dest: str) -> None:
    if mount_id(fd) != mount_id(root.fd):
        raise Refused(
            f"Cannot change {root.host_path(dest)}: its folder is mounted from elsewhere, so it "
            "is not the jail's.",
            "Change it at the source of that mount.",
        )


class _Present(Record):
    content: bytes
    mode: int
    is_link: bool


def _read(root: Root, dest: str) -> _Present | None:
    place = root.find(dest, follow=False)
    if place is None:
        return None
    mode = place.status.st_mode
    if stat.S_ISLNK(mode):
        return _Present(b"", 0, True)
    if not stat.S_ISREG(mode):
        raise Refused(f"Cannot write {root.host_path(dest)}: it is no regular file.")
    with open(place.magic, "rb") as handle:
        return _Present(handle.read(_LIMIT + 1), stat.S_IMODE(mode), False)


def _mode(given: object) -> int:
    """What YAML has read as a number without quotes is one already."""
    if isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= _MOST_MODE:
        return given
    if not isinstance(given, str) or not re.fullmatch(r"[0-7]{1,4}", given):
        raise JailError(f"Cannot give a file the mode {given!r}: write an octal number as '0644'.")
    return int(given, 8)


def _content(item: Mapping[str, Any], target: str) -> bytes:
    if item["content"] is not None:
        content = str(item["content"]).encode("utf-8", "surrogateescape")
    else:
        try:
            with open(str(item["src"]), "rb") as handle:
                content = handle.read(_LIMIT + 1)
        except OSError as error:
            raise JailError(f"Cannot read {item['src']} on the host: {error.strerror}.") from None
    if len(content) > _LIMIT:
        raise JailError(
            f"Cannot write {target}: what it should hold is larger than {_LIMIT >> 20} MiB.",
            "Copy it with ansible.builtin.copy, over the connection jaulas.chroot.ssh or .local.",
        )
    return content


def plan(jail: str, files: Sequence[Mapping[str, Any]] | None) -> Plan:
    """Plan the files that a jail should have, and those that it should not have."""
    if files is None:
        raise JailError(f"Cannot put files into {jail}: none are named.", "List them in `files`.")
    operations: list[Operation] = []
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    wanted: list[str] = []
    with Root(jail) as root:
        for item in files:
            names = components(str(item["dest"]))
            if not names or ".." in names:
                raise JailError(f"Cannot write {item['dest']!r}: dest is a file inside the jail.")
            dest = "/" + "/".join(names)
            if dest in wanted:
                raise JailError(f"Cannot write {jail}{dest}: it is named twice.")
            wanted.append(dest)
            present = _read(root, dest)
            before[dest] = _text(present)
            if item["state"] == "absent":
                after[dest] = ""
                if present:
                    operations.append(DropFile(jail, dest))
                continue
            goal = _Present(_content(item, f"{jail}{dest}"), _mode(item["mode"]), False)
            after[dest] = _text(goal)
            if present != goal:
                operations.append(PutFile(jail, dest, goal.content, goal.mode))

    def observe() -> State:
        with Root(jail) as root:
            return {root.host_path(dest): _text(_read(root, dest)) for dest in wanted}

    return Plan(
        operations=operations,
        before={f"{jail}{dest}": text for dest, text in before.items()},
        after={f"{jail}{dest}": text for dest, text in after.items()},
        observe=observe,
        reasons=[] if operations else [f"the files in {jail} are as declared"],
    )


def _text(present: _Present | None) -> str:
    if present is None:
        return ""
    if present.is_link:
        return "(a symbolic link)\n"
    if b"\0" in present.content:
        return f"(binary, {len(present.content)} bytes, mode {present.mode:04o})\n"
    return f"(mode {present.mode:04o})\n{present.content.decode('utf-8', 'replace')}"
