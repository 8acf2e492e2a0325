# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Samples to tables: medians, ratios, and which targets are reached. Pure, but for main."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from . import bootstrap, connection, fleet, mounts, plot, provision, seed, sessions
from .measure import Against, Found, Row, Samples

#: In the order of the tables.
SUBJECTS = {
    "bootstrap": ("Making jails", bootstrap.ROWS),
    "mounts": ("Mounts", mounts.ROWS),
    "sessions": ("A command in a jail", sessions.ROWS),
    "provision": ("The playbook provision", provision.ROWS),
    "connection": ("Plays in a jail", connection.ROWS),
    "seed": ("Ten hosts", seed.ROWS),
}

INTRO = """\
# The same work by this collection and by its peers

`scripts/bench` writes this page from `results.json`, which holds every sample. All ways to do a
piece of work are gone in turn, one after the other, on one machine; figures are medians, in seconds
where nothing else is said. A ratio compares our way with another pair by pair, turn by turn; its
median is given. `<= 0.95` is the most that we want to take of that peer's time, `+0.005 s` the most
that we want to add to it.
"""

HEAD = """\
| work | way | median | min to max | ours to this | wanted | reached |
|---|---|---|---|---|---|---|
"""


def seconds(value: float) -> str:
    """A time with three digits that say something."""
    return f"{value:.4f}" if value < 0.1 else f"{value:.3f}" if value < 10 else f"{value:.1f}"


def ratio(ours: list[float], theirs: list[float]) -> float:
    """The median of the ratios turn by turn: what slows the machine down slows down both."""
    return statistics.median(mine / other for mine, other in zip(ours, theirs))


def over(ours: list[float], theirs: list[float]) -> float:
    """The median of what ours takes more, turn by turn."""
    return statistics.median(mine - other for mine, other in zip(ours, theirs))


def reached(ours: list[float], theirs: list[float], wanted: Against) -> bool:
    """Tell whether a target is reached."""
    if wanted.over is not None:
        return over(ours, theirs) <= wanted.over
    return wanted.ratio is not None and ratio(ours, theirs) <= wanted.ratio


def table(rows: Iterable[Row], samples: Samples, failed: dict[str, str]) -> str:
    """The table of a subject: our way first, then the others."""
    return HEAD + "".join(line for row in rows for line in _lines(row, samples, failed))


def _lines(row: Row, samples: Samples, failed: dict[str, str]) -> Iterator[str]:
    yield _line(row.work, f"**{row.ours}**", *_figures(row.ours, samples, failed), "", "", "")
    for other in row.others:
        compared, verdict = "", "not measured" if _wanted(other) else ""
        if row.ours in samples and other.way in samples:
            pair = samples[row.ours], samples[other.way]
            compared = f"{ratio(*pair):.3f}"
            if other.over is not None:
                compared += f" ({over(*pair):+.4f} s)"
            if _wanted(other):
                verdict = "yes" if reached(*pair, other) else "**no**"
        figures = _figures(other.way, samples, failed)
        yield _line("", other.way, *figures, compared, _wanted(other), verdict)


def _line(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n"


def _figures(way: str, samples: Samples, failed: dict[str, str]) -> tuple[str, str]:
    if way not in samples:
        return "not measured", " ".join(failed.get(way, "").split())[:160]
    taken = samples[way]
    return seconds(statistics.median(taken)), f"{seconds(min(taken))} to {seconds(max(taken))}"


def _wanted(other: Against) -> str:
    if other.over is not None:
        return f"+{other.over:g} s"
    return "" if other.ratio is None else f"<= {other.ratio:g}"


def facts(found: Found) -> str:
    """When and on what a subject was measured."""
    told = ", ".join(f"{name} {value}" for name, value in found["facts"].items())
    turns = "1 turn" if found["runs"] == 1 else f"{found['runs']} turns"
    return f"{turns} on {found['date']}. {told}.\n"


def page(results: dict[str, Found]) -> str:
    """The whole page."""
    parts = [INTRO, "![Medians, and from the fastest to the slowest](results.png)\n"]
    told = ""
    for name, (title, rows) in SUBJECTS.items():
        if name in results:
            found = results[name]
            parts.append(f"## {title}\n")
            # Once is enough, unless some were measured on another day.
            if facts(found) != told:
                told = facts(found)
                parts.append(told)
            parts.append(table(rows, found["samples"], found["failed"]))
    return "\n".join(parts)


def main() -> None:
    """Write the pages beside the samples."""
    place = Path(sys.argv[1])
    results = json.loads(place.read_text())
    place.with_name("results.md").write_text(page(results))
    shown = {
        title: (rows, results[name]["samples"])
        for name, (title, rows) in SUBJECTS.items()
        if name in results
    }
    plot.draw(shown, place.with_name("results.png"))
    if "fleet" in results:
        found = results["fleet"]
        place.with_name("fleet.md").write_text(fleet.page(found, facts(found)))


if __name__ == "__main__":
    main()
