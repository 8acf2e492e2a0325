# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A first jail, and the next one like it."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from .measure import Against, Failed, Measured, Row, Way, run, say
from .world import OnHost, World

ENGINES = ("debootstrap", "debootstrap, warm cache", "mmdebstrap")
FIRST, TASK, DEBS = (
    "debootstrap_jail",
    "debootstrap_jail, whole task",
    "debootstrap_jail, warm cache",
)
TAR, DISK = "tar -xf", "dd conv=fsync"
#: Where a next jail is made, and what it may take of debootstrap's time, if that is set.
PLACES = {"same file system": 0.03, "overlay": 0.01, "btrfs": 0.01, "xfs": None}
#: Whether the archive is asked for its Release file first.
ASKED = {"": {}, ", archive not asked": {"image_max_age": 86400}}


def following(place: str, asked: str) -> str:
    """What the making of a next jail is called."""
    return f"debootstrap_jail, next, {place}{asked}"


ROWS = [
    Row(
        "a first jail, trixie minbase, nothing cached",
        FIRST,
        (
            Against("mmdebstrap", ratio=0.95),
            Against("debootstrap"),
            Against("debootstrap, warm cache"),
            Against(TASK),
        ),
    ),
    Row(
        "a first jail, packages cached",
        DEBS,
        (Against("mmdebstrap", ratio=0.75), Against("debootstrap, warm cache")),
    ),
    *(
        Row(
            f"a next jail, {place}{asked}",
            following(place, asked),
            (
                Against("debootstrap", ratio=most),
                *([Against(TAR, ratio=1.5), Against(DISK)] if place == "same file system" else []),
            ),
        )
        for place, most in PLACES.items()
        for asked in ASKED
    ),
]


def measure(world: World, runs: int) -> Measured:
    measured = Measured()
    with ExitStack() as stack:
        ways = [*engines(world), *firsts(world)]
        disk = world.new("disk")
        disks = dict.fromkeys(PLACES, disk)
        disks |= {kind: stack.enter_context(world.disk(kind)) for kind in ("btrfs", "xfs")}
        for place, disk in disks.items():
            try:
                ways += nexts(world, place, disk)
            except Failed as error:
                for asked in ASKED:
                    measured.fail(following(place, asked), error)
        measured.take(ways, runs)
        # Nothing of a disk is in use any more.
        world.keep_nothing()
    return measured


def engines(world: World) -> list[Way]:
    """The engines by themselves, without the name of a mirror."""
    debs = world.new("debs")
    say("filling debootstrap's cache")
    place = world.folder / "engine"
    debootstrap = ("debootstrap", "--variant=minbase")
    cached = (*debootstrap, f"--cache-dir={debs}")
    run(*cached, "--download-only", "trixie", place)
    shutil.rmtree(place)
    commands = (debootstrap, cached, ("mmdebstrap", "--variant=minbase"))
    return [
        Way(name, partial(run, *command, "trixie", place), after=partial(delete, place))
        for name, command in zip(ENGINES, commands)
    ]


def delete(tree: Path) -> None:
    """Delete what an engine has made; it unmounts what it mounts."""
    run("rm", "-rf", "--one-file-system", tree)


class Jail:
    """A jail that is made and removed again and again, by the module as Ansible runs it."""

    def __init__(self, world: World, folder: Path, kept: Path, **args: Any) -> None:
        self.world = world
        self.kept = kept
        self.path = folder / "jail"
        self.args = {"path": str(self.path), "suite": "trixie", "variant": "minbase", **args}
        self.present = OnHost("debootstrap_jail", **self.args)
        self.absent = OnHost("debootstrap_jail", path=str(self.path), state="absent")

    def make(self) -> None:
        if not self.present.run()["changed"]:
            raise Failed(f"{self.path} was there already")

    def remove(self) -> None:
        self.absent.run()

    def keep(self) -> None:
        """Let what is kept be of use, and be there."""
        new = not self.kept.exists()
        self.world.keep_in(self.kept)
        if new:
            say("filling what is kept")
            self.make()
            self.remove()

    def forget(self) -> None:
        """Let everything have to be fetched."""
        self.world.keep_nothing()
        shutil.rmtree(self.kept, ignore_errors=True)
        self.world.keep_in(self.kept)


def firsts(world: World) -> list[Way]:
    """The module without any base image: what it fetches is kept, or was kept."""
    folder = world.new("first")
    first = Jail(world, folder, folder / "kept")
    warm = Jail(world, folder, folder / "debs", image=False, deb_cache=True)

    def task() -> float:
        tasks = [{"name": "task", "jaulas.chroot.debootstrap_jail": first.args}]
        return world.tasks(tasks)["task"][0]

    return [
        Way(FIRST, first.make, first.forget, first.remove),
        Way(TASK, task, first.forget, first.remove),
        Way(DEBS, warm.make, warm.keep, warm.remove),
    ]


def nexts(world: World, place: str, disk: Path) -> list[Way]:
    """The module with a base image on the same file system, and tar with the same tree."""
    args = {"storage": "overlay"} if place == "overlay" else {"image": True}
    ways = []
    for asked, more in ASKED.items():
        jail = Jail(world, disk, world.folder / "kept", **args, **more)
        ways.append(Way(following(place, asked), jail.make, jail.keep, jail.remove))
    say(f"making a base image, {place}")
    jail.keep()
    jail.make()
    if place == "same file system":
        ways += floors(jail.path, disk)
    jail.remove()
    return ways


def floors(tree: Path, disk: Path) -> list[Way]:
    """The least that a copy can be, and no jail yet: a tree in memory, its bytes on the disk."""
    tar, copy = disk / "jail.tar", disk / "copy"
    run("tar", "--directory", tree, "-cf", tar, ".")

    def before() -> None:
        copy.mkdir()
        # Read it once, so that it is in memory.
        run("cksum", tar)

    commands: dict[str, tuple[str | Path, ...]] = {
        TAR: ("tar", "--directory", copy, "-xf", tar),
        DISK: ("dd", f"if={tar}", f"of={copy}/bytes", "bs=1M", "conv=fsync"),
    }
    return [
        Way(name, partial(run, *argv), before, partial(delete, copy))
        for name, argv in commands.items()
    ]
