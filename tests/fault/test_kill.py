# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SIGKILL at points spread over a bootstrap: whole or absent, and nothing leaks.

The points come in the order in which a bootstrap passes them, all on one path with the same
arguments: every run finds what the one before it left, has to clear it, and begins anew. The last
one runs to its end.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from fault_runs import Host, Run
from fault_tools import bootstrap, eventually, leftovers, mount_table


@dataclass(frozen=True)
class View:
    """What can be seen of a bootstrap from outside."""

    run: Run
    path: Path
    packages: int
    old: Sequence[str]

    @property
    def folder(self) -> Path:
        """Where it works; a name that does not exist as long as it has not begun."""
        found = [item for item in leftovers(self.path) if item not in self.old]
        return Path([*found, f"{self.path}.none"][0])

    @property
    def root(self) -> Path:
        """The tree in the making, which may be in memory that only the engine sees."""
        for pid in self.engines():
            memory = Path(f"/proc/{pid}/root{self.folder}/memory")
            with contextlib.suppress(OSError):
                if any(memory.iterdir()):
                    return memory
        return self.folder / "root"

    def engines(self) -> list[int]:
        return [
            pid
            for name in ("debootstrap", "mmdebstrap")
            for pid in self.run.victims("engine", name)
        ]

    def module_runs(self) -> bool:
        return bool(self.run.victims("module"))

    def engine_runs(self) -> bool:
        return self.root.is_dir() and bool(self.engines())

    def downloaded(self, share: float) -> bool:
        debs: list[Path] = []
        # The engine that shows it may just end.
        with contextlib.suppress(OSError):
            debs += self.root.glob("var/cache/apt/archives/*.deb")
        return len(debs) > self.packages * share

    def extracted(self) -> bool:
        return (self.root / "usr/bin/dpkg").is_file()

    def in_state(self, state: str, share: float) -> bool:
        try:
            log = (self.root / "var/log/dpkg.log").read_text()
        except FileNotFoundError:
            return False
        return log.count(f" status {state} ") > self.packages * share

    def engine_says(self, words: str) -> bool:
        try:
            return words in (self.folder / "log").read_text("utf-8", "replace")
        except FileNotFoundError:
            return False


@dataclass(frozen=True)
class Point:
    """A moment of a bootstrap, and who dies then."""

    name: str
    reached: Callable[[View], bool]
    victim: str
    may_finish: bool = False


POINTS = {
    "debootstrap": (
        Point("the module starts", View.module_runs, "module"),
        Point("the first package is there", lambda view: view.downloaded(0), "ansible"),
        Point("a package is extracted", View.extracted, "engine"),
        Point("a package is configured", lambda view: view.in_state("installed", 0), "module"),
        Point("half are configured", lambda view: view.in_state("installed", 0.5), "ansible"),
    ),
    "mmdebstrap": (
        Point("the engine starts", View.engine_runs, "engine"),
        Point("half of the packages are there", lambda view: view.downloaded(0.5), "ansible"),
        Point("half are unpacked", lambda view: view.in_state("unpacked", 0.5), "module"),
        Point("half are configured", lambda view: view.in_state("installed", 0.5), "engine"),
        Point("the engine is done", lambda view: view.engine_says("I: success in"), "module", True),
    ),
}


def wait_for(point: Point, view: View) -> None:
    """Wait until a bootstrap is at a point; it may not end before."""

    def look() -> bool:
        assert not view.run.ended(), f"ended before {point.name}: {view.run.text()}"
        return point.reached(view)

    eventually(look, point.name, 300, pause=0.02)


def is_whole(path: Path, host: Host) -> bool:
    """Tell whether a path holds a jail that is complete and works."""
    marked = json.loads((path / ".jail.json").read_text())["format"] == 1
    return marked and host.done("chroot_exec", path=str(path), cmd="true")["rc"] == 0


@pytest.mark.parametrize("engine", sorted(POINTS))
def test_killed_bootstrap(host: Host, base: Path, place: Path, engine: str) -> None:
    path = place / "jails" / "jail"
    status = (base / "var/lib/dpkg/status").read_text()
    packages = status.count("Status: install ok installed")
    before = mount_table()
    old: list[str] = []
    for point in POINTS[engine]:
        run = host.start("debootstrap_jail", **bootstrap(path, engine=engine))
        wait_for(point, View(run, path, packages, old))
        if point.reached is not View.module_runs:
            assert not set(old) & set(leftovers(path)), "begun before what was left is cleared"
        run.kill(point.victim, engine)
        host.settle(before)
        old = leftovers(path)
        if point.victim == "engine":
            found = run.result()
            assert found["failed"], (point, found)
            assert f"{engine} was killed (signal 9)" in found["msg"], (point, found)
        if point.victim != "module":
            # The module outlives its engine, and Ansible: it clears up itself.
            assert not old, (point, old)
        assert len(old) <= 1, (point, old)
        if point.may_finish and path.exists():
            assert is_whole(path, host), point
        else:
            assert not path.exists(), point
    found = host.done("debootstrap_jail", **bootstrap(path, engine=engine))
    assert found["jail"]["engine"]["name"] == engine
    assert not leftovers(path)
    assert is_whole(path, host)
    host.settle(before)
