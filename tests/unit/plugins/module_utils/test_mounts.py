# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _mounts
from ansible_collections.jaulas.chroot.plugins.module_utils._operations import (
    Adjust,
    Attach,
    Detach,
    Isolate,
    MakePoint,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Operation
from ansible_collections.jaulas.chroot.plugins.module_utils._profiles import PROFILES, Wanted
from ansible_collections.jaulas.chroot.tests.unit.plugins.module_utils.toy_mounts import (
    HOST,
    JAIL,
    Toy,
    bind,
    inherited,
)

HOME, TMP = bind("/home", "/home"), Wanted("tmpfs", "/t", "tmpfs", ("mode=755",))
INNER = bind("/var", "/home/ana")


def with_mounts(*wanted: Wanted) -> Toy:
    toy = Toy()
    for item in wanted:
        toy.add(item, inherited(toy, item))
    return toy


def brief(operations: list[Operation]) -> list[str]:
    signs: dict[type, str] = {Detach: "-", Isolate: "|", Attach: "+", Adjust: "~", MakePoint: "!"}
    places = [getattr(item, "dest", None) or item.wanted.dest for item in operations]
    return [f"{signs[type(item)]}{place}" for item, place in zip(operations, places)]


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_profile_settles_and_goes(profile: str) -> None:
    toy = Toy()
    wanted = PROFILES[profile]
    assert brief(toy.settle(wanted)) == [f"+{item.dest}" for item in wanted]
    gone = [f"-{item.dest}" for item in wanted]
    assert sorted(brief(toy.settle([]))) == sorted(gone)
    assert toy.table == list(HOST)


@pytest.mark.parametrize(
    ("present", "wanted", "operations"),
    [
        ([HOME], [HOME], []),
        ([], [HOME], ["+/home"]),
        ([HOME], [], ["-/home"]),
        ([bind("/var", "/home")], [HOME], ["-/home", "+/home"]),
        ([bind("/proc", "/p")], [bind("/sys", "/p")], ["-/p", "+/p"]),
        ([HOME, INNER], [HOME, INNER], []),
        ([INNER], [HOME, INNER], ["-/home/ana", "+/home", "+/home/ana"]),
        ([HOME, HOME], [HOME], ["-/home", "-/home", "+/home"]),
        ([HOME, HOME, HOME], [], ["-/home", "-/home", "-/home"]),
        ([TMP._replace(dest="/home")], [HOME], ["-/home", "+/home"]),
        ([HOME], [TMP._replace(dest="/home")], ["-/home", "+/home"]),
        ([bind("/home", "/home", "ro")], [HOME], ["~/home"]),
        ([HOME], [bind("/home", "/home", "ro")], ["~/home"]),
        ([INNER, HOME], [HOME, INNER], ["-/home", "-/home/ana", "+/home", "+/home/ana"]),
        ([HOME, TMP], [HOME], ["-/t"]),
        ([HOME, INNER], [INNER], ["-/home/ana", "-/home", "+/home/ana"]),
        ([HOME, INNER], [HOME], ["-/home/ana"]),
        (
            [bind("/var", "/home"), INNER],
            [HOME, INNER],
            ["-/home/ana", "-/home", "+/home", "+/home/ana"],
        ),
        ([TMP], [TMP._replace(opts=("mode=1777",))], ["~/t"]),
        ([TMP], [TMP._replace(opts=("mode=0755",))], []),
        (
            [bind("/tmp", "/t")],
            [Wanted("tmpfs", "/t", "tmpfs", ("nosuid", "nodev"))],
            ["-/t", "+/t"],
        ),
        (
            [bind("/proc", "/proc")],
            [Wanted("proc", "/proc", "proc", ("nosuid", "nodev", "noexec"))],
            [],
        ),
        ([bind("/proc/sys", "/p")], [Wanted("proc", "/p", "proc", ())], ["-/p", "+/p"]),
    ],
    ids=[
        "as declared",
        "missing",
        "extra",
        "changed source",
        "changed source on another device",
        "bind under bind",
        "outer one missing",
        "stacked twice",
        "stack without a goal",
        "another file system there",
        "a bind where a tmpfs is wanted",
        "ro to rw",
        "rw to ro",
        "hidden below another",
        "one extra among them",
        "extra with a wanted one on it",
        "extra on a wanted one",
        "changed source with a wanted one on it",
        "changed data",
        "data spelled otherwise",
        "the host's own tmpfs",
        "the host's proc is the same proc",
        "a part of proc is not proc",
    ],
)
def test_plan(present: list[Wanted], wanted: list[Wanted], operations: list[str]) -> None:
    toy = with_mounts(*present)
    assert brief(toy.settle(wanted)) == operations
    assert [mount.point for mount in toy.below()] == [f"{JAIL}{item.dest}" for item in wanted]


def test_shared_propagation_is_mended() -> None:
    toy = Toy()
    toy.add(HOME, tags=("shared:1",))
    assert brief(toy.settle([HOME])) == ["~/home"]
    assert toy.top(f"{JAIL}/home").propagation == "private"


@pytest.mark.parametrize("tags", [("shared:1", "master:2")])
def test_shared_and_slave_is_shared_too(tags: tuple[str, ...]) -> None:
    toy = Toy()
    toy.add(HOME, tags=tags)
    assert brief(toy.settle([HOME])) == ["~/home"]


def test_children_of_a_recursive_bind_are_kept() -> None:
    dev = Wanted("/dev", "/dev", "none", ("rbind",))
    toy = Toy()
    assert brief(toy.settle([dev])) == ["+/dev"]
    assert [mount.point for mount in toy.below()] == [f"{JAIL}/dev", f"{JAIL}/dev/pts"]
    assert brief(toy.settle([])) == ["-/dev/pts", "-/dev"]


def test_a_recursive_bind_turned_plain_loses_its_children() -> None:
    toy = with_mounts(Wanted("/dev", "/dev", "none", ("rbind",)))
    assert brief(toy.settle([bind("/dev", "/dev")])) == ["-/dev/pts"]


def test_a_missing_point_is_made_before_it_is_mounted_on() -> None:
    goal = Toy().goal(HOME)._replace(missing=True)
    plan = _mounts.plan(JAIL, HOST, [goal], {})
    assert plan[0] == MakePoint(JAIL, "/home", True, False)
    assert brief(plan) == ["!/home", "+/home"]


def test_a_missing_point_for_a_file_is_a_file() -> None:
    goal = Toy().goal(bind("/etc/hosts", "/etc/hosts"))
    assert goal.source is not None
    goal = goal._replace(missing=True, source=goal.source._replace(directory=False))
    assert _mounts.plan(JAIL, HOST, [goal], {})[0] == MakePoint(JAIL, "/etc/hosts", False, False)


def test_flags_of_the_source_are_inherited() -> None:
    (operation,) = Toy().plan([bind("/proc", "/proc")])
    assert operation == Attach(
        JAIL, bind("/proc", "/proc"), frozenset(("nosuid", "nodev", "noexec"))
    )


def test_a_dropped_inherited_flag_is_restored() -> None:
    toy = Toy()
    toy.add(bind("/proc", "/proc"), ["ro"])
    assert brief(toy.settle([bind("/proc", "/proc")])) == ["~/proc"]
    assert set(toy.top(f"{JAIL}/proc").options) == {"nosuid", "nodev", "noexec"}


@pytest.mark.parametrize("jail", ["/srv/j", "/srv"])
def test_a_neighbour_with_a_longer_name_is_left_alone(jail: str) -> None:
    toy = with_mounts(HOME)
    table = [mount._replace(point=mount.point.replace("/srv/j", "/srv/jay")) for mount in toy.table]
    operations = _mounts.plan(jail, table, [], {})
    assert brief(operations) == ([] if jail == "/srv/j" else ["-/jay/home"])


def test_the_jail_that_is_a_mount_itself_stays() -> None:
    toy = Toy()
    toy.add(bind("/var/jails/j", ""))
    toy.add(HOME)
    assert brief(toy.settle([])) == ["-/home"]
    assert toy.top(JAIL).point == JAIL
    assert brief(toy.settle([HOME])) == ["+/home"]


def test_what_is_foreseen_is_what_is_seen_afterwards() -> None:
    wanted = [HOME, TMP, bind("/proc", "/proc"), bind("/dev/pts", "/pts", "ro")]
    toy = Toy()
    foreseen = [toy.goal(item).describe() for item in wanted]
    toy.settle(wanted)
    assert [_mounts.describe_mount(mount) for mount in toy.below()] == foreseen
