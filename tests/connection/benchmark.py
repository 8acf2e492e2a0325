# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much longer a play takes in a jail than on its host. Run by tests/bench/connection.py."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from conftest import Controller, Variant

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
    seconds: dict[str, list[float]] = {}
    for pipelining in (True, False):
        variant = Variant("ssh", pipelining, "root")
        # The first round opens the connections and is not counted.
        for turn in range(int(os.environ["BENCHMARK_RUNS"]) + 1):
            for hosts, where in (("host", "on its host"), ("jail", "in a jail")):
                start = time.monotonic()
                controller.play(TASKS, variant, jail, hosts=hosts)
                if turn:
                    name = f"{where}, pipelining {'on' if pipelining else 'off'}"
                    seconds.setdefault(name, []).append(time.monotonic() - start)
    Path(os.environ["BENCHMARK_RESULTS"]).write_text(json.dumps(seconds))
