# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One command in a jail: as a session by itself, and as a task."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from .measure import Against, Failed, Measured, Row, Way, run
from .world import PYTHON, OnHost, World

#: A session is over too soon to be timed alone, and a task's time scatters.
TIMES = 20
SESSION, CHROOT, TASK = "session of the collection", "chroot", "chroot_exec"
COMMAND, RAW = "ansible.builtin.command: chroot", "community.general.chroot, raw"

ROWS = [
    Row(
        "enter, run true, leave",
        SESSION,
        (
            Against(CHROOT, over=0.005),
            Against("arch-chroot"),
            Against("systemd-nspawn"),
            Against("schroot, directory"),
            Against("schroot, overlay"),
        ),
    ),
    Row(
        "true in a jail, as a task",
        TASK,
        (Against(COMMAND, ratio=1.05), Against(RAW)),
    ),
]

LOOP = """
import sys, time
sys.path.insert(0, sys.argv[1])
from ansible_collections.jaulas.chroot.plugins.module_utils import _session
wanted, times = _session.Session(jail=sys.argv[2], argv=["true"]), int(sys.argv[3])
_session.run(wanted)
start = time.monotonic()
for _time in range(times):
    outcome = _session.run(wanted)
    if outcome.rc:
        sys.exit(f"true ended with {outcome.rc}: {outcome.stderr!r}")
print((time.monotonic() - start) / times)
"""

SCHROOT = """\
[bench-directory]
type=directory
directory={jail}
root-users=root

[bench-overlay]
type=directory
directory={jail}
union-type=overlay
root-users=root
"""

NSPAWN = ("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--console=pipe")


def measure(world: World, runs: int) -> Measured:
    jail = world.new("session") / "jail"
    OnHost("debootstrap_jail", path=str(jail), variant="minbase", **world.archive).run()
    # Others write their own files into a jail that they enter.
    other = jail.with_name("other")
    run("cp", "-a", jail, other)
    Path("/etc/schroot/chroot.d/bench").write_text(SCHROOT.format(jail=other))

    commands = {
        CHROOT: ("chroot", other, "true"),
        "arch-chroot": ("arch-chroot", other, "true"),
        "systemd-nspawn": (*NSPAWN, f"--directory={other}", "true"),
        "schroot, directory": ("schroot", "-c", "bench-directory", "-d", "/", "--", "true"),
        "schroot, overlay": ("schroot", "-c", "bench-overlay", "-d", "/", "--", "true"),
    }
    ways = [Way(SESSION, partial(session, jail))]
    ways += [Way(name, partial(each, partial(run, *argv))) for name, argv in commands.items()]
    measured = Measured()
    measured.take(ways, runs)
    for _turn in range(runs):
        try:
            tasks(world, jail, measured)
        except Failed as error:
            measured.fail(TASK, error)
            break
    return measured


def each(work: Callable[[], object]) -> float:
    """Seconds of one of many."""
    start = time.monotonic()
    for _time in range(TIMES):
        work()
    return (time.monotonic() - start) / TIMES


def session(jail: Path) -> float:
    """Seconds of a session in a process that runs already, and has loaded nothing else."""
    # Above the folder of all collections.
    root = Path(__file__).parents[5]
    return float(run(PYTHON, "-I", "-S", "-c", LOOP, root, jail, str(TIMES)))


def tasks(world: World, jail: Path, measured: Measured) -> None:
    """The same in one play, in turn; the median of each."""
    inside = {"ansible_connection": "community.general.chroot", "ansible_host": str(jail)}
    kinds = [
        {"name": TASK, "jaulas.chroot.chroot_exec": {"path": str(jail), "argv": ["true"]}},
        {"name": COMMAND, "ansible.builtin.command": {"argv": ["chroot", str(jail), "true"]}},
        {"name": RAW, "ansible.builtin.raw": "true", "vars": inside},
    ]
    for name, seconds in world.tasks(kinds * TIMES).items():
        measured.add(name, statistics.median(seconds))
