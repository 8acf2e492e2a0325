# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much longer a play takes in a jail than on its host: by the fixtures of tests/connection."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from .measure import Against, Measured, Row, run
from .world import World

BENCHMARK = Path(__file__).parents[1] / "connection/benchmark.py"

ROWS = [
    Row(
        f"20 tasks over ssh, pipelining {pipelining}",
        f"in a jail, pipelining {pipelining}",
        (Against(f"on its host, pipelining {pipelining}", ratio=1.15),),
    )
    for pipelining in ("on", "off")
]


def measure(world: World, runs: int) -> Measured:
    results = world.new("connection") / "results.json"
    run(
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider"),
        *("--override-ini=pythonpath=tests/fault", BENCHMARK),
        env={"BENCHMARK_RESULTS": str(results), "BENCHMARK_RUNS": str(runs)},
    )
    measured = Measured()
    for name, seconds in json.loads(results.read_text()).items():
        for one in seconds:
            measured.add(name, one)
    return measured
