# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils._paths import Root

NAMES = ("a", "b", "c")


def grow(rng: random.Random, folder: Path, depth: int) -> None:
    """Fill a folder with folders, files and links of any kind."""
    for name in NAMES:
        kind = rng.random()
        if kind < 0.35 and depth:
            (folder / name).mkdir()
            grow(rng, folder / name, depth - 1)
        elif kind < 0.5:
            (folder / name).write_text("")
        elif kind < 0.95:
            (folder / name).symlink_to(path(rng))


def path(rng: random.Random) -> str:
    names = rng.choices((*NAMES, *NAMES, "..", "..", ".", ""), k=rng.randrange(5))
    # A slash or dot at the end asks the kernel for a folder; here it means nothing.
    return rng.choice(("/", "")) + "/".join([*names, rng.choice((*NAMES, ".."))])


def by_the_kernel(paths: list[str]) -> list[object]:
    """Where a process inside arrives: the true path, or the number of the error."""
    answers: list[object] = []
    for name in paths:
        os.chdir("/")
        try:
            fd = os.open(name or "/", os.O_PATH)
        except OSError as error:
            answers.append(error.errno)
        else:
            status = os.fstat(fd)
            os.close(fd)
            answers.append([os.path.realpath(name or "/"), status.st_ino])
    return answers


def by_us(tree: Path, paths: list[str]) -> list[object]:
    answers: list[object] = []
    with Root(str(tree)) as root:
        for name in paths:
            try:
                place = root.locate(name)
            except OSError as error:
                answers.append(error.errno)
            else:
                answers.append([place.path, place.status.st_ino])
    return answers


@pytest.mark.parametrize("seed", range(25))
def test_locate_is_what_a_process_inside_sees(
    seed: int, tmp_path: Path, forked: Callable[..., None]
) -> None:
    rng = random.Random(seed)
    tree, report = tmp_path / "tree", tmp_path / "report"
    tree.mkdir()
    grow(rng, tree, 3)
    paths = [path(rng) for _round in range(150)]

    def inside() -> None:
        with open(report, "w", encoding="utf-8") as out:
            os.chroot(tree)
            out.write(json.dumps(by_the_kernel(paths)))

    forked(inside)
    expected = json.loads(report.read_text())
    assert dict(zip(paths, by_us(tree, paths))) == dict(zip(paths, expected))
