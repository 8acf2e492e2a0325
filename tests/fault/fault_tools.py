# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the fault tests share: a look at the mounts, processes and files of the machine."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import re
import stat
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

Found = TypeVar("Found")

LIBC = ctypes.CDLL(None, use_errno=True)
NEW_MOUNTS = 0x00020000
MS_SHARED_REC = (1 << 20) | 0x4000
MS_PRIVATE_REC = (1 << 18) | 0x4000
PR_SET_CHILD_SUBREAPER = 36
PAUSE = 0.05
PATIENCE = 60.0
#: What a bootstrap is known by, or leaves to be made anew: logs, caches, lists, names, the marker.
OWN = re.compile(
    r"/(\.jail\.json|debootstrap|var/log/.*|var/cache/(apt|ldconfig|debconf)/.*|var/lib/apt/lists/.*"
    r"|var/lib/dpkg/[a-z]+-old|etc/(machine-id|hostname|resolv\.conf)|.*\.pyc|.*/99mmdebstrap"
    r"|etc/(passwd|group|shadow|gshadow)-?|etc/apt/trusted\.gpg\.d/jaulas-.*|\.)"
)


def eventually(
    look: Callable[[], Found], what: str, seconds: float = PATIENCE, pause: float = PAUSE
) -> Found:
    """Look until there is something to see; fail when it does not come in time."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        # What is looked for is somebody else's, and does not announce itself.
        time.sleep(pause)


def become_a_host() -> None:
    """Give the tests a mount table of their own, shared as systemd makes it, and all orphans.

    What other people mount on this machine meanwhile is not seen, what a test leaves behind ends
    with the tests, and every process that a run leaves behind becomes a child of the tests.
    """
    for result in (
        LIBC.unshare(NEW_MOUNTS),
        LIBC.mount(b"none", b"/", None, ctypes.c_ulong(MS_PRIVATE_REC), None),
        LIBC.mount(b"none", b"/", None, ctypes.c_ulong(MS_SHARED_REC), None),
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0),
    ):
        assert result == 0, os.strerror(ctypes.get_errno())


def mount_table() -> list[str]:
    """The mount table without the kernel's numbers: of mounts, and of groups of shared ones."""
    lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    return sorted(re.sub(r":\d+", "", line.split(" ", 2)[2].split(" ", 1)[1]) for line in lines)


def mounts_below(folder: Path | str) -> list[str]:
    """The points of all mounts below a folder, the topmost of a stack last."""
    lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    points = [
        re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), line.split()[4])
        for line in lines
    ]
    return [point for point in points if point.startswith(f"{folder}/")]


@dataclass(frozen=True)
class Seen:
    """A process: its parent, state and command line."""

    pid: int
    parent: int
    state: str
    words: tuple[str, ...]

    def runs(self, name: str) -> bool:
        """Tell whether it is the program or the script of this name."""
        return any(os.path.basename(word) == name for word in self.words[:2])


def processes() -> dict[int, Seen]:
    """Every process that there is."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{name}/stat").read_text("utf-8", "replace")
            state, parent = fields.rpartition(")")[2].split()[:2]
            words = Path(f"/proc/{name}/cmdline").read_bytes().decode("utf-8", "replace")
            found[int(name)] = Seen(int(name), int(parent), state, tuple(words.split("\0")))
    return found


def descendants(pid: int) -> list[Seen]:
    """All that a process has started, and what that has started; parents first."""
    table, found, todo = processes(), [], [pid]
    while todo:
        parent = todo.pop(0)
        children = [item for item in table.values() if item.parent == parent]
        found += children
        todo += [item.pid for item in children]
    return found


def digest(folder: Path) -> dict[str, str]:
    """The whole content of a folder: names, kinds, modes, link targets and bytes."""
    found = {}
    for base, folders, files in os.walk(folder):
        for name in [*folders, *files, "."]:
            path = os.path.join(base, name)
            status = os.lstat(path)
            what = f"{status.st_mode:o} {status.st_uid}"
            if stat.S_ISLNK(status.st_mode):
                what += os.readlink(path)
            elif stat.S_ISREG(status.st_mode):
                what += hashlib.sha256(Path(path).read_bytes()).hexdigest()
            found[path] = what
    return found


def comparable(tree: Path) -> dict[str, str]:
    """What is in a tree, but for what every bootstrap has of its own."""
    found = {name[len(str(tree)) :]: what for name, what in digest(tree).items()}
    return {name: what for name, what in found.items() if not OWN.fullmatch(name)}


def leftovers(path: Path) -> list[str]:
    """What lies beside a jail of what did not come to be."""
    return sorted(str(item) for item in path.parent.glob(f"{path.name}.partial-*"))


def bootstrap(path: Path | str, **changes: Any) -> dict[str, Any]:
    """The arguments of a bootstrap from the tests' archive."""
    return {
        "path": str(path),
        "suite": "kerepakupai",
        "script": "wheezy",
        "arch": "amd64",
        "variant": "minbase",
        "engine": "mmdebstrap",
        "mirror": os.environ["ARCHIVE_URL"],
        "keyring": os.environ["ARCHIVE_KEYRING"],
        # What is to be tested of a bootstrap is not in a copy.
        "image": False,
        **changes,
    }


def copy(base: Path, path: Path) -> Path:
    """Another jail like the base."""
    subprocess.run(["cp", "-a", "--reflink=auto", base, path], check=True)
    return path


def marker() -> dict[str, Any]:
    """What a marker holds."""
    return {"format": 1, "parameters": {}, "engine": {}, "release": {}, "created": ""}
