# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _kernel, _procs, _proof


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "jail"
    place.mkdir()
    (place / "file").write_text("")
    return place


def found(folder: Path) -> dict[int, str]:
    return {process.pid: process.reason for process in _procs.inside(str(folder))}


def test_a_working_folder(folder: Path) -> None:
    with subprocess.Popen(["sleep", "1000"], cwd=folder) as process:
        reasons = found(folder)
        process.kill()
    assert reasons == {process.pid: f"cwd {folder}"}


def test_an_open_file(folder: Path) -> None:
    with (
        open(folder / "file", encoding="ascii") as handle,
        subprocess.Popen(["sleep", "1000"], stdin=handle) as process,
    ):
        reasons = found(folder)
        process.kill()
    assert reasons == {process.pid: f"open file 0 {folder}/file"}


def test_a_neighbour_with_a_longer_name(folder: Path) -> None:
    neighbour = folder.with_name("jailer")
    neighbour.mkdir()
    with subprocess.Popen(["sleep", "1000"], cwd=neighbour) as process:
        reasons = found(folder)
        process.kill()
    assert reasons == {}


def test_mounts_of_our_own(folder: Path, in_namespace: Callable[..., None]) -> None:
    (folder / "a b").mkdir()

    def deed() -> None:
        _kernel.mount("tmpfs", str(folder / "a b"), "tmpfs", frozenset())
        (seen,) = _procs.mounts_below(str(folder))
        assert seen.describe() == f"{folder}/a b (tmpfs)"
        assert _procs.mounts_below(f"{folder}/a b") == []
        assert len(_procs.mounts_below(f"{folder}/a b", itself=True)) == 1

    in_namespace(deed)


@contextlib.contextmanager
def another(prepare: Callable[[], None]) -> Iterator[int]:
    """A process that has prepared itself, and stays as it is until the block ends."""
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            prepare()
            os.write(told, b"x")
            os.execvp("sleep", ["sleep", "1000"])
        finally:
            os._exit(1)
    # Otherwise a child that fails would leave us waiting for ever.
    os.close(told)
    try:
        assert os.read(ready, 1) == b"x"
        yield child
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(ready)


def mount_apart(place: Path) -> None:
    """Mount something in a mount namespace of one's own."""
    _kernel.unshare(_kernel.NEW_MOUNTS)
    _kernel.set_propagation("/", "rprivate")
    _kernel.mount("tmpfs", str(place), "tmpfs", frozenset())


@pytest.mark.parametrize("name", ["x", "line\rend", "line\u2028end", "form\x0cfeed", "a\x1cb"])
def test_mounts_of_any_name_in_another_namespace(folder: Path, name: str) -> None:
    """What is overlooked here is deleted with the jail."""
    place = folder / name
    place.mkdir()
    with another(lambda: mount_apart(place)) as child:
        seen = _procs.mounts_below(str(folder))
    assert [mount.point for mount in seen] == [str(place)]
    assert not seen[0].own
    assert f"pid {child}" in seen[0].describe()
    assert _procs.mounts_below(str(folder)) == []


@pytest.mark.parametrize("apart", [True, False])
def test_nobody_in_a_container_is_ended_for_a_name(folder: Path, apart: bool) -> None:
    """Where it says that it works may be a place of its own, which is called like ours."""

    def prepare() -> None:
        if apart:
            mount_apart(folder)
        os.chdir(folder)

    with another(prepare) as child:
        (process,) = _procs.inside(str(folder))
        assert (process.pid, process.reason) == (child, f"cwd {folder}")
        assert _proof.may_end(process, str(folder)) is not apart
