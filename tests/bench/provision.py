# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run of the playbook provision that changes nothing."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from .measure import Against, Failed, Measured, Row, Way, say
from .world import World

PINGS, ONE, MANY = "a play of five pings", "provision, 1 jail", "provision, 20 jails"

ROWS = [
    Row("an unchanged run, 1 jail", ONE, (Against(PINGS, ratio=1.5),)),
    Row(
        "an unchanged run, 20 jails on the host",
        MANY,
        (Against(PINGS, ratio=1.5), Against(ONE, ratio=1.3)),
    ),
]


def measure(world: World, runs: int) -> Measured:
    tasks = [{"name": f"Ping {number}", "ansible.builtin.ping": None} for number in range(5)]
    pings = world.write("pings.json", [{"hosts": "all", "gather_facts": False, "tasks": tasks}])
    one, many = inventory(world, 1), inventory(world, 20)
    ways = [
        Way(PINGS, partial(play, world, one, pings)),
        Way(ONE, partial(play, world, one, "jaulas.chroot.provision")),
        Way(MANY, partial(play, world, many, "jaulas.chroot.provision")),
    ]
    measured = Measured()
    for place in (one, many):
        say("making the jails")
        world.ansible("ansible-playbook", "-i", place, "jaulas.chroot.provision")
    measured.take(ways, runs)
    for place in (one, many):
        world.ansible("ansible-playbook", "-i", place, "jaulas.chroot.remove")
    return measured


def inventory(world: World, jails: int) -> Path:
    """This machine as a host with some jails."""
    host = {
        "ansible_connection": "local",
        "jail_root": str(world.new("jails")),
        "jails_common": world.archive,
        "jails": [{"name": f"jail{number}"} for number in range(jails)],
    }
    return world.write("hosts.json", {"all": {"hosts": {"host": host}}})


def play(world: World, hosts: Path, book: str | Path) -> None:
    """Run a playbook that must not change anything."""
    said = world.ansible("ansible-playbook", "-i", hosts, book)
    if not re.search(r"changed=0 +unreachable=0 +failed=0", said):
        raise Failed(f"{book} was to change nothing: {said.strip().splitlines()[-1]}")
