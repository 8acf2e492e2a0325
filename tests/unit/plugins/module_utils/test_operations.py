# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _kernel, _procs
from ansible_collections.jaulas.chroot.plugins.module_utils._operations import leave_other_jails

#: Points of mounts, in the order in which they are made. Only j and k are jails.
POINTS = ("plain/x", "j/proc", "j/srv", "j/srv/deep/er", "k/proc", "k/srv", "k/srv/y", "k/srv")


@pytest.mark.parametrize(
    ("own", "stay"),
    [
        ("", ["plain/x"]),
        ("j", ["plain/x", "j/proc", "j/srv", "j/srv/deep/er"]),
        ("k/srv", ["plain/x", "k/srv", "k/srv/y", "k/srv"]),
        ("other", ["plain/x"]),
    ],
)
def test_mounts_of_other_jails_are_left(
    tmp_path: Path, in_namespace: Callable[..., None], own: str, stay: list[str]
) -> None:
    def inside() -> None:
        for name in POINTS:
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
            _kernel.mount("tmpfs", str(tmp_path / name), "tmpfs", frozenset())
        for jail in ("j", "k"):
            (tmp_path / jail / ".jail.json").write_text("")
        leave_other_jails(str(tmp_path / own) if own else "", _procs.mount_points())
        points = [point for point in _procs.mount_points() if point.startswith(f"{tmp_path}/")]
        assert points == [str(tmp_path / name) for name in stay]

    in_namespace(inside)
