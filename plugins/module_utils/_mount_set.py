# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Own a jail's mount set as one thing: the live mounts and the lines of fstab together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _files,
    _fstab,
    _jail,
    _mounts,
    _procs,
    _profiles,
    _proof,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import (
    JailError,
    Refused,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._mountinfo import Mount
from ansible_collections.jaulas.chroot.plugins.module_utils._mounts import (
    Goal,
    Identity,
    Source,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._operations import (
    WriteHostFile,
    mount_point,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import (
    Root,
    components,
    is_inside,
    mount_id,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Operation, Plan, State
from ansible_collections.jaulas.chroot.plugins.module_utils._profiles import Wanted


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


def plan(
    jail: str, wanted: Sequence[Wanted], state: str, fstab: str, *, kill: bool = False
) -> Plan:
    """Plan a jail's mounts and its lines in fstab for a state of bind_mounts."""
    table = _procs.mount_table()
    mounts = _mounts.below(table, jail)
    needs_goals = state in ("mounted", "present")
    goals = _goals(jail, wanted, table) if needs_goals else []
    text = _files.read_text(fstab)
    lines = _fstab.parse(text)

    def belongs(entry: _fstab.Entry) -> bool:
        return _jail.fstab_belongs(jail, entry)

    entries = [goal.wanted.entry(goal.point, goal.restrictions) for goal in goals]
    keeps_lines = state == "unmounted"
    new_lines = lines if keeps_lines else _fstab.replace(lines, belongs, entries)
    new_text = text if new_lines == lines else _fstab.render(new_lines)

    mounting: list[Operation] = []
    if state != "present":
        mounting = _mounts.plan(jail, table, goals, _seen(jail, mounts))
    writing = [WriteHostFile(fstab, text, new_text)] if new_text != text else []
    # What could not be mounted must not be tried at every boot; what is on its way out must not
    # come back at the next one.
    operations = [*mounting, *writing] if needs_goals else [*writing, *mounting]
    if kill and mounting and not needs_goals:
        operations = [*_proof.ending(jail), *operations]

    def observe() -> State:
        now = [_mounts.describe_mount(item) for item in _mounts.below(_procs.mount_table(), jail)]
        return _state(jail, now, fstab, _files.read_text(fstab))

    before = observe()
    foreseen = before[_heading(jail)] if state == "present" else None
    rows = [goal.describe() for goal in goals]
    after = _state(jail, rows, fstab, new_text)
    if foreseen is not None:
        after = {**after, _heading(jail): foreseen}
    return Plan(
        operations=operations,
        before=before,
        after=after,
        observe=observe,
        result={"mounts": after[_heading(jail)].splitlines()},
        outcome=lambda: {"mounts": observe()[_heading(jail)].splitlines()},
        reasons=[] if operations else [f"the mounts of {jail} are as declared"],
    )


def _heading(jail: str) -> str:
    return f"mounts below {jail}"


def _state(jail: str, rows: Sequence[str], fstab: str, text: str) -> State:
    return {_heading(jail): "".join(f"{row}\n" for row in sorted(rows)), fstab: text}
