# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _files
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import Busy, JailError


@pytest.fixture
def name(tmp_path: Path) -> str:
    """A name that no other run locks."""
    return str(tmp_path / "jail")


@contextlib.contextmanager
def holder(
    name: str, context: Callable[..., contextlib.AbstractContextManager[None]]
) -> Iterator[int]:
    """Another process that holds a name until the block ends, or until it is killed."""
    ready, told = os.pipe()
    until, release = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(release)
        with contextlib.suppress(BaseException), context(name, "bootstrap of the other"):
            os.write(told, b"x")
            os.read(until, 1)
        os._exit(0)
    os.close(told)
    os.close(until)
    assert os.read(ready, 1) == b"x"
    try:
        yield child
    finally:
        os.close(release)
        os.close(ready)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)


def test_a_lock_leaves_nothing(name: str) -> None:
    path = _files._lock_file(name)
    with _files.lock(name, "this test"):
        assert os.path.exists(path)
    assert not os.path.exists(path)


def test_the_folder_of_locks_is_roots_alone(name: str) -> None:
    folder = _files.run_directory()
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    with _files.lock(name, "this test"):
        assert stat.S_IMODE(os.stat(_files._lock_file(name)).st_mode) == 0o600


@pytest.mark.parametrize("wrong", ["link", "file", "open to all"])
def test_a_folder_of_somebody_elses_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    place = tmp_path / "run"
    if wrong == "link":
        place.symlink_to(tmp_path)
    elif wrong == "file":
        place.write_text("")
    else:
        place.mkdir()
        place.chmod(0o777)
    monkeypatch.setattr(_files, "RUN", str(place))
    with pytest.raises(JailError, match="not a folder of root's alone"):
        _files.run_directory()


def test_who_holds_it_is_told(name: str) -> None:
    with (
        holder(name, _files.lock) as pid,
        pytest.raises(Busy) as caught,
        _files.lock(name, "this test", patience=0.1),
    ):
        pytest.fail("locked twice")
    assert f"{name} is in use by bootstrap of the other (pid {pid}, since " in caught.value.msg


def test_other_names_are_free(name: str) -> None:
    with holder(name, _files.lock), _files.lock(f"{name}2", "this test", patience=0.1):
        assert os.path.exists(_files._lock_file(f"{name}2"))


def test_the_death_of_the_holder_frees_it(name: str) -> None:
    with holder(name, _files.lock) as pid:
        os.kill(pid, 9)
        with _files.lock(name, "this test"):
            assert f"(pid {os.getpid()}," in Path(_files._lock_file(name)).read_text()


def test_an_exception_frees_it(name: str) -> None:
    with pytest.raises(KeyError), _files.lock(name, "this test"):
        raise KeyError
    with _files.lock(name, "again", patience=0.1):
        assert os.path.exists(_files._lock_file(name))


def test_one_at_a_time(name: str, tmp_path: Path) -> None:
    """Eight processes add one to a number fifty times, each in its own time."""
    number = tmp_path / "number"
    number.write_text("0")
    children = []
    for _round in range(8):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for _round in range(5):
                    with _files.lock(name, "add", patience=30):
                        number.write_text(str(int(number.read_text()) + 1))
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 8
    assert number.read_text() == "40"


def test_shared_holders_and_the_last_of_them(name: str) -> None:
    left: list[str] = []
    with holder(name, _files.shared):
        with _files.shared(name, "this test", lambda: left.append("too early")):
            assert os.path.exists(_files._lock_file(name))
        with _files.last_one(name) as alone:
            assert not alone
        assert os.path.exists(_files._lock_file(name))
    assert not os.path.exists(_files._lock_file(name))
    with _files.last_one(name) as alone:
        assert alone
    assert not os.path.exists(_files._lock_file(name))
    assert left == []


def test_the_last_holder_is_alone_while_it_leaves(name: str) -> None:
    left: list[str] = []

    def leave() -> None:
        with pytest.raises(Busy), _files.lock(name, "another", patience=0.1):
            pytest.fail("locked twice")
        left.append(name)

    with _files.shared(name, "this test", leave), _files.shared(name, "this test", leave):
        assert os.path.exists(_files._lock_file(name))
    assert left == [name]
    assert not os.path.exists(_files._lock_file(name))


def test_who_cannot_leave_lets_go(name: str) -> None:
    def leave() -> None:
        raise JailError("it went wrong")

    with pytest.raises(JailError, match="it went wrong"), _files.shared(name, "a test", leave):
        pass
    assert not os.path.exists(_files._lock_file(name))


def test_shared_holders_one_after_the_other(name: str, tmp_path: Path) -> None:
    """Whoever comes while the last one leaves finds a file of its own, and leaves it in turn."""
    told = tmp_path / "left"

    def hold() -> None:
        for _time in range(60):
            with _files.shared(name, "a test", lambda: told.write_text("left")):
                assert os.path.exists(_files._lock_file(name))

    children = []
    for _number in range(6):
        child = os.fork()
        if child == 0:
            status = 1
            with contextlib.suppress(BaseException):
                hold()
                status = 0
            os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 6
    assert told.read_text() == "left"
    assert not os.path.exists(_files._lock_file(name))


def test_read_text(tmp_path: Path) -> None:
    place = tmp_path / "file"
    assert _files.read_text(str(place)) == ""
    place.write_bytes(b"caf\xe9\n")
    assert _files.read_text(str(place)) == "caf\udce9\n"


@pytest.mark.parametrize("raw", [b"a\r\nb\n", b"a\rb\n", b"\xff\r\n", b"no end"])
def test_text_comes_back_to_the_byte(tmp_path: Path, raw: bytes) -> None:
    place = tmp_path / "file"
    place.write_bytes(raw)
    _files.replace_text(str(place), _files.read_text(str(place)))
    assert place.read_bytes() == raw


def test_replace_text_makes_a_file(tmp_path: Path) -> None:
    place = tmp_path / "new"
    _files.replace_text(str(place), "text ñ\n")
    assert place.read_text(encoding="utf-8") == "text ñ\n"
    assert stat.S_IMODE(place.stat().st_mode) == 0o644
    assert os.listdir(tmp_path) == ["new"]


def test_replace_text_keeps_who_it_is(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("old")
    os.chown(place, 1234, 4321)
    place.chmod(0o4640)
    os.setxattr(place, "user.note", b"kept")
    _files.replace_text(str(place), "new")
    status = place.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1234, 4321, 0o4640)
    assert os.getxattr(place, "user.note") == b"kept"
    assert place.read_text() == "new"


def test_replace_text_follows_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    link.symlink_to("real")
    _files.replace_text(str(link), "new")
    assert (real.read_text(), os.readlink(link)) == ("new", "real")


def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "file"
    place.write_text("old")

    def full(_fd: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        _files.replace_text(str(place), "new")
    assert place.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_readers_never_see_half_a_file(tmp_path: Path) -> None:
    place = tmp_path / "file"
    texts = [letter * 200_000 for letter in "abc"]
    place.write_text(texts[0])
    done = threading.Event()
    seen: set[str] = set()

    def read() -> None:
        while not done.is_set():
            seen.add(place.read_text())

    def write(text: str) -> None:
        for _round in range(5):
            with _files.lock(str(place), "a test"):
                _files.replace_text(str(place), text)

    reader = threading.Thread(target=read)
    reader.start()
    writers = [threading.Thread(target=write, args=(text,)) for text in texts]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    done.set()
    reader.join()
    assert seen <= set(texts)
    assert place.read_text() in texts
    assert os.listdir(tmp_path) == ["file"]
