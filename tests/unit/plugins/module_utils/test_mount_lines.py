# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils._fstab import MARK, Entry
from ansible_collections.jaulas.chroot.plugins.module_utils._mount_lines import line_of
from ansible_collections.jaulas.chroot.plugins.module_utils._profiles import Wanted


@pytest.mark.parametrize(
    ("wanted", "restrictions", "options"),
    [
        (Wanted("/proc", "/proc"), (), ("bind", "private", "nofail", MARK)),
        (Wanted("/proc", "/proc"), ("nosuid",), ("bind", "private", "nofail", MARK)),
        (
            Wanted("/a", "/b", "none", ("bind", "ro")),
            ("ro", "nosuid", "nodev"),
            ("bind", "ro", "nodev", "nosuid", "private", "nofail", MARK),
        ),
        (
            Wanted("/a", "/b", "none", ("bind", "slave", "nofail", MARK)),
            (),
            ("bind", "slave", "nofail", MARK),
        ),
        (
            Wanted("tmpfs", "/b", "tmpfs", ("mode=755",)),
            (),
            ("mode=755", "private", "nofail", MARK),
        ),
    ],
)
def test_the_line_of_fstab(
    wanted: Wanted, restrictions: tuple[str, ...], options: tuple[str, ...]
) -> None:
    entry = line_of(wanted, "/srv/j/x", frozenset(restrictions))
    assert entry == Entry(wanted.src, "/srv/j/x", wanted.fstype, options)
    assert entry.is_ours


def test_a_line_restricts_as_the_live_mount_does() -> None:
    """After a reboot the mount made from fstab must not differ from what was mounted."""
    wanted = Wanted("/a", "/b", "none", ("bind", "ro"))
    live = wanted.options.restrictions(("nosuid", "nodev"))
    again = Wanted("/a", "/b", "none", line_of(wanted, "/j/b", live).options)
    assert again.options.restrictions(()) == live
