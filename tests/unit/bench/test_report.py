# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Samples to tables."""

from __future__ import annotations

import pytest

from ansible_collections.jaulas.chroot.tests.bench import report
from ansible_collections.jaulas.chroot.tests.bench.measure import (
    Against,
    Failed,
    Measured,
    Row,
    Way,
)


def test_ratio_is_taken_pair_by_pair() -> None:
    # In the second turn the machine was slow: for both.
    assert report.ratio([1.0, 10.0, 1.2], [2.0, 20.0, 2.0]) == 0.5
    assert report.over([1.5, 11.0, 1.5], [1.0, 10.0, 1.25]) == 0.5


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Against("peer", ratio=0.5), True),
        (Against("peer", ratio=0.49), False),
        (Against("peer", over=-1.0), True),
        (Against("peer", over=-1.1), False),
        (Against("peer"), False),
    ],
)
def test_reached(wanted: Against, expected: bool) -> None:
    assert report.reached([1.0], [2.0], wanted) is expected


def test_table() -> None:
    row = Row(
        "a jail",
        "ours",
        (Against("peer", ratio=0.5), Against("other", over=0.005), Against("lost", ratio=1)),
    )
    samples = {"ours": [0.02, 0.01, 0.03], "peer": [12.5, 10.0, 11.0], "other": [0.01, 0.01, 0.01]}
    assert report.table([row], samples, {"lost": "no such|thing"}).splitlines()[2:] == [
        "| a jail | **ours** | 0.0200 | 0.0100 to 0.0300 |  |  |  |",
        "|  | peer | 11.0 | 10.0 to 12.5 | 0.002 | <= 0.5 | yes |",
        "|  | other | 0.0100 | 0.0100 to 0.0100 | 2.000 (+0.0100 s) | +0.005 s | **no** |",
        "|  | lost | not measured | no such/thing |  | <= 1 | not measured |",
    ]


def test_ways_take_turns() -> None:
    order = []

    def way(name: str, result: object) -> Way:
        return Way(
            name,
            lambda: order.append(name) or result,
            before=lambda: order.append("before"),
            after=lambda: order.append("after"),
        )

    measured = Measured()
    measured.take([way("a", 0.5), way("b", "text")], runs=2)
    assert order == ["before", "a", "after", "before", "b", "after"] * 2
    assert measured.samples["a"] == [0.5, 0.5]
    assert len(measured.samples["b"]) == 2


def test_what_fails_has_no_figure() -> None:
    def fail() -> None:
        if turns:
            raise Failed("broken")
        turns.append(1)

    turns: list[int] = []
    measured = Measured()
    measured.take([Way("a", fail), Way("b", lambda: 1.0)], runs=3)
    assert measured.samples == {"b": [1.0, 1.0, 1.0]}
    assert measured.failed == {"a": "broken"}
