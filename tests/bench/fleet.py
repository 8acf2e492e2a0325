# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many hosts at once: the test hosts of extensions/molecule, each with one jail."""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from .measure import Failed, Found, Measured, run, say
from .world import PYTHON, World

HOSTS = Path(__file__).parents[2] / "extensions/molecule/hosts"
IMAGE = Path("/var/cache/jaulas-hosts/trixie")
JAIL = "/srv/jails/trixie"
#: Hosts and forks.
SIZES = ((1, 10), (10, 10), (50, 10), (50, 50))
#: Most that is run several times takes a minute with fifty hosts.
MOST_RUNS = 3
UP, UP_SECONDS = "ten hosts up", 30
#: What is done with a fleet, in this order. What makes jails is done once.
FIRST, AGAIN, AD_HOC, NEXT = (
    "provision, nothing there",
    "provision, nothing to change",
    "ad hoc chroot_exec",
    "provision, jails removed before",
)

INTRO = """\
# Many hosts

`scripts/bench fleet` writes this page. The hosts are namespaces of one machine with real sshd, see
`extensions/molecule/hosts`; they share the machine with the controller, so that what they do is
part of the wall time. Each gets one jail, from the archive of the tests. The controller's CPU time
is that of the program and of all that it waited for: Ansible's forks and their ssh. Medians in
seconds; what makes jails is run once.
"""


class Fleet:
    """Some hosts, and Ansible with an inventory of them; `more` are variables of all."""

    def __init__(self, world: World, hosts: int, **more: str) -> None:
        self.world = world
        self.names = [f"h{number}" for number in range(1, hosts + 1)]
        variables = {"jails": [{"name": "trixie", "suite": "trixie"}], **more}
        group = {"hosts": {name: {} for name in self.names}, "vars": variables}
        self.inventory = world.write("hosts.json", {"hosts": group})
        self.sockets = world.new("cp")

    def up(self) -> None:
        # A connection to a host of the same name that is no more would be used again.
        self.sockets = self.world.new("cp")
        archive = Path(os.environ["JAULAS_CACHE"], "archive")
        hosts = [f"{name}={IMAGE}" for name in self.names]
        run(PYTHON, HOSTS / "hosts.py", "up", "--archive", archive, *hosts)

    @staticmethod
    def down() -> None:
        run(PYTHON, HOSTS / "hosts.py", "down")

    def ansible(self, program: str, *argv: str | Path) -> str:
        return self.world.ansible(
            program,
            f"--inventory={HOSTS / 'inventory'}",
            f"--inventory={self.inventory}",
            *argv,
            ANSIBLE_SSH_CONTROL_PATH_DIR=str(self.sockets),
        )

    def play(self, book: str, forks: int) -> None:
        self.ansible("ansible-playbook", f"--forks={forks}", f"jaulas.chroot.{book}")

    def ad_hoc(self, forks: int) -> None:
        argv = ("-m", "jaulas.chroot.chroot_exec", "-a", f"path={JAIL} cmd=true")
        self.ansible("ansible", f"--forks={forks}", "hosts", *argv)


def prepare(world: World) -> None:
    """Have the system of the hosts at hand."""
    say("making the system of the hosts, unless it is there")
    Fleet(world, 1).ansible("ansible-playbook", HOSTS / "create.yml")
    Fleet.down()


def measure(world: World, runs: int) -> Measured:
    measured = Measured()
    try:
        prepare(world)
        ten = Fleet(world, 10)
        for _turn in range(runs):
            timed(measured, UP, ten.up)
            ten.down()
        for hosts, forks in SIZES:
            fleet = Fleet(world, hosts)
            fleet.up()
            size(measured, fleet, hosts, forks, min(runs, MOST_RUNS))
            fleet.down()
    finally:
        Fleet.down()
    return measured


def size(measured: Measured, fleet: Fleet, hosts: int, forks: int, runs: int) -> None:
    """All that is done with so many hosts by so many forks."""
    provision = partial(fleet.play, "provision", forks)

    def take(what: str, work: Callable[[], object]) -> None:
        timed(measured, name(hosts, forks, what), work)

    try:
        take(FIRST, provision)
        for _turn in range(runs):
            take(AGAIN, provision)
            take(AD_HOC, partial(fleet.ad_hoc, forks))
        fleet.play("remove", forks)
        take(NEXT, provision)
    except Failed as error:
        measured.fail(name(hosts, forks, "all"), error)


def name(hosts: int, forks: int, what: str) -> str:
    """What samples are called."""
    return f"{hosts} hosts, {forks} forks: {what}"


def cpu() -> float:
    """CPU time of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(measured: Measured, what: str, work: Callable[[], object]) -> None:
    """Do it, and add what it took by the clock and of the processors."""
    start, used = time.monotonic(), cpu()
    work()
    measured.add(what, time.monotonic() - start)
    measured.add(f"{what}, CPU", cpu() - used)


def page(found: Found, facts: str) -> str:
    """The page for a fleet's samples."""
    middle = {what: statistics.median(taken) for what, taken in found["samples"].items()}
    lines = [
        INTRO,
        facts,
        "| hosts | forks | work | wall, s | controller's CPU, s |",
        "|---|---|---|---|---|",
    ]
    for hosts, forks in SIZES:
        for what in (FIRST, AGAIN, AD_HOC, NEXT):
            key = name(hosts, forks, what)
            if key in middle:
                taken = f"{middle[key]:.1f} | {middle[f'{key}, CPU']:.1f}"
                lines.append(f"| {hosts} | {forks} | {what} | {taken} |")
    lines += [f"\nNot measured: {what}: {why}" for what, why in found["failed"].items()]
    if UP in middle:
        verdict = "yes" if middle[UP] < UP_SECONDS else "**no**"
        lines.append(
            f"\nTen test hosts are up {middle[UP]:.1f} s after they are asked for, once their "
            f"system exists; wanted is less than {UP_SECONDS} s: {verdict}."
        )
    return "\n".join(lines) + "\n"
