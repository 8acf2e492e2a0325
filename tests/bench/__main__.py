# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure, and keep the samples; what is started by scripts/bench."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import tempfile
from pathlib import Path

from . import bootstrap, connection, fleet, mounts, provision, seed, sessions
from .measure import Failed, Found, Measured, run, say
from .world import World, facts

SUBJECTS = {
    "bootstrap": bootstrap.measure,
    "mounts": mounts.measure,
    "sessions": sessions.measure,
    "provision": provision.measure,
    "connection": connection.measure,
    "fleet": fleet.measure,
    "seed": seed.measure,
}
PEERS = ("debootstrap", "mmdebstrap", "schroot", "systemd-container", "arch-install-scripts")


def versions() -> dict[str, str]:
    """Versions of what is measured."""
    shown = run("dpkg-query", "--show", "--showformat=${Package} ${Version}\n", *PEERS)
    core = run("ansible-playbook", "--version").splitlines()[0]
    return {
        **dict(line.split(" ") for line in shown.splitlines()),
        "Ansible": core.split("[")[-1][:-1],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="turns, at least five for the record")
    parser.add_argument("--results", type=Path, required=True, help="the samples: read and written")
    parser.add_argument("subjects", nargs="+", choices=SUBJECTS)
    options = parser.parse_args()
    known = versions()
    failed = False
    for subject in options.subjects:
        print(f"== {subject}", flush=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{subject}-", dir=os.environ["JAILS_ROOT"]))
        folder.chmod(0o755)
        world = World(folder)
        try:
            world.keep_in(folder / "kept")
            measured = SUBJECTS[subject](world, options.runs)
        except Failed as error:
            measured = Measured()
            measured.fail(subject, error)
        finally:
            world.keep_nothing()
        found = Found(
            date=datetime.date.today().isoformat(),
            runs=options.runs,
            facts=facts(known),
            samples=measured.samples,
            failed=measured.failed,
        )
        keep(options.results, subject, found)
        for name, why in measured.failed.items():
            failed = True
            say(f"not measured: {name}: {why}")
    return int(failed)


def keep(results: Path, subject: str, found: Found) -> None:
    """Put a subject's samples into the place of those from an earlier day."""
    every = json.loads(results.read_text()) if results.exists() else {}
    every[subject] = found
    results.write_text(json.dumps(every, indent=1) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
