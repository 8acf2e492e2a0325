# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The text of /proc/PID/mountinfo (proc(5)) as records, and the tree that they form. Pure."""

from __future__ import annotations

from ansible_collections.jaulas.chroot.plugins.module_utils._paths import components, is_inside
from ansible_collections.jaulas.chroot.plugins.module_utils._record import TYPE_CHECKING, Record
from ansible_collections.jaulas.chroot.plugins.module_utils._text import unescape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Mount(Record):
    """One line of mountinfo."""

    id: int
    parent: int
    device: str
    root: str
    point: str
    options: tuple[str, ...]
    tags: tuple[str, ...]
    fstype: str
    source: str
    super_options: tuple[str, ...]

    @property
    def propagation(self) -> str:
        """As findmnt names it: private, slave, shared, `shared,slave` or unbindable."""
        words = {"shared": "shared", "master": "slave", "unbindable": "unbindable"}
        found = [words[tag.split(":")[0]] for tag in self.tags if tag.split(":")[0] in words]
        return ",".join(found) or "private"

    def describe(self) -> str:
        """One line for a person: what is mounted where, and how."""
        source = f"{self.source}[{self.root}]" if self.root != "/" else self.source
        return f"{self.point} {self.fstype} {source} {','.join(self.options)} {self.propagation}"


def _point(field: str) -> str:
    # A mount whose directory was deleted is told apart by this suffix.
    return unescape(field).removesuffix("//deleted")


def points(text: str) -> list[str]:
    """Read where the mounts of a table are, and no more: each session starts with that."""
    lines = [line.split(" ", 5) for line in text.split("\n")]
    return [_point(fields[4]) for fields in lines if len(fields) == 6]


def parse(text: str) -> list[Mount]:
    """Read a whole table. A line that is no mount is passed over: the kernel writes none."""
    mounts = []
    for line in text.split("\n"):
        left, separator, right = line.partition(" - ")
        fields, rest = left.split(" "), right.split(" ")
        if not separator or len(fields) < 6 or len(rest) < 3:
            continue
        mounts.append(
            Mount(
                id=int(fields[0]),
                parent=int(fields[1]),
                device=fields[2],
                root=unescape(fields[3]),
                point=_point(fields[4]),
                options=tuple(fields[5].split(",")),
                tags=tuple(fields[6:]),
                fstype=rest[0],
                source=unescape(rest[1]),
                super_options=tuple(map(unescape, rest[2].split(","))),
            )
        )
    return mounts


def covering(path: str, table: Sequence[Mount]) -> Mount | None:
    """The mount that a path is on; None if the table is of a namespace that has no root there."""
    around = [mount for mount in table if mount.point == path or is_inside(path, mount.point)]
    # Of those at one point, the last one covers the others.
    return max(reversed(around), key=lambda mount: len(mount.point), default=None)


def origin(path: str, table: Sequence[Mount]) -> tuple[str, str] | None:
    """Where the files of a path are: the device, and the path from the root of its file system."""
    mount = covering(path, table)
    if mount is None:
        return None
    return mount.device, "/" + "/".join(
        components(mount.root) + components(path)[len(components(mount.point)) :]
    )


def unmount_order(mounts: Iterable[Mount]) -> list[Mount]:
    """Order mounts so that each can be unmounted by its path when its turn comes.

    A mount goes after everything mounted on it, and after a sibling that was mounted over one of
    its parent directories and hides it.
    """
    chosen = list(mounts)
    ids = {mount.id for mount in chosen}
    children: dict[int, list[Mount]] = {}
    for mount in chosen:
        children.setdefault(mount.parent if mount.parent in ids else 0, []).append(mount)
    order: list[Mount] = []

    def visit(parent: int) -> None:
        for mount in sorted(children.get(parent, []), key=lambda item: item.point.count("/")):
            visit(mount.id)
            order.append(mount)

    visit(0)
    return order
