"""Print the host's mounts (without ids), the processes that have to do with a folder, and fstab."""

from __future__ import annotations

import contextlib
import os
import sys


def ancestors() -> set[int]:
    found, pid = set(), os.getpid()
    while pid:
        found.add(pid)
        with open(f"/proc/{pid}/stat", errors="replace") as handle:
            pid = int(handle.read().rpartition(")")[2].split()[1])
    return found


def main() -> None:
    folder = os.path.realpath(sys.argv[1])
    with open("/proc/self/mountinfo", errors="replace") as handle:
        for line in sorted(" ".join(line.split()[2:]) for line in handle):
            print(f"mount: {line}")
    for pid in sorted({int(name) for name in os.listdir("/proc") if name.isdigit()} - ancestors()):
        held = []
        for name in ("root", "cwd", "exe"):
            with contextlib.suppress(OSError):
                held.append(os.readlink(f"/proc/{pid}/{name}"))
        with (
            contextlib.suppress(OSError),
            open(f"/proc/{pid}/cmdline", errors="replace") as handle,
        ):
            held.append(handle.read().replace("\0", " "))
        if any(folder in text for text in held):
            print(f"process: {pid} {' '.join(held)}")
    with open("/etc/fstab", errors="replace") as handle:
        for line in handle:
            print(f"fstab: {line.rstrip()}")


if __name__ == "__main__":
    main()
