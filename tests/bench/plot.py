# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The picture beside the table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from .measure import Row, Samples

OURS, THEIRS = "#1f77b4", "#b0b0b0"


def draw(subjects: Mapping[str, tuple[Sequence[Row], Samples]], place: Path) -> None:
    """Draw a bar for each way, a panel for each piece of work."""
    # Only whoever draws needs it.
    import matplotlib  # noqa: PLC0415

    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    panels = []
    for rows, samples in subjects.values():
        for row in rows:
            ways = [way for way in (row.ours, *(item.way for item in row.others)) if way in samples]
            if ways:
                panels.append((row, {way: samples[way] for way in ways}))
    heights = [len(taken) + 1 for _row, taken in panels]
    figure, axes = pyplot.subplots(
        len(panels),
        figsize=(9, 0.32 * sum(heights)),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    for (row, taken), axis in zip(panels, axes[:, 0]):
        middles = [statistics.median(item) for item in taken.values()]
        low = [middle - min(item) for middle, item in zip(middles, taken.values())]
        high = [max(item) - middle for middle, item in zip(middles, taken.values())]
        colours = [OURS if way == row.ours else THEIRS for way in taken]
        bars = axis.barh(list(taken), middles, xerr=[low, high], color=colours)
        axis.bar_label(bars, [f" {middle:.3g} {row.unit}" for middle in middles], fontsize=8)
        axis.invert_yaxis()
        axis.margins(x=0.15)
        axis.set_title(row.work, fontsize=9, loc="left")
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(place, dpi=110, metadata={"Software": None})
