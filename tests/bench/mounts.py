# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Six mounts in each of twenty jails of a host."""

from __future__ import annotations

from pathlib import Path

from .measure import Against, Failed, Measured, Row, run
from .world import Json, World

JAILS = 20
FIRST, AGAIN = "bind_mounts, 20 jails", "bind_mounts, 20 jails, unchanged"
LOOP_FIRST, LOOP_AGAIN = (
    "ansible.posix.mount, 120 items",
    "ansible.posix.mount, 120 items, unchanged",
)

ROWS = [
    Row("6 mounts in each of 20 jails", FIRST, (Against(LOOP_FIRST, ratio=1 / 20),)),
    Row("the same mounts, unchanged", AGAIN, (Against(LOOP_AGAIN, ratio=1 / 20),)),
]


def measure(world: World, runs: int) -> Measured:
    measured = Measured()
    sources = ["/proc", "/sys", "/dev", *(str(world.new("shared")) for _number in range(3))]
    mounts = [{"src": src, "dest": f"/mnt/{index}"} for index, src in enumerate(sources)]
    jails = [world.new("root") for _number in range(JAILS)]
    for jail in jails:
        # Any root folder may have mounts; this one says what it is.
        (jail / "etc").mkdir()
        (jail / "etc/os-release").write_text("ID=debian\n")

    def ours(fstab: Path) -> Json:
        items = [{"path": str(jail), "profile": "none", "mounts": mounts} for jail in jails]
        return {"jaulas.chroot.bind_mounts": {"jails": items, "fstab": str(fstab)}}

    def loop(fstab: Path) -> Json:
        args = {"src": "{{ item.src }}", "path": "{{ item.path }}", "fstype": "none"}
        items = [
            {"src": mount["src"], "path": f"{jail}{mount['dest']}"}
            for jail in jails
            for mount in mounts
        ]
        more = {"opts": "bind", "state": "mounted", "fstab": str(fstab)}
        return {"ansible.posix.mount": {**args, **more}, "loop": items}

    for _turn in range(runs):
        for (first, again), task in (((FIRST, AGAIN), ours), ((LOOP_FIRST, LOOP_AGAIN), loop)):
            if first in measured.failed:
                continue
            fstab = world.new("fstab") / "fstab"
            fstab.touch()
            tasks = [
                {"name": first, **task(fstab)},
                {
                    "name": again,
                    **task(fstab),
                    "register": "again",
                    "failed_when": "again is failed or again is changed",
                },
            ]
            try:
                for name, seconds in world.tasks(tasks).items():
                    measured.add(name, seconds[0])
            except Failed as error:
                measured.fail(first, error)
                measured.fail(again, error)
            finally:
                unmount(jails)
    return measured


def unmount(jails: list[Path]) -> None:
    for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
        point = Path(line.split()[4])
        if any(jail in point.parents for jail in jails):
            run("umount", point)
