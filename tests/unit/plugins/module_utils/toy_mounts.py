# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A toy of the kernel's mount table: enough of mount(2) to carry out a plan and look again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ansible_collections.jaulas.chroot.plugins.module_utils import _mountinfo, _mounts, _options
from ansible_collections.jaulas.chroot.plugins.module_utils._mountinfo import Mount
from ansible_collections.jaulas.chroot.plugins.module_utils._mounts import Goal, Source
from ansible_collections.jaulas.chroot.plugins.module_utils._operations import (
    Adjust,
    Attach,
    Detach,
    Isolate,
    MakePoint,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import components, is_inside
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Operation
from ansible_collections.jaulas.chroot.plugins.module_utils._profiles import Wanted

JAIL = "/srv/j"
#: The kernel has one of these for the whole host, however often it is mounted.
SINGLE = {"proc": "0:21", "sysfs": "0:22"}


HOST = tuple(
    _mountinfo.parse(
        """1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
2 1 0:21 / /proc rw,nosuid,nodev,noexec shared:2 - proc proc rw
3 1 0:22 / /sys rw,nosuid,nodev,noexec shared:3 - sysfs sysfs rw
4 1 0:5 / /dev rw,nosuid shared:4 - devtmpfs udev rw,mode=755
5 4 0:23 / /dev/pts rw,nosuid,noexec shared:5 - devpts devpts rw,gid=5
6 1 0:30 / /tmp rw,nosuid,nodev shared:6 - tmpfs tmpfs rw
"""
    )
)
_NUMBERS: dict[object, int] = {}


def _number(what: object) -> int:
    return _NUMBERS.setdefault(what, len(_NUMBERS))


class Toy:
    """A mount table that changes as the kernel's would."""

    def __init__(self, mounts: Iterable[Mount] = HOST) -> None:
        self.table = list(mounts)
        self.next = 100

    def top(self, path: str) -> Mount:
        """The mount that a path leads to."""
        current = next(mount for mount in self.table if mount.parent == 0)
        names = components(path)
        for depth in range(len(names) + 1):
            prefix = "/" + "/".join(names[:depth])
            above = [m for m in self.table if m.parent == current.id and m.point == prefix]
            while above:
                current = above[-1]
                above = [m for m in self.table if m.parent == current.id and m.point == prefix]
        return current

    def root_of(self, path: str) -> str:
        """What a path shows, as a path in its own file system."""
        mount = self.top(path)
        rest = components(path)[len(components(mount.point)) :]
        return "/" + "/".join([*components(mount.root), *rest])

    def identity(self, path: str) -> tuple[int, int]:
        return _number(self.top(path).device), _number((self.top(path).device, self.root_of(path)))

    def source(self, path: str) -> Source:
        return Source(self.identity(path), True, self.top(path), self.root_of(path))

    def seen(self) -> dict[str, tuple[int, int]]:
        return {m.point: self.identity(m.point) for m in self.table if is_inside(m.point, JAIL)}

    def below(self) -> list[Mount]:
        return _mounts.below(self.table, JAIL)

    def add(self, wanted: Wanted, flags: Iterable[str] = (), tags: Sequence[str] = ()) -> Mount:
        """Mount something in the jail, upon whatever its path leads to."""
        point, options = JAIL + wanted.dest, wanted.options
        words = tuple(sorted(flags)) or ("rw",)
        self.next += 1
        parent = self.top(point).id
        if options.bind:
            source, device, root = (
                self.top(wanted.src),
                self.top(wanted.src).device,
                self.root_of(wanted.src),
            )
            fstype, shown, data = source.fstype, source.source, source.super_options
        else:
            device, root = SINGLE.get(wanted.fstype, f"0:{self.next}"), "/"
            fstype, shown, data = wanted.fstype, wanted.src, ("rw", *options.data)
        made = Mount(
            self.next, parent, device, root, point, words, tuple(tags), fstype, shown, data
        )
        children = self._children(wanted.src) if options.bind and options.recursive else []
        self.table.append(made)
        copies = {self.top(wanted.src).id: made.id}
        for child in children:
            self.next += 1
            copies[child.id] = self.next
            place = point + child.point[len(wanted.src) :]
            self.table.append(
                child._replace(id=self.next, parent=copies[child.parent], point=place, tags=())
            )
        return made

    def _children(self, src: str) -> list[Mount]:
        return [m for m in self.table if is_inside(m.point, src) and not is_inside(m.point, JAIL)]

    def apply(self, operation: Operation) -> None:
        if isinstance(operation, Detach):
            self._detach(operation)
        elif isinstance(operation, Isolate):
            found = self.top(operation.jail + operation.dest)
            assert found.id == operation.id
            self.table[self.table.index(found)] = found._replace(tags=())
        elif isinstance(operation, Attach):
            self.add(operation.wanted, operation.flags)
        elif isinstance(operation, Adjust):
            self._adjust(operation)
        else:
            assert isinstance(operation, MakePoint)

    def _detach(self, operation: Detach) -> None:
        point = operation.jail + operation.dest
        found = self.top(point)
        assert (found.id, found.point) == (operation.id, point), "not what lies on top"
        assert not [m for m in self.table if m.parent == found.id], "busy: something lies on it"
        self.table.remove(found)

    def _adjust(self, operation: Adjust) -> None:
        point = operation.jail + operation.wanted.dest
        found = self.top(point)
        assert found.point == point
        names = [word.partition("=")[0] for word in operation.wanted.options.data]
        data = [word for word in found.super_options if word.partition("=")[0] not in names]
        new = found._replace(
            options=tuple(sorted(operation.flags)) or ("rw",),
            tags=(),
            super_options=(*data, *operation.wanted.options.data),
        )
        self.table[self.table.index(found)] = new

    def goal(self, wanted: Wanted) -> Goal:
        source = self.source(wanted.src) if wanted.options.bind else None
        return Goal(wanted, wanted.dest, JAIL + wanted.dest, source)

    def plan(self, wanted: Iterable[Wanted]) -> list[Operation]:
        goals = [self.goal(item) for item in wanted]
        return _mounts.plan(JAIL, self.table, goals, self.seen())

    def settle(self, wanted: Sequence[Wanted]) -> list[Operation]:
        """Plan, carry it out, and see that a second plan is empty."""
        operations = self.plan(wanted)
        for operation in operations:
            self.apply(operation)
        assert self.plan(wanted) == [], "the second run would change something"
        return operations


def bind(src: str, dest: str, *opts: str) -> Wanted:
    return Wanted(src, dest, "none", ("bind", *opts))


def inherited(toy: Toy, wanted: Wanted) -> frozenset[str]:
    """The flags with which a mount is made as declared."""
    source = toy.top(wanted.src).options if wanted.options.bind else ()
    return _options.parse(wanted.opts).restrictions(source)
