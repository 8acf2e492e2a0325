# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare what is mounted in a jail with what should be, and plan the difference. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ansible_collections.jaulas.chroot.plugins.module_utils import _mountinfo, _options
from ansible_collections.jaulas.chroot.plugins.module_utils._mountinfo import Mount
from ansible_collections.jaulas.chroot.plugins.module_utils._operations import (
    Adjust,
    Attach,
    Detach,
    Isolate,
    MakePoint,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import is_inside
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Operation
from ansible_collections.jaulas.chroot.plugins.module_utils._profiles import Wanted
from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record

#: Each mount of these is a file system of its own.
_FRESH = ("tmpfs", "ramfs", "devpts", "overlay")

#: Device and inode: what a bind mount and its source have in common (stat(2)).
Identity = tuple[int, int]


class Source(Record):
    """What a bind mount shows: its identity, and the mount of the host that it is taken from."""

    identity: Identity
    directory: bool
    mount: Mount
    root: str


class Goal(Record):
    """One wanted mount and where it lands: dest is the true path inside, point the host's."""

    wanted: Wanted
    dest: str
    point: str
    source: Source | None = None
    missing: bool = False
    in_own_filesystem: bool = False

    @property
    def restrictions(self) -> frozenset[str]:
        inherited = self.source.mount.options if self.source else ()
        return self.wanted.options.restrictions(inherited)

    @property
    def placed(self) -> Wanted:
        """The wanted mount at its true place."""
        return Wanted(self.wanted.src, self.dest, self.wanted.fstype, self.wanted.opts)

    def describe(self) -> str:
        """As describe_mount() will once it is mounted."""
        if self.source:
            mount = self.source.mount
            return _row(
                self.point,
                mount.fstype,
                mount.source,
                self.source.root,
                self.restrictions,
            )
        return _row(self.point, self.wanted.fstype, self.wanted.src, "/", self.restrictions)


def _row(point: str, fstype: str, source: str, root: str, restrictions: Iterable[str]) -> str:
    shown = source if root == "/" else f"{source}[{root}]"
    return f"{point} {fstype} {shown} {','.join(sorted(restrictions)) or 'rw'}"


def restrictions_of(mount: Mount) -> frozenset[str]:
    """What a mount does not allow, be it by its own flags or by its file system's."""
    found = set(mount.options) & _options.RESTRICTIONS
    return frozenset(found | ({"ro"} & set(mount.super_options)))


def describe_mount(mount: Mount) -> str:
    """One mount for a person and for comparing: without what differs from boot to boot."""
    return _row(mount.point, mount.fstype, mount.source, mount.root, restrictions_of(mount))


def below(table: Iterable[Mount], folder: str) -> list[Mount]:
    """Find the mounts strictly below a folder."""
    return [mount for mount in table if is_inside(mount.point, folder)]


def _is_same(goal: Goal, mount: Mount, seen: Mapping[str, Identity], elsewhere: set[str]) -> bool:
    """Tell whether a mount is the wanted one, its flags aside."""
    if goal.source:
        return seen.get(mount.point) == goal.source.identity
    if mount.fstype != goal.wanted.fstype or mount.root != "/":
        return False
    # A bind of the host's own tmpfs is not the fresh one that was asked for. Of others there is
    # only one, be it for the host, a namespace or a disk: it may well be mounted elsewhere too.
    return mount.fstype not in _FRESH or mount.device not in elsewhere


def _is_shared(mount: Mount) -> bool:
    return "shared" in mount.propagation.split(",")


def _differs(goal: Goal, mount: Mount) -> bool:
    if restrictions_of(mount) != goal.restrictions or _is_shared(mount):
        return True
    data = goal.wanted.options.data
    return not goal.source and _options.data_differs(mount.fstype, data, mount.super_options)


def _outer(point: str, points: Iterable[str]) -> str | None:
    """Find the nearest of some mount points above a path."""
    above = [other for other in points if is_inside(point, other)]
    return max(above, key=len) if above else None


def _visible(mount: Mount, mounts: Sequence[Mount]) -> bool:
    """Tell whether a mount lies on the one around it, and is not hidden below that."""
    around = _outer(mount.point, {other.point for other in mounts})
    parents = {other.id for other in mounts if other.point == around}
    ids = {other.id for other in mounts}
    return mount.parent in parents if around else mount.parent not in ids


def plan(
    jail: str,
    table: Sequence[Mount],
    goals: Sequence[Goal],
    seen: Mapping[str, Identity],
) -> list[Operation]:
    """List the operations that turn the mounts below a jail into exactly the goals.

    table is the host's whole mount table, goals are in the order in which they are to be made,
    seen tells what is visible now at a mount point.
    """
    mounts = below(table, jail)
    inside = {mount.id for mount in mounts}
    elsewhere = {mount.device for mount in table if mount.id not in inside}
    at: dict[str, list[Mount]] = {}
    for mount in mounts:
        at.setdefault(mount.point, []).append(mount)

    kept: dict[str, Mount] = {}
    for goal in goals:
        outer = _outer(goal.point, [other.point for other in goals])
        group = at.get(goal.point, [])
        if (
            len(group) == 1
            and (outer is None or outer in kept)
            and _visible(group[0], mounts)
            and _is_same(goal, group[0], seen, elsewhere)
        ):
            kept[goal.point] = group[0]
    keep = {mount.id for mount in kept.values()}
    recursive = {
        kept[goal.point].id
        for goal in goals
        if goal.wanted.options.recursive and goal.point in kept
    }
    # What a recursive bind brought along is part of it, as far as nothing else is wanted there.
    goal_points = {goal.point for goal in goals}
    brought = _with_what_lies_on_it(recursive, mounts)
    keep |= {mount.id for mount in mounts if mount.id in brought and mount.point not in goal_points}
    drop = _with_what_is_in_the_way({mount.id for mount in mounts} - keep, mounts)
    kept = {point: mount for point, mount in kept.items() if mount.id not in drop}

    gone = [mount for mount in _mountinfo.unmount_order(mounts) if mount.id in drop]
    operations = _detaching(jail, gone, mounts)
    for goal in goals:
        present = kept.get(goal.point)
        if present is None:
            if goal.missing:
                directory = goal.source.directory if goal.source else True
                operations.append(MakePoint(jail, goal.dest, directory, goal.in_own_filesystem))
            operations.append(Attach(jail, goal.placed, goal.restrictions))
        elif _differs(goal, present):
            operations.append(Adjust(jail, goal.placed, goal.restrictions))
    return operations


def _detaching(jail: str, gone: Iterable[Mount], mounts: Iterable[Mount]) -> list[Operation]:
    """List what unmounts some mounts, in that order, and unmounts nothing of the host."""
    shared = {mount.id: mount for mount in mounts if _is_shared(mount)}
    operations: list[Operation] = []
    for mount in gone:
        around = shared.get(mount.parent)
        # What covers all of a mount hides it: no path leads there yet.
        if around and around.point != mount.point:
            operations.append(Isolate(jail, _inside(jail, around), around.id))
            del shared[around.id]
        operations.append(Detach(jail, _inside(jail, mount), mount.id))
    return operations


def _inside(jail: str, mount: Mount) -> str:
    return mount.point[len(jail.rstrip("/")) :]


def _grown(
    start: set[int], mounts: Sequence[Mount], follows: Callable[[Mount, Mount], bool]
) -> set[int]:
    """Add the mounts that follow from those that are in, until no more do."""
    while True:
        inside = [mount for mount in mounts if mount.id in start]
        more = {mount.id for mount in mounts for other in inside if follows(mount, other)} - start
        if not more:
            return start
        start = start | more


def _with_what_lies_on_it(start: set[int], mounts: Sequence[Mount]) -> set[int]:
    return _grown(start, mounts, lambda mount, other: mount.parent == other.id)


def _with_what_is_in_the_way(start: set[int], mounts: Sequence[Mount]) -> set[int]:
    """Add the mounts that cannot stay: those that lie on one that goes, and those that hide one."""
    return _grown(
        start,
        mounts,
        lambda mount, other: (
            mount.parent == other.id
            or (mount.parent == other.parent and is_inside(other.point, mount.point))
        ),
    )
