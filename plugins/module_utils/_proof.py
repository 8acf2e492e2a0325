# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who uses a jail: prove that nobody does, or end those who do."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from ansible_collections.jaulas.chroot.plugins.module_utils import _jail, _procs
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import Busy, Refused
from ansible_collections.jaulas.chroot.plugins.module_utils._operations import listed
from ansible_collections.jaulas.chroot.plugins.module_utils._procs import Process
from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record

_GRACE = 5.0
_PAUSE = 0.05


def prove_unused(path: str, deed: str, kill: bool, overlay: bool = False) -> None:
    """Refuse to go on while something is mounted in a jail, runs in it or would mount in it.

    The mount of the jail's own storage, where it is an overlay, does not count.
    """
    mounts = [
        mount
        for mount in _procs.mounts_below(path, itself=True)
        if not (overlay and mount.point == path and mount.fstype == "overlay")
    ]
    if mounts:
        names = listed([mount.describe() for mount in mounts])
        raise Refused(
            f"Cannot {deed} {path}: mounted there: {names}.",
            "Unmount them first (bind_mounts with state: absent does it for the host).",
            mounts=[mount.describe() for mount in mounts],
        )
    # Copies of the mount of an overlay go with it, as a rule; those that stay are seen then.
    elsewhere = [] if overlay else [mount.describe() for mount in _procs.mounts_of(path)]
    if elsewhere:
        raise Refused(
            f"Cannot {deed} {path}: its files are mounted elsewhere: {listed(elsewhere)}.",
            "Unmount them there first.",
            mounts=elsewhere,
        )
    lines = _jail.fstab_lines(path)
    if lines:
        raise Refused(
            f"Cannot {deed} {path}: /etc/fstab would mount there at the next boot: "
            f"{listed(lines)}.",
            "Take the lines out first (bind_mounts with state: absent does it).",
        )
    processes = [item for item in _procs.inside(path) if not (kill and may_end(item, path))]
    if processes:
        names = listed([process.describe() for process in processes])
        raise Refused(
            f"Cannot {deed} {path}: in use by {names}.",
            "End them, or set kill: true to have those that run inside ended.",
            processes=[process.describe() for process in processes],
        )


def _ancestors() -> set[int]:
    """The processes that we run under: ending one of them would end this run."""
    found, pid = set(), os.getpid()
    while pid > 1:
        found.add(pid)
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as handle:
            # The name, in brackets, may hold anything; the parent is the second word after it.
            pid = int(handle.read().rpartition(")")[2].split()[1])
    return found


def may_end(process: Process, path: str) -> bool:
    """Tell whether a process runs inside, and does not just hold a file open there."""
    lives_there = process.reason.split()[0] in ("root", "cwd", "exe")
    return lives_there and process.pid not in _ancestors() and _means_the_same(process.pid, path)


def _means_the_same(pid: int, path: str) -> bool:
    """Tell whether a path that a process is said to be at is that of this host.

    In a container of its own it would be a place in that one.
    """
    try:
        if os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt"):
            return True
        return os.path.samestat(os.stat(f"/proc/{pid}/root"), os.stat(path))
    except OSError:
        return False


class EndProcesses(Record):
    """End the processes that run inside a jail: first ask (TERM), then insist (KILL)."""

    path: str

    def describe(self) -> str:
        return f"end the processes inside {self.path}"

    def apply(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in self._found():
                try:
                    os.kill(process.pid, number)
                except ProcessLookupError:
                    continue
            if _within(_GRACE, lambda: not self._found()):
                return
        names = listed([process.describe() for process in self._found()])
        raise Busy(f"Cannot end all processes inside {self.path}: {names} are still there.")

    def _found(self) -> list[Process]:
        return [process for process in _procs.inside(self.path) if may_end(process, self.path)]


def _within(seconds: float, done: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        # Nothing tells of the end of processes that are not our children.
        time.sleep(_PAUSE)
    return True


def ending(path: str) -> list[EndProcesses]:
    """List what ends the processes inside a jail, if there are any."""
    found = any(may_end(process, path) for process in _procs.inside(path))
    return [EndProcesses(path)] if found else []
