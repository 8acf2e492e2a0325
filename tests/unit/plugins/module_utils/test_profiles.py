# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _profiles
from ansible_collections.jaulas.chroot.plugins.module_utils._profiles import Wanted


@pytest.mark.parametrize(
    ("profile", "places"),
    [
        ("none", []),
        ("default", ["/proc", "/sys", "/dev", "/dev/pts"]),
        ("isolated", ["/proc", "/sys", "/dev/pts", "/dev/shm"]),
        ("build", ["/proc", "/sys", "/tmp", "/dev/pts", "/dev/shm"]),
        ("desktop", ["/proc", "/sys", "/dev", "/home", "/tmp", "/dev/pts", "/dev/shm"]),
    ],
)
def test_profiles(profile: str, places: list[str]) -> None:
    assert [item.dest for item in _profiles.mount_set(profile, ())] == places


def test_an_own_mount_takes_the_place_of_the_profiles() -> None:
    own = Wanted("/srv/dev", "/dev")
    mounts = _profiles.mount_set("default", [own])
    assert [item for item in mounts if item.dest == "/dev"] == [own]
    assert len(mounts) == 4


def test_outer_mounts_come_first() -> None:
    extra = [Wanted("/x", "/a/b/c"), Wanted("/y", "/a"), Wanted("/z", "/a/b")]
    assert [item.dest for item in _profiles.mount_set("none", extra)] == ["/a", "/a/b", "/a/b/c"]


@pytest.mark.parametrize("profile", sorted(_profiles.PROFILES))
def test_no_profile_shares_mounts_with_the_host(profile: str) -> None:
    for wanted in _profiles.PROFILES[profile]:
        assert wanted.options.propagation == "private"


def test_devpts_is_one_that_every_user_can_use() -> None:
    (pts,) = [item for item in _profiles.PROFILES["isolated"] if item.dest == "/dev/pts"]
    assert {"gid=5", "mode=620", "ptmxmode=666"} <= set(pts.options.data)
