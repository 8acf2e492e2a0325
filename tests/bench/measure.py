# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several ways to do one piece of work, timed in turn."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

#: Seconds, by the way that took them, or of its own unit; turn by turn.
Samples = dict[str, list[float]]


class Failed(Exception):
    """A way that could not be gone, and why."""


def nothing() -> None:
    """What many have to do before and after their work."""


@dataclass(frozen=True)
class Way:
    """One way to do a piece of work.

    What is done before and after is not timed. Work that knows its seconds better than a clock
    around it returns them, as a float.
    """

    name: str
    work: Callable[[], object]
    before: Callable[[], object] = nothing
    after: Callable[[], object] = nothing

    def seconds(self) -> float:
        """Go this way once."""
        self.before()
        try:
            # What was written before is not this one's to wait for.
            os.sync()
            start = time.monotonic()
            known = self.work()
            taken = time.monotonic() - start
        finally:
            self.after()
        return known if isinstance(known, float) else taken


@dataclass
class Measured:
    """What is known of a subject: samples, and why some ways have none."""

    samples: Samples = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, value: float, unit: str = "s") -> None:
        self.samples.setdefault(name, []).append(value)
        say(f"{name}: {value:.4f} {unit}")

    def fail(self, name: str, error: Failed) -> None:
        """Give a way up: what it took in other turns is no figure."""
        self.samples.pop(name, None)
        self.failed[name] = str(error)
        say(f"{name}: FAILED: {error}")

    def take(self, ways: Sequence[Way], runs: int) -> None:
        """Go all ways in turn: whatever slows the machine down slows down each of them."""
        for _turn in range(runs):
            for way in ways:
                if way.name in self.failed:
                    continue
                try:
                    self.add(way.name, way.seconds())
                except Failed as error:
                    self.fail(way.name, error)


@dataclass(frozen=True)
class Against:
    """A yardstick: what we may take of its time, or how many seconds more than it."""

    way: str
    ratio: float | None = None
    over: float | None = None


@dataclass(frozen=True)
class Row:
    """A piece of work: our way, and those of others."""

    work: str
    ours: str
    others: tuple[Against, ...]
    unit: str = "s"


class Found(TypedDict):
    """A subject as it is kept: its samples, when and on what they were taken."""

    date: str
    runs: int
    facts: dict[str, str]
    samples: Samples
    failed: dict[str, str]


def say(text: str) -> None:
    print(f"  {text}", flush=True)


def run(*argv: str | Path, env: dict[str, str] | None = None) -> str:
    """Run a program that must succeed; what it said."""
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env={**os.environ, **(env or {})},
    )
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        # Ansible says it first, and much after it.
        why = [line for line in lines if line.startswith(("[ERROR]", "ERROR"))] or lines[-3:]
        raise Failed(f"{Path(argv[0]).name} ended with {done.returncode}: {' / '.join(why)}")
    return done.stdout
