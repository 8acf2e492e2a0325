# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _kernel
from ansible_collections.jaulas.chroot.plugins.modules import debootstrap_jail
from ansible_collections.jaulas.chroot.tests.unit.plugins.modules.conftest import (
    Call,
    Install,
    Run,
)


def test_drift_fails(make: Call, made: Path) -> None:
    for check in (True, False):
        result = make(variant="minbase", check=check)
        assert result["drift"] == ['variant: "default" -> "minbase"']
        assert "on_drift: rebuild" in result["msg"]
    assert (made / "old").exists()


def test_drift_warns(make: Call, made: Path) -> None:
    result = make(variant="minbase", on_drift="warn")
    assert not result["changed"]
    assert result["drift"] == ['variant: "default" -> "minbase"']
    assert "differs from its declaration" in str(result["warnings"])
    assert (made / "old").exists()


def test_drift_rebuilds(make: Call, made: Path) -> None:
    assert make(variant="minbase", on_drift="rebuild", check=True)["changed"]
    assert (made / "old").exists()
    result = make(variant="minbase", on_drift="rebuild", diff=True)
    assert result["actions"] == [f"replace {made} with trixie by debootstrap"]
    assert '"minbase"' in result["diff"][0]["after"]
    assert not (made / "old").exists()
    assert os.listdir(made.parent) == ["j"]
    assert not make(variant="minbase", on_drift="rebuild")["changed"]


def test_a_rebuild_that_fails_keeps_the_old_one(engine: Install, make: Call, made: Path) -> None:
    engine(script="exit 1")
    assert make(variant="minbase", on_drift="rebuild")["failed"]
    assert (made / "old").exists()
    assert os.listdir(made.parent) == ["j"]


def leftovers(spot: Path) -> list[Path]:
    ours = spot.with_name("j.partial-0123abcd")
    ours.mkdir()
    (ours / ".jail-partial").write_text("{}")
    foreign = [
        spot.with_name(name)
        for name in ("j.partial-89abcdef", "j.partial-x", "jj.partial-0123abcd")
    ]
    for place in foreign:
        place.mkdir()
        (place / "precious").write_text("")
    return foreign


def test_leftovers_of_ours_are_cleared(engine: Install, make: Call, spot: Path) -> None:
    engine()
    foreign = leftovers(spot)
    result = make()
    assert result["actions"][0] == f"delete the leftover {spot}.partial-0123abcd"
    assert sorted(spot.parent.iterdir()) == sorted([spot, *foreign])
    assert all((place / "precious").exists() for place in foreign)


def test_removal(remove: Call, made: Path) -> None:
    foreign = leftovers(made)
    assert remove(check=True)["changed"]
    assert (made / "old").exists()
    result = remove(diff=True)
    assert result["actions"] == [f"delete the leftover {made}.partial-0123abcd", f"remove {made}"]
    assert result["diff"][0]["after"] == ""
    assert sorted(made.parent.iterdir()) == sorted(foreign)
    again = remove()
    assert (again["changed"], again["reasons"]) == (False, [f"{made} is not there"])


@pytest.mark.parametrize("content", [[], ["precious"]], ids=["empty", "full"])
def test_removal_of_what_is_not_ours(remove: Call, spot: Path, content: list[str]) -> None:
    spot.mkdir()
    for name in content:
        (spot / name).write_text("")
    assert "no jail of ours" in remove()["msg"]
    assert os.listdir(spot) == content


def test_removal_while_it_is_used(remove: Call, made: Path) -> None:
    with subprocess.Popen(["sleep", "1000"], cwd=made) as process:
        try:
            result = remove()
            assert f"in use by sleep (pid {process.pid}, cwd {made})" in result["msg"]
            assert (made / "old").exists()
            ended = remove(kill=True)
            assert f"end the processes inside {made}" in ended["actions"]
            assert process.wait() == -15
        finally:
            process.kill()
    assert not made.exists()


@pytest.mark.parametrize(
    "options",
    [
        {"state": "absent"},
        {"state": "absent", "kill": True},
        {"suite": "trixie", "variant": "minbase", "on_drift": "rebuild"},
    ],
    ids=["remove", "kill", "rebuild"],
)
def test_nothing_mounted_may_go(
    run: Run,
    made: Path,
    tmp_path: Path,
    in_namespace: Callable[..., None],
    options: dict[str, object],
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/precious").write_text("precious")
    (made / "home").mkdir()

    def attempt() -> None:
        _kernel.bind(str(tmp_path / "home"), str(made / "home"))
        result = run(debootstrap_jail, path=str(made), **options)
        assert f"mounted there: {made}/home" in result["msg"], result

    in_namespace(attempt)
    assert (tmp_path / "home/precious").read_text() == "precious"
    assert (made / "old").exists()


def test_mounted_elsewhere_it_stays(
    made: Path, make: Call, remove: Call, tmp_path: Path, in_namespace: Callable[..., None]
) -> None:
    """Whoever has its files mounted uses it, whatever that place is called."""
    place = tmp_path / "elsewhere"
    place.mkdir()

    def deeds() -> None:
        for source in (made, made / "etc"):
            _kernel.bind(str(source), str(place))
            for result in (
                remove(),
                remove(check=True),
                make(on_drift="rebuild", variant="minbase"),
            ):
                assert f"its files are mounted elsewhere: {place}" in result["msg"]
            assert (made / "old").exists()
            _kernel.unmount(str(place))
        assert remove()["changed"]

    in_namespace(deeds)
