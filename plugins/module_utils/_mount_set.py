# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Own a jail's mount set as one thing: the live mounts and the lines of fstab together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _files,
    _mounts,
    _options,
    _procs,
    _profiles,
    _proof,
    _rootfs,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import (
    JailError,
    Refused,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._jobs import Job
from ansible_collections.jaulas.chroot.plugins.module_utils._mount_lines import WriteLines, line_of
from ansible_collections.jaulas.chroot.plugins.module_utils._mountinfo import Mount
from ansible_collections.jaulas.chroot.plugins.module_utils._mounts import (
    Goal,
    Identity,
    Source,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._operations import mount_point
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import (
    Root,
    components,
    is_inside,
    mount_id,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Operation, Plan, State
from ansible_collections.jaulas.chroot.plugins.module_utils._profiles import Wanted
from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record


def declared(profile: str, mounts: Sequence[Mapping[str, Any]]) -> list[Wanted]:
    """Turn a profile and the user's entries into the wanted mounts, in order; check them."""
    extra = []
    for item in mounts:
        src, dest = str(item["src"]), "/" + "/".join(components(str(item["dest"])))
        fstype = str(item.get("fstype") or "none")
        opts = [str(word) for text in item.get("opts") or [] for word in str(text).split(",")]
        wanted = Wanted(src, dest, fstype, tuple(word for word in opts if word))
        if fstype in ("none", "bind"):
            words = wanted.opts if wanted.options.bind else ("bind", *wanted.opts)
            wanted = Wanted(src, dest, "none", words)
        _check(wanted)
        extra.append(wanted)
    return _profiles.mount_set(profile, extra)


def _check(wanted: Wanted) -> None:
    what = f"Cannot mount {wanted.src} on {wanted.dest}:"
    if any("\0" in word for word in (wanted.src, wanted.dest, wanted.fstype, *wanted.opts)):
        raise JailError(
            f"Cannot mount {wanted.src!r} on {wanted.dest!r}: one holds a NUL character."
        )
    if wanted.dest == "/" or ".." in components(wanted.dest):
        raise JailError(f"{what} dest is a path inside the jail, below its root and without `..`.")
    if wanted.options.bind and not os.path.isabs(wanted.src):
        raise JailError(f"{what} the source of a bind mount is an absolute path of the host.")
    strange = _options.strange_to_binds(wanted.options) if wanted.options.bind else []
    if strange:
        raise JailError(
            f"{what} a bind mount has no option {strange[0]!r}.",
            "Write ro, nosuid, nodev, noexec or others of mount(8) that are not a file system's.",
        )
    if "shared" in wanted.options.propagation:
        raise Refused(
            f"{what} with shared propagation, unmounting in the jail would unmount on the host.",
            "Leave the propagation out (private) or use slave.",
        )


def _source(wanted: Wanted, table: Sequence[Mount]) -> Source:
    """Look at what a bind mount would show."""
    try:
        fd = os.open(wanted.src, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        raise JailError(
            f"Cannot mount {wanted.src} on {wanted.dest}: the source says {error.strerror}.",
            "Make it on the host first, or leave the mount out.",
        ) from None
    try:
        status, number = os.fstat(fd), mount_id(fd)
        real = os.readlink(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)
    mount = next((item for item in table if item.id == number), None)
    if mount is None:
        raise JailError(f"Cannot mount {wanted.src}: it lies on a mount that cannot be seen.")
    rest = components(real)[len(components(mount.point)) :]
    root = "/" + "/".join([*components(mount.root), *rest])
    directory = os.path.isdir(wanted.src)
    return Source((status.st_dev, status.st_ino), directory, mount, root)


def _true_path(root: Root, dest: str) -> str:
    """Follow links above a mount point inside the jail, as far as there is anything."""
    names = components(dest)
    place = mount_point(root, dest)
    if place is not None:
        return place.path
    for depth in range(len(names) - 1, -1, -1):
        found = root.find("/".join(names[:depth]))
        if found is not None:
            return "/" + "/".join([*components(found.path), *names[depth:]])
    raise JailError(f"Cannot reach {dest} in {root.path}.")


def _goals(jail: str, wanted: Sequence[Wanted], table: Sequence[Mount]) -> list[Goal]:
    """Place every wanted mount in the jail and in the mount around it."""
    goals: list[Goal] = []
    with Root(jail) as root:
        for item in wanted:
            source = _source(item, table) if item.options.bind else None
            dest = _true_path(root, item.dest)
            outer = [goal for goal in goals if is_inside(dest, goal.dest)]
            around = max(outer, key=lambda goal: len(goal.dest)) if outer else None
            goals.append(
                Goal(
                    wanted=item,
                    dest=dest,
                    point=root.host_path(dest),
                    source=source,
                    missing=_is_missing(root, dest, around),
                    in_own_filesystem=around is not None and around.source is None,
                )
            )
    return goals


def _is_missing(root: Root, dest: str, around: Goal | None) -> bool:
    """Tell whether a mount point has to be made, once the mount around it is there."""
    if around is None:
        if root.find(dest, follow=False) is None:
            return True
        # What lies in a mount of today that no goal stands for is gone when that is.
        return mount_id(root.parent(dest)[0].fd) != mount_id(root.fd)
    if around.source is None:
        return True
    inner = around.wanted.src + dest[len(around.dest) :]
    if not os.path.lexists(inner):
        raise Refused(
            f"Cannot make the mount point {dest}: it lies in {around.wanted.src} of the host, "
            f"which is mounted on {around.dest}.",
            f"Make {inner} on the host first.",
        )
    return False


def _seen(jail: str, mounts: Sequence[Mount]) -> dict[str, Identity]:
    """Look at what is visible now at each mount point."""
    found: dict[str, Identity] = {}
    if not mounts:
        return found
    with Root(jail) as root:
        for mount in mounts:
            place = root.find(mount.point[len(jail) :], follow=False)
            if place is not None:
                found[mount.point] = (place.status.st_dev, place.status.st_ino)
    return found


def _is_system(jail: str) -> bool:
    if not os.path.lexists(jail):
        return False
    with Root(jail) as root:
        return _rootfs.holds_system(root)


def _keep_off(jail: str, points: Iterable[str]) -> None:
    """Refuse a folder that is no system, if jails are in it, with what is mounted there.

    It is a path that is wrong by a word, and would cost them all their mounts.
    """
    for point in points:
        inner = point
        while is_inside(inner, jail):
            if os.path.lexists(f"{inner}/{_rootfs.MARKER}"):
                raise Refused(
                    f"Cannot change what is mounted below {jail}: it is no system, and {inner} "
                    "in it is a jail.",
                    "Name the root folder of the jail.",
                )
            inner = os.path.dirname(inner)


class Survey:
    """One look at the mount table and at fstab, upon which the mounts of some jails are planned."""

    def __init__(self, fstab: str) -> None:
        self.table = _procs.mount_table()
        self.writing = WriteLines(fstab)
        self._later: tuple[list[Mount], str] | None = None

    def plan(self, jail: str, params: Mapping[str, Any]) -> Plan:
        """Plan a jail's mounts and its lines in fstab for a state of bind_mounts."""
        state = params["state"]
        needs_goals = state in ("mounted", "present")
        wanted = declared(params["profile"], params["mounts"])
        goals = _goals(jail, wanted, self.table) if needs_goals else []
        present = _mounts.below(self.table, jail)
        if not _is_system(jail):
            _keep_off(jail, [*(mount.point for mount in present), *self.writing.points(jail)])
        mounting: list[Operation] = []
        if state != "present":
            mounting = _mounts.plan(jail, self.table, goals, _seen(jail, present))
        entries = [line_of(goal.wanted, goal.point, goal.restrictions) for goal in goals]
        writes = state != "unmounted" and self.writing.add(jail, entries)
        writing: list[Operation] = [self.writing] if writes else []
        # What could not be mounted must not be tried at every boot; what is on its way out must
        # not come back at the next one.
        operations = [*mounting, *writing] if needs_goals else [*writing, *mounting]
        if params["kill"] and mounting and not needs_goals:
            operations = [*_proof.ending(jail), *operations]

        now = [_mounts.describe_mount(item) for item in present]
        before = self._state(jail, now, self.writing.text)
        foreseen = now if state == "present" else [goal.describe() for goal in goals]
        after = self._state(jail, foreseen, self.writing.foreseen)
        return Plan(
            operations=operations,
            before=before,
            after=after,
            observe=lambda: self._observe(jail),
            result={"mounts": after[_heading(jail)].splitlines()},
            outcome=lambda: {"mounts": self._observe(jail)[_heading(jail)].splitlines()},
            reasons=[] if operations else [f"the mounts of {jail} are as declared"],
        )

    def _observe(self, jail: str) -> State:
        # What there is when all is done is looked at once for all jails.
        if self._later is None:
            self._later = _procs.mount_table(), _files.read_text(self.writing.fstab)
        table, text = self._later
        return self._state(
            jail, [_mounts.describe_mount(item) for item in _mounts.below(table, jail)], text
        )

    def _state(self, jail: str, rows: Sequence[str], text: str) -> State:
        rows = [f"{row}\n" for row in sorted(rows)]
        return {_heading(jail): "".join(rows), self.writing.fstab: text}


def _heading(jail: str) -> str:
    return f"mounts below {jail}"


def apart(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """Divide jails into runs of neighbours that have nothing to do with each other's mounts.

    Those that have are planned one after the other, each upon what the one before has left.
    """
    batch: list[Job] = []
    sources: list[_Shown] = []
    for job in jobs:
        own = [_shown(item) for item in job.params["mounts"]]
        touched = any(
            is_inside(job.path, other.path)
            or is_inside(other.path, job.path)
            or _reach(own, other.path)
            for other in batch
        )
        if touched or _reach(sources, job.path):
            yield batch
            batch, sources = [], []
        batch.append(job)
        sources += own
    if batch:
        yield batch


class _Shown(Record):
    """What a mount shows of the host, and whether what is mounted below that comes along."""

    src: str
    recursive: bool


def _shown(item: Mapping[str, Any]) -> _Shown:
    options = {word for text in item["opts"] for word in str(text).split(",")}
    # A path with a NUL is refused later; here it is only in the way.
    src = os.path.realpath(str(item["src"]).replace("\0", ""))
    return _Shown(src, bool(options & {"rbind", "slave", "rslave"}))


def _reach(sources: Iterable[_Shown], jail: str) -> bool:
    return any(
        is_inside(item.src, jail) or (item.recursive and is_inside(jail, item.src))
        for item in sources
    )
