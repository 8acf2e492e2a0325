# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _debs
from ansible_collections.jaulas.chroot.plugins.module_utils._debs import Entry, Store

URL = "http://m/debian/pool/main/d/dash/dash_1_amd64.deb"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache's folder, which is not made yet."""
    path = tmp_path / "jaulas" / "debs"
    monkeypatch.setattr(_debs, "FOLDER", str(path))
    # The disk that the tests run on may be a full one.
    monkeypatch.setattr(_debs, "SPARE", 0)
    return path


def opened() -> Store:
    store = _debs.open_store()
    assert store is not None
    return store


def fill(url: str = URL, data: bytes = b"package") -> None:
    """A run that fetches one file and is content with it."""
    store = opened()
    take(store, url, data)
    store.keep()


def take(store: Store, url: str = URL, data: bytes = b"package") -> None:
    download = store.take(url, len(data))
    download.write(data[:3])
    download.write(data[3:])
    download.finish()


def found(store: Store, url: str = URL) -> bytes | None:
    handle = store.find(url)
    if handle is None:
        return None
    with handle:
        return handle.read()


def only(folder: Path) -> Path:
    (entry,) = folder.iterdir()
    return entry


def test_what_was_accepted_is_found(folder: Path) -> None:
    fill()
    assert found(opened()) == b"package"
    assert found(opened(), f"{URL}x") is None


def test_it_is_given_out_once_in_a_run(folder: Path) -> None:
    fill()
    store = opened()
    assert found(store) == b"package"
    assert found(store) is None


def test_nothing_is_found_before_an_engine_has_accepted_it(folder: Path) -> None:
    first = opened()
    take(first)
    second = opened()
    assert found(second) is None
    first.keep()
    assert found(second) is None
    assert found(opened()) == b"package"


def test_what_was_fetched_in_vain_is_gone(folder: Path) -> None:
    store = opened()
    take(store)
    store.forget()
    assert list(folder.iterdir()) == []


def test_what_was_given_out_in_vain_is_gone(folder: Path) -> None:
    fill()
    fill(f"{URL}x")
    store = opened()
    found(store)
    store.forget()
    later = opened()
    assert found(later) is None
    assert found(later, f"{URL}x") == b"package"


@pytest.mark.parametrize("data", [b"pack", b"", b"packagE", b"package and more"])
def test_a_damaged_file_is_not_given_out(folder: Path, data: bytes) -> None:
    fill()
    only(folder).write_bytes(data)
    store = opened()
    assert found(store) is None
    take(store)
    store.keep()
    assert found(opened()) == b"package"


def test_an_archive_may_replace_a_file(folder: Path) -> None:
    fill()
    store = opened()
    found(store)
    take(store, data=b"another")
    store.keep()
    assert only(folder).read_bytes() == b"another"
    assert found(opened()) == b"another"


def test_a_download_that_broke_off_is_not_kept(folder: Path) -> None:
    store = opened()
    download = store.take(URL, 7)
    download.write(b"pack")
    download.drop()
    download.finish()
    unfinished = store.take(URL, 7)
    unfinished.write(b"pack")
    store.keep()
    assert list(folder.iterdir()) == []


def test_what_a_killed_run_left_is_swept_and_a_living_run_is_not(folder: Path) -> None:
    living = opened()
    take(living)
    dead = folder / "new-0123456789abcdef"
    dead.mkdir()
    (dead / "x").write_text("x")
    opened().forget()
    assert not dead.exists()
    living.keep()
    assert found(opened()) == b"package"


def test_the_folder_is_roots_alone(folder: Path) -> None:
    opened()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.parent.stat().st_mode & 0o022
    assert _debs.obstacle() is None


def test_a_folder_that_others_can_write_to_is_not_used(folder: Path) -> None:
    fill()
    for path in (folder, folder.parent):
        path.chmod(0o777)
        assert _debs.obstacle() == f"{path} is not a folder of root's alone"
        assert _debs.open_store() is None
        path.chmod(0o755)
    os.chown(folder, 1, 1)
    assert _debs.open_store() is None


def test_a_link_in_the_folders_place_is_not_followed(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(0o700)
    folder.parent.mkdir()
    folder.symlink_to(elsewhere)
    assert _debs.open_store() is None
    assert list(elsewhere.iterdir()) == []


def test_what_is_in_the_way_is_no_error(folder: Path) -> None:
    folder.parent.write_text("a file")
    assert _debs.obstacle() == f"{folder.parent} is not a folder of root's alone"
    assert _debs.open_store() is None


def test_a_store_whose_folder_is_deleted_keeps_nothing_and_says_nothing(folder: Path) -> None:
    fill()
    store = opened()
    for entry in sorted(folder.rglob("*"), reverse=True):
        entry.unlink() if entry.is_file() else entry.rmdir()
    folder.rmdir()
    assert found(store) is None
    take(store)
    store.keep()
    assert not folder.exists()


def test_a_full_disk_takes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_debs, "SPARE", 1 << 60)
    fill()
    assert list(folder.iterdir()) == []


def test_a_run_takes_no_more_than_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_debs, "LIMIT", 10)
    store = opened()
    take(store, f"{URL}1")
    take(store, f"{URL}2")
    store.keep()
    assert only(folder).read_bytes() == b"package"


def test_what_is_used_stays(folder: Path) -> None:
    fill(f"{URL}1")
    fill(f"{URL}2")
    old = time.time() - _debs.MAX_AGE + 100
    for entry in folder.iterdir():
        os.utime(entry, (old, old))
    store = opened()
    found(store, f"{URL}1")
    store.keep()
    ages = sorted(entry.stat().st_mtime > old + 1 for entry in folder.iterdir())
    assert ages == [False, True]


def test_what_is_too_old_goes_after_a_bootstrap(folder: Path) -> None:
    fill(f"{URL}1")
    old = time.time() - _debs.MAX_AGE - 100
    os.utime(only(folder), (old, old))
    fill(f"{URL}2")
    store = opened()
    assert found(store, f"{URL}1") is None
    assert found(store, f"{URL}2") == b"package"


def entries(*used: float, size: int = 1) -> list[Entry]:
    return [Entry(str(when), size, when) for when in used]


@pytest.mark.parametrize(
    ("kept", "gone"),
    [
        ([], []),
        (entries(1, 2, 3), []),
        (entries(1, 2, 3, size=_debs.LIMIT // 2), ["1"]),
        (entries(3, 1, 2, size=_debs.LIMIT), ["2", "1"]),
        (entries(1, size=_debs.LIMIT + 1), ["1"]),
        (entries(-_debs.MAX_AGE, 5), [str(-_debs.MAX_AGE)]),
    ],
)
def test_what_has_to_go(kept: list[Entry], gone: list[str]) -> None:
    assert _debs.surplus(kept, now=5) == gone
