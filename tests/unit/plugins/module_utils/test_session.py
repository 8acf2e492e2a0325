# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _session
from ansible_collections.jaulas.chroot.plugins.module_utils._session import session_mounts


@pytest.mark.parametrize(
    ("profile", "own", "places"),
    [
        ("none", [], []),
        ("isolated", [], ["/dev", "/proc", "/sys", "/dev/pts", "/dev/shm"]),
        ("build", [], ["/dev", "/proc", "/sys", "/tmp", "/dev/pts", "/dev/shm"]),
        ("default", [], ["/proc", "/sys", "/dev", "/dev/pts"]),
        ("isolated", ["/dev"], ["/proc", "/sys", "/dev/pts", "/dev/shm"]),
        ("isolated", ["/proc", "/sys", "/dev", "/dev/pts"], ["/proc", "/dev/shm"]),
        ("default", ["/proc", "/sys", "/dev", "/dev/pts"], ["/proc"]),
        ("none", ["/proc"], []),
    ],
)
def test_session_mounts(profile: str, own: list[str], places: list[str]) -> None:
    mounts = session_mounts(profile, own)
    assert sorted(item.dest for item in mounts) == sorted(places)
    depths = [item.dest.count("/") for item in mounts]
    assert depths == sorted(depths)


@pytest.mark.parametrize("profile", ["isolated", "build", "default", "desktop"])
@pytest.mark.parametrize("own", [[], ["/proc"]])
def test_proc_is_the_sessions_own(profile: str, own: list[str]) -> None:
    (proc,) = [item for item in session_mounts(profile, own) if item.dest == "/proc"]
    assert proc.fstype == "proc"


def test_the_devices_of_a_session_are_safe_ones() -> None:
    assert set(_session._NODES) == {"null", "zero", "full", "random", "urandom", "tty"}
