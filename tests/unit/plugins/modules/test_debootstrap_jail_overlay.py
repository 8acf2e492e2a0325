# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jails whose storage is an overlay: made, mounted again, replaced and removed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _kernel, _procs
from ansible_collections.jaulas.chroot.plugins.modules import debootstrap_jail, jail_info
from ansible_collections.jaulas.chroot.tests.unit.plugins.modules.conftest import (
    Call,
    Install,
    Result,
    Run,
)

InNamespace = Callable[..., None]


@pytest.fixture
def fstab(tmp_path: Path) -> Path:
    place = tmp_path / "fstab"
    place.write_text("# mine\n/dev/sda1 / ext4 defaults 0 1\n")
    return place


@pytest.fixture
def overlay(engine: Install, run: Run, spot: Path, fstab: Path) -> Call:
    """Call the module for a jail on an overlay."""
    engine()

    def call(state: str = "present", **options: object) -> Result:
        chosen: dict[str, object] = {"path": str(spot), "state": state, "fstab": str(fstab)}
        if state == "present":
            chosen |= {"suite": "trixie", "engine": "debootstrap", "storage": "overlay"}
            chosen["image_max_age"] = 3600
        return run(debootstrap_jail, **{**chosen, **options})

    return call


def line(spot: Path) -> list[str]:
    return [mount.fstype for mount in _procs.mount_table() if mount.point == str(spot)]


def test_from_nothing_to_nothing(
    overlay: Call, spot: Path, fstab: Path, in_namespace: InNamespace
) -> None:
    before = fstab.read_text()

    def deeds() -> None:
        first = overlay()
        assert first["actions"] == [
            f"bootstrap an image for {spot} with trixie by debootstrap",
            f"make {spot} as an overlay of a base image, and write {fstab}",
        ]
        assert line(spot) == ["overlay"]
        assert sorted(os.listdir(spot)) == [".jail.json", "bin", "etc", "var"]
        assert os.listdir(f"{spot}.overlay/upper") == [".jail.json"]
        assert fstab.read_text().startswith(before)
        assert f" {spot} overlay lowerdir=" in fstab.read_text()
        for check in (True, False):
            again = overlay(check=check)
            assert (again["changed"], again["actions"]) == (False, []), again

        (spot / "mine").write_text("kept")
        _kernel.unmount(str(spot))
        assert os.listdir(spot) == []
        for check in (True, False):
            mounted = overlay(check=check)
            assert mounted["actions"] == [f"mount the overlay on {spot}"]
        assert (spot / "mine").read_text() == "kept"

        fstab.write_text(before)
        assert overlay(diff=True)["diff"][0]["after_header"] == str(fstab)
        assert line(spot) == ["overlay"]

        foreseen = overlay("absent", check=True)
        assert overlay("absent")["actions"] == foreseen["actions"]
        assert line(spot) == []
        assert os.listdir(spot.parent) == []
        assert fstab.read_text() == before
        assert overlay("absent")["changed"] is False

    in_namespace(deeds)


def test_what_fstab_says_mounts_it(
    overlay: Call, spot: Path, fstab: Path, in_namespace: InNamespace
) -> None:
    def deeds() -> None:
        overlay()
        _kernel.unmount(str(spot))
        subprocess.run(["mount", "--fstab", fstab, str(spot)], check=True)
        assert overlay()["changed"] is False
        assert (spot / ".jail.json").exists()

    in_namespace(deeds)


def test_the_second_is_made_of_the_same_image(
    overlay: Call, spot: Path, fstab: Path, tmp_path: Path, in_namespace: InNamespace
) -> None:
    def deeds() -> None:
        overlay()
        other = spot.parent / "k"
        result = overlay(path=str(other))
        assert (
            result["actions"][0] == f"make {other} as an overlay of a base image, and write {fstab}"
        )
        (other / "bin/sh").write_text("changed")
        assert (spot / "bin/sh").read_text() == "jail\n"
        (image,) = (tmp_path / "images/store").iterdir()
        assert len(os.listdir(image / "jails")) == 2
        # An image that jails need is not dropped, however few are to be kept.
        overlay(path=str(spot.parent / "m"), variant="minbase", image_keep=1)
        assert image.exists()
        for path in (spot, other):
            overlay("absent", path=str(path))
        assert os.listdir(image / "jails") == []
        overlay(path=str(spot.parent / "n"), variant="buildd", image_keep=1)
        assert not image.exists()

    in_namespace(deeds)


