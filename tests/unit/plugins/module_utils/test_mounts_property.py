# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import random

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils._profiles import Wanted
from ansible_collections.jaulas.chroot.tests.unit.plugins.module_utils.toy_mounts import (
    HOST,
    JAIL,
    Toy,
    bind,
    inherited,
)

PLACES = ("/a", "/a/b", "/a/b/c", "/a/d", "/e", "/e/a", "/ab")
SOURCES = ("/home", "/home/ana", "/proc", "/dev", "/dev/pts", "/tmp", "/var")


def any_mount(rng: random.Random, recursive: bool = False) -> Wanted:
    dest = rng.choice(PLACES)
    kind = rng.random()
    if kind < 0.25:
        return Wanted("tmpfs", dest, "tmpfs", (rng.choice(("mode=755", "mode=1777")),))
    if kind < 0.35:
        return Wanted("proc", dest, "proc", ("nosuid",))
    word = "rbind" if recursive and kind > 0.9 else "bind"
    return Wanted(rng.choice(SOURCES), dest, "none", (word, rng.choice(("ro", "rw", "nosuid"))))


def littered(rng: random.Random) -> Toy:
    """A jail in which people have mounted over years."""
    toy = Toy()
    for _round in range(rng.randrange(9)):
        wanted = any_mount(rng, recursive=True)
        tags = rng.choice(((), (), ("shared:9",), ("master:9",)))
        toy.add(wanted, rng.choice((inherited(toy, wanted), ("ro",), ())), tags)
    return toy


def goals(rng: random.Random, recursive: bool = False) -> list[Wanted]:
    chosen = {item.dest: item for item in (any_mount(rng, recursive) for _round in range(5))}
    return sorted(chosen.values(), key=lambda item: item.dest.count("/"))


@pytest.mark.parametrize("block", range(10))
def test_any_table_becomes_any_goal_in_one_run(block: int) -> None:
    for seed in range(block * 60, block * 60 + 60):
        rng = random.Random(seed)
        toy, wanted = littered(rng), goals(rng)
        toy.settle(wanted)
        points = sorted(mount.point for mount in toy.below())
        assert points == sorted(JAIL + item.dest for item in wanted), f"seed {seed}"
        assert [mount for mount in toy.table if mount.id < 100] == list(HOST)


@pytest.mark.parametrize("block", range(5))
def test_any_table_is_emptied(block: int) -> None:
    for seed in range(block * 60, block * 60 + 60):
        toy = littered(random.Random(seed))
        toy.settle([])
        assert toy.table == list(HOST), f"seed {seed}"


@pytest.mark.parametrize("block", range(5))
def test_recursive_goals_settle_too(block: int) -> None:
    for seed in range(block * 60, block * 60 + 60):
        rng = random.Random(seed)
        toy, wanted = littered(rng), goals(rng, recursive=True)
        toy.settle(wanted)
        points = {mount.point for mount in toy.below()}
        assert points >= {JAIL + item.dest for item in wanted}, f"seed {seed}"


@pytest.mark.parametrize("seed", range(20))
def test_what_is_right_already_is_not_touched(seed: int) -> None:
    """One mount too many costs one unmount, and never the others."""
    wanted = goals(random.Random(seed))
    toy = Toy()
    toy.settle(wanted)
    kept = toy.below()
    toy.add(bind("/var", "/extra"))
    assert len(toy.settle(wanted)) == 1
    assert toy.below() == kept
