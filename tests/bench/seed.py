# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A new kind of jail on ten hosts: one bootstraps and passes its image on, or each bootstraps."""

from __future__ import annotations

import os
import re
import time
from functools import partial
from pathlib import Path
from urllib.parse import unquote

from .fleet import Fleet, prepare
from .measure import Against, Failed, Measured, Row, Way
from .world import World

LOG = Path("/run/jaulas-hosts/archive.log")
#: The host that passes its image on, and where the others reach it.
SEED = {"jail_seed_from": "h1", "jail_seed_address": "198.18.88.11"}
SEEDED, EACH, ONE = (
    "provision with jail_seed_from, ten hosts",
    "provision, ten hosts",
    "provision, one host",
)
#: A file that was sent whole, as the server's log tells it.
SENT = re.compile(r'"GET /ok/(\S+) HTTP/[0-9.]+" 200 ')


def fetched(way: str) -> str:
    """What it is called that a way fetches from the mirror."""
    return f"{way}, MB"


ROWS = [
    Row("a new kind of jail on ten hosts", SEEDED, (Against(EACH, ratio=0.35), Against(ONE))),
    Row(
        "the same, MB fetched from the mirror",
        fetched(SEEDED),
        (Against(fetched(ONE), ratio=1.05), Against(fetched(EACH))),
        unit="MB",
    ),
]


def measure(world: World, runs: int) -> Measured:
    measured = Measured()
    prepare(world)

    def provision(name: str, fleet: Fleet) -> float:
        start = time.monotonic()
        fleet.play("provision", 10)
        taken = time.monotonic() - start
        measured.add(fetched(name), megabytes(), "MB")
        return taken

    fleets = {SEEDED: Fleet(world, 10, **SEED), EACH: Fleet(world, 10), ONE: Fleet(world, 1)}
    ways = [
        Way(name, partial(provision, name, fleet), fleet.up, fleet.down)
        for name, fleet in fleets.items()
    ]
    try:
        measured.take(ways, runs)
    finally:
        Fleet.down()
    return measured


def megabytes() -> float:
    """What the hosts have fetched from the archive since they are up."""
    served = Path(os.environ["JAULAS_CACHE"], "archive/good")
    names = SENT.findall(LOG.read_text())
    if not names:
        raise Failed(f"{LOG} tells of nothing that was fetched")
    return sum((served / unquote(name)).stat().st_size for name in names) / 1e6
