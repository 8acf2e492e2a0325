# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

import pytest

from ansible_collections.jaulas.chroot.plugins.modules import (
    bind_mounts,
    chroot_exec,
    debootstrap_jail,
    jail_files,
    jail_info,
    jail_packages,
)
from ansible_collections.jaulas.chroot.tests.unit.plugins.modules.conftest import Run

FILES = [{"dest": "/etc/x", "content": "x"}]
CHANGING: dict[str, tuple[ModuleType, dict[str, object]]] = {
    "bind_mounts": (bind_mounts, {"profile": "none"}),
    "chroot_exec": (chroot_exec, {"cmd": "true"}),
    "debootstrap_jail": (debootstrap_jail, {"suite": "trixie"}),
    "jail_files": (jail_files, {"files": FILES}),
    "jail_packages": (jail_packages, {"name": ["nano"]}),
}
NEED_A_JAIL = sorted(set(CHANGING) - {"debootstrap_jail"})
every_module = pytest.mark.parametrize("name", sorted(CHANGING))
check_or_not = pytest.mark.parametrize("check", [True, False], ids=["check", "real"])


@every_module
@check_or_not
def test_only_root_may(run: Run, jail: Path, name: str, check: bool) -> None:
    plugin, options = CHANGING[name]
    result = run(plugin, check=check, uid=65534, path=str(jail), **options)
    assert f"Cannot start {name} on {jail} as the user 65534" in result["msg"]
    assert "become: true" in result["msg"]


@every_module
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("srv/jails/j", "not absolute"),
        ("", ""),
        ("/", "that is the host itself"),
        ("///", "that is the host itself"),
        ("/../..", "that is the host itself"),
        ("/tmp/..", "that is the host itself"),
        ("/srv/a\nb", "control character"),
        ("/srv/a\x1b[31m", "control character"),
    ],
)
def test_paths_that_are_no_jails(run: Run, name: str, path: str, said: str) -> None:
    plugin, options = CHANGING[name]
    result = run(plugin, path=path, **options)
    assert result["failed"]
    assert said in result["msg"]
    assert "Traceback" not in result["msg"]


@pytest.mark.parametrize("name", NEED_A_JAIL)
def test_a_link_to_the_host(run: Run, tmp_path: Path, name: str) -> None:
    link = tmp_path / "link"
    link.symlink_to("/")
    plugin, options = CHANGING[name]
    result = run(plugin, path=str(link), **options)
    assert "that is the host itself" in result["msg"]


def test_a_link_where_a_jail_should_be_made(run: Run, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("/")
    for options in ({"suite": "trixie"}, {"state": "absent"}):
        result = run(debootstrap_jail, path=str(link), **options)
        assert result["failed"]
        assert os.readlink(link) == "/"


@pytest.mark.parametrize("name", NEED_A_JAIL)
@check_or_not
def test_a_jail_that_is_missing(run: Run, tmp_path: Path, name: str, check: bool) -> None:
    plugin, options = CHANGING[name]
    result = run(plugin, check=check, path=str(tmp_path / "nowhere"), **options)
    assert "No such file or directory" in result["msg"]
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", NEED_A_JAIL)
def test_a_file_is_no_jail(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    plugin, options = CHANGING[name]
    result = run(plugin, path=str(tmp_path / "file"), **options)
    assert "not a folder" in result["msg"]


def test_info_tells_of_what_is_missing(run: Run, tmp_path: Path) -> None:
    result = run(jail_info, paths=[str(tmp_path / "nowhere")])
    (found,) = result["jails"]
    assert not result["changed"]
    assert (found["exists"], found["managed"], found["stale"]) == (False, False, [])
