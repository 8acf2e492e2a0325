# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _kernel, _trees
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError, Refused


@pytest.fixture
def jail(tmp_path: Path) -> Path:
    """A tree beside a folder of the host that must not be touched."""
    (tmp_path / "host/home").mkdir(parents=True)
    (tmp_path / "host/home/precious").write_text("precious")
    tree = tmp_path / "jail"
    (tree / "home").mkdir(parents=True)
    (tree / "etc").mkdir()
    (tree / "etc/passwd").write_text("root")
    return tree


def precious(jail: Path) -> str:
    return (jail.parent / "host/home/precious").read_text()


def test_a_tree_of_every_kind_goes(jail: Path) -> None:
    os.mkfifo(jail / "pipe")
    (jail / "closed").mkdir(mode=0)
    (jail / os.fsdecode(b"caf\xe9\n")).write_text("")
    (jail / ".hidden").mkdir()
    _trees.remove(str(jail))
    assert not jail.exists()
    assert precious(jail) == "precious"


def test_links_are_deleted_and_not_followed(jail: Path) -> None:
    (jail / "link").symlink_to(jail.parent / "host")
    (jail / "home/link").symlink_to("../../host/home")
    _trees.remove(str(jail))
    assert not jail.exists()
    assert precious(jail) == "precious"


def test_a_link_in_its_place_is_refused(jail: Path) -> None:
    link = jail.parent / "link"
    link.symlink_to("host")
    with pytest.raises(JailError, match="Cannot delete"):
        _trees.remove(str(link))
    assert precious(jail) == "precious"


@pytest.mark.parametrize("depth", [63, 64, 65, 3000])
def test_a_deep_tree_goes(jail: Path, depth: int) -> None:
    fd = os.open(jail, os.O_RDONLY)
    for _round in range(depth):
        os.mkdir("d", dir_fd=fd)
        os.close(os.open("f", os.O_CREAT, dir_fd=fd))
        inner = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)
    _trees.remove(str(jail))
    assert not jail.exists()


def test_a_bushy_deep_tree_goes(jail: Path) -> None:
    for number in range(3):
        place = jail
        for _round in range(70):
            place /= str(number)
        place.mkdir(parents=True)
        (place / "twig").mkdir()
        (place / "leaf").write_text("")
    _trees.remove(str(jail))
    assert not jail.exists()


@pytest.mark.parametrize("at", ["home", "deep/" * 80])
def test_a_bind_mount_inside_stops_it(
    jail: Path, at: str, in_namespace: Callable[..., None]
) -> None:
    """The same file system on both sides: what rm --one-file-system does not see."""
    target = jail / at

    def attempt() -> None:
        target.mkdir(parents=True, exist_ok=True)
        _kernel.bind(str(jail.parent / "host/home"), str(target))
        with pytest.raises(Refused, match="is a mount"):
            _trees.remove(str(jail))

    in_namespace(attempt)
    assert precious(jail) == "precious"


def test_a_mounted_file_stops_it(jail: Path, in_namespace: Callable[..., None]) -> None:
    def attempt() -> None:
        _kernel.bind(str(jail.parent / "host/home/precious"), str(jail / "etc/passwd"))
        with pytest.raises(JailError):
            _trees.remove(str(jail))

    in_namespace(attempt)
    assert precious(jail) == "precious"


def test_a_tree_that_is_a_mount_itself(jail: Path, in_namespace: Callable[..., None]) -> None:
    def attempt() -> None:
        _kernel.bind(str(jail.parent / "host"), str(jail))
        with pytest.raises(JailError):
            _trees.remove(str(jail))

    in_namespace(attempt)
    assert precious(jail) == "precious"


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(JailError, match="No such file"):
        _trees.remove(str(tmp_path / "nowhere"))


def test_no_descriptor_is_left_open(jail: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    _trees.remove(str(jail))
    assert len(os.listdir("/proc/self/fd")) == before


def test_size_counts_blocks_and_hard_links_once(jail: Path) -> None:
    one = _trees.size(str(jail))
    (jail / "big").write_bytes(b"x" * 1_000_000)
    (jail / "link").symlink_to("big")
    two = _trees.size(str(jail))
    assert two - one >= 1_000_000
    os.link(jail / "big", jail / "again")
    assert (jail / "link").stat().st_size == 1_000_000
    assert _trees.size(str(jail)) == two


def test_size_of_a_sparse_file(jail: Path) -> None:
    before = _trees.size(str(jail))
    with open(jail / "sparse", "wb") as handle:
        handle.truncate(1 << 30)
    assert _trees.size(str(jail)) - before < 1 << 20


def test_size_stays_on_its_file_system(jail: Path, in_namespace: Callable[..., None]) -> None:
    before = _trees.size(str(jail))

    def attempt() -> None:
        _kernel.mount("tmpfs", str(jail / "home"), "tmpfs", frozenset())
        (jail / "home/big").write_bytes(b"x" * 1_000_000)
        assert _trees.size(str(jail)) < before + 1_000_000

    in_namespace(attempt)
