# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much longer a play takes in a jail than on its host. Run by scripts/bench."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from typing import Any

from conftest import Controller, Variant

RUNS = 3
#: Twenty tasks, of the kinds that most plays consist of.
TASKS: list[dict[str, Any]] = [
    {"ansible.builtin.command": "true"},
    {"ansible.builtin.stat": {"path": "/etc/passwd"}},
    {"ansible.builtin.file": {"path": "/srv", "state": "directory"}},
    {"ansible.builtin.slurp": {"path": "/etc/passwd"}},
    {
        "ansible.builtin.lineinfile": {"path": "/etc/passwd", "line": "root", "regexp": "^root"},
        # Of the host, too, nothing is changed.
        "check_mode": True,
    },
] * 4


def test_twenty_tasks_by_ssh(controller: Controller, jail: Path) -> None:
    (jail / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    rows = []
    for pipelining in (True, False):
        variant = Variant("ssh", pipelining, "root")
        seconds: dict[str, list[float]] = {"host": [], "jail": []}
        # The first round opens the connections and is not counted.
        for turn in range(RUNS + 1):
            for where, taken in seconds.items():
                start = time.monotonic()
                controller.play(TASKS, variant, jail, hosts=where)
                if turn:
                    taken.append(time.monotonic() - start)
        pairs = [there / here for here, there in zip(*seconds.values(), strict=True)]
        host, inside, ratio = map(statistics.median, (*seconds.values(), pairs))
        rows.append(
            f"| {'on' if pipelining else 'off'} | {host:.2f} | {inside:.2f} | {ratio:.2f} "
            f"({min(pairs):.2f} to {max(pairs):.2f}) |\n"
        )
    Path(os.environ["BENCHMARK_RESULTS"]).write_text(
        "| pipelining | plain ssh to the host, s | into the jail, s | ratio, pair by pair |\n"
        f"|---|---|---|---|\n{''.join(rows)}"
    )
