# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Overlays, their images and fstab agree whatever fails, and nothing is kept for who is gone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _images,
    _kernel,
    _overlay,
    _storage,
)
from ansible_collections.jaulas.chroot.plugins.modules import debootstrap_jail
from ansible_collections.jaulas.chroot.tests.unit.plugins.modules.conftest import (
    Call,
    Install,
    Result,
    Run,
)


@pytest.fixture
def overlay(engine: Install, run: Run, spot: Path, tmp_path: Path) -> Call:
    """Make a jail on an overlay; no archive can be asked for its Release file."""
    engine()
    (tmp_path / "fstab").write_text("")

    def call(name: str = "j", **options: object) -> Result:
        chosen = {"suite": "trixie", "engine": "debootstrap", "storage": "overlay", **options}
        fstab = str(tmp_path / "fstab")
        return run(debootstrap_jail, path=str(spot.with_name(name)), fstab=fstab, **chosen)

    return call


def test_overlays_where_no_archive_can_be_asked(
    overlay: Call, spot: Path, in_namespace: Callable[..., None]
) -> None:
    """Of two images nobody can tell then whether they are the same: each jail has its own."""

    def deeds() -> None:
        for name in ("j", "k"):
            assert overlay(name)["actions"][0].startswith("bootstrap an image")
            assert (spot.with_name(name) / ".jail.json").exists()

    in_namespace(deeds)


def test_what_a_killed_run_noted_is_taken_back(
    overlay: Call, spot: Path, tmp_path: Path, in_namespace: Callable[..., None]
) -> None:
    def deeds() -> None:
        overlay("k")
        (image,) = _images.listed(str(tmp_path / "images/store"))
        _images.note(image, str(spot))
        half = Path(f"{spot}.overlay.partial-01234567")
        half.mkdir()
        (half / ".jail-partial").write_text("{}")
        assert overlay(state="absent")["actions"] == [f"delete the leftover {half}"]
        assert image.jails() == [str(spot.with_name("k"))]
        # Who is gone needs nothing, also where something lay under its mount.
        _kernel.unmount(str(spot.with_name("k")))
        (spot.with_name("k") / "stray").write_text("")
        _overlay.mount(str(spot.with_name("k")), image.path)
        assert overlay("k", state="absent")["changed"]
        assert image.jails() == []
        assert os.listdir(spot.with_name("k")) == ["stray"]

    in_namespace(deeds)


def test_copies_of_its_mount_go_with_it(
    overlay: Call, spot: Path, tmp_path: Path, in_namespace: Callable[..., None]
) -> None:
    """Where the folder of the jails is mounted twice, each mount in it is there twice."""
    (tmp_path / "twice").mkdir()

    def deeds() -> None:
        _kernel.bind(str(spot.parent), str(spot.parent))
        _kernel.set_propagation(str(spot.parent), "shared")
        _kernel.bind(str(spot.parent), str(tmp_path / "twice"))
        overlay()
        assert (tmp_path / "twice/j/.jail.json").exists()
        assert overlay(state="absent")["changed"]
        assert os.listdir(tmp_path / "twice") == []

    in_namespace(deeds)


def rebuilt(overlay: Call, variant: str, **options: bool) -> Result:
    return overlay(variant=variant, on_drift="rebuild", **options)


def test_a_rebuild_that_fails_keeps_the_old_one_mounted(
    overlay: Call,
    spot: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    in_namespace: Callable[..., None],
) -> None:
    def refuse(*_ends: str) -> None:
        raise OSError(28, "No space left on device")

    def deeds() -> None:
        rebuilt(overlay, "minbase")
        (spot / "mine").write_text("")
        before = (tmp_path / "fstab").read_text()
        with monkeypatch.context() as patched:
            patched.setattr(_kernel, "exchange", refuse)
            assert "No space left" in rebuilt(overlay, "buildd")["msg"]
        assert (spot / "mine").exists()
        assert (tmp_path / "fstab").read_text() == before
        images = _images.listed(str(tmp_path / "images/store"))
        assert sorted(len(image.jails()) for image in images) == [0, 1]

    in_namespace(deeds)


def test_check_mode_knows_the_fstab_of_a_rebuild(
    overlay: Call, tmp_path: Path, in_namespace: Callable[..., None]
) -> None:
    def deeds() -> None:
        overlay(variant="buildd", image_max_age=3600)
        overlay(state="absent")
        overlay(image_max_age=3600)
        with open(tmp_path / "fstab", "a", encoding="utf-8") as handle:
            handle.write("/dev/sdb1 /mnt ext4 defaults 0 2\n")
        changes = {"variant": "buildd", "image_max_age": 3600, "on_drift": "rebuild"}
        foreseen = overlay(**changes, check=True, diff=True)
        done = overlay(**changes, diff=True)
        assert foreseen["diff"] == done["diff"]
        assert foreseen["actions"] == done["actions"]

    in_namespace(deeds)


def test_fstab_never_names_another_image_than_the_storage_has(
    overlay: Call,
    spot: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    in_namespace: Callable[..., None],
) -> None:
    fstab, seen = tmp_path / "fstab", tmp_path / "seen"
    exchange = _kernel.exchange

    def watched(*ends: str) -> None:
        seen.write_text(f"fstab: {fstab.read_text()}")
        exchange(*ends)

    monkeypatch.setattr(_kernel, "exchange", watched)

    def image_of(variant: str) -> str:
        rebuilt(overlay, variant)
        there = _storage.find(str(spot))
        assert there
        assert there.marker
        assert there.marker.parameters["variant"] == variant
        root = f"{there.image}/root"
        assert f"lowerdir={root}," in fstab.read_text()
        assert f",x-systemd.requires-mounts-for={root}," in fstab.read_text()
        return there.image

    def deeds() -> None:
        first, second = image_of("minbase"), image_of("buildd")
        # A line that mounts nothing, not even after a boot.
        assert f"lowerdir={first}/root," in seen.read_text()
        assert ",noauto," in seen.read_text()
        assert ",noauto," not in fstab.read_text()
        needed = {image.path: image.jails() for image in _images.listed(os.path.dirname(first))}
        assert needed == {first: [], second: [str(spot)]}

    in_namespace(deeds)