def test_jail_info_tells_of_it(
    overlay: Call, run: Run, spot: Path, tmp_path: Path, in_namespace: InNamespace
) -> None:
    def tell() -> tuple[Result, Result]:
        found = run(jail_info, roots=[str(spot.parent)])
        (jail,), (image,) = found["jails"], found["images"]
        return jail, image

    def deeds() -> None:
        overlay()
        jail, image = tell()
        (kept,) = (tmp_path / "images/store").iterdir()
        assert (jail["path"], jail["storage"], jail["stale"]) == (str(spot), "overlay", [])
        assert jail["image"] == image["name"] == kept.name
        assert (image["intact"], image["overlays"]) == (True, [str(spot)])
        assert image["parameters"]["suite"] == "trixie"
        assert 0 < jail["size"] < image["size"]
        _kernel.unmount(str(spot))
        (kept / "root/bin/sh").write_text("changed")
        jail, image = tell()
        assert jail["stale"] == [f"{spot} is an overlay that is not mounted"]
        assert image["intact"] is False

    in_namespace(deeds)


def test_a_rebuild(overlay: Call, spot: Path, fstab: Path, in_namespace: InNamespace) -> None:
    def deeds() -> None:
        overlay()
        (spot / "old").write_text("")
        assert "variant" in overlay(variant="minbase")["msg"]
        result = overlay(variant="minbase", on_drift="rebuild")
        assert (
            f"replace {spot} as an overlay of a base image, and write {fstab}" in result["actions"]
        )
        assert line(spot) == ["overlay"]
        assert not (spot / "old").exists()
        assert sorted(os.listdir(spot.parent)) == ["j", "j.overlay"]
        assert overlay(variant="minbase")["changed"] is False

        refused = overlay(variant="minbase", storage="directory", on_drift="rebuild")
        assert "its storage would change" in refused["msg"]

    in_namespace(deeds)


@pytest.mark.parametrize("way", ["mount", "process"])
def test_in_use_it_stays(
    overlay: Call, spot: Path, fstab: Path, in_namespace: InNamespace, way: str
) -> None:
    def deeds() -> None:
        overlay()
        before = fstab.read_text()
        if way == "mount":
            _kernel.mount("tmpfs", str(spot / "etc"), "tmpfs", frozenset())
        user = subprocess.Popen(["sleep", "60"], cwd=spot if way == "process" else "/")
        try:
            result = overlay("absent")
        finally:
            user.kill()
            user.wait()
        assert result["failed"]
        assert ("mounted there" if way == "mount" else "in use by sleep") in result["msg"]
        assert line(spot) == ["overlay"]
        assert fstab.read_text() == before

    in_namespace(deeds)


def test_an_image_that_is_gone(
    overlay: Call, spot: Path, fstab: Path, tmp_path: Path, in_namespace: InNamespace
) -> None:
    def deeds() -> None:
        overlay()
        _kernel.unmount(str(spot))
        (image,) = (tmp_path / "images/store").iterdir()
        image.rename(tmp_path / "elsewhere")
        result = overlay()
        assert f"its base image {image} is gone" in result["msg"]
        assert os.path.isdir(f"{spot}.overlay/upper")
        # It can be removed all the same.
        assert overlay("absent")["changed"]
        assert os.listdir(spot.parent) == []

    in_namespace(deeds)


@pytest.mark.parametrize("name", ["a,b", "a:b", "a\\b"])
def test_names_that_no_overlay_can_have(
    overlay: Call, spot: Path, fstab: Path, in_namespace: InNamespace, name: str
) -> None:
    def deeds() -> None:
        before = fstab.read_text()
        result = overlay(path=str(spot.parent / name))
        assert "holds a comma, colon, quote or backslash" in result["msg"]
        assert fstab.read_text() == before
        assert os.listdir(spot.parent) == []

    in_namespace(deeds)
