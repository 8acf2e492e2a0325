# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The packages that earlier bootstraps fetched, found by their URL.

An engine verifies what comes from here as it verifies what comes from a mirror. So all that a
wrong file could do is to stop bootstraps, and it must not do that twice: only what an engine has
accepted is kept, a file is given out once in a run, and what was given out in a run that failed
is forgotten. Nothing that goes wrong with the cache itself is an error: then it does not cache.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import time

from ansible_collections.jaulas.chroot.plugins.module_utils._paths import opened_folder
from ansible_collections.jaulas.chroot.plugins.module_utils._record import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

FOLDER = "/var/cache/jaulas.chroot/debs"
#: Bytes to keep: a dozen kinds of jail, of 40 to 300 MB each.
LIMIT = 2 << 30
#: Seconds to keep what nobody asks for: longer than a suite's updates are of use.
MAX_AGE = 30 * 24 * 3600
#: Bytes that are left to the host: it must not be a cache that fills its disk.
SPARE = 1 << 30
_NEW = "new-"
_CHUNK = 1 << 20


class Entry(Record):
    """A file in the cache; used is when it was last of use, in seconds since 1970."""

    name: str
    size: int
    used: float


def obstacle() -> str | None:
    """Say why there can be no cache here, as a clause; None when there can."""
    for folder in (os.path.dirname(FOLDER), FOLDER):
        try:
            status = os.lstat(folder)
        except FileNotFoundError:
            continue
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
            return f"{folder} is not a folder of root's alone"
    folder = FOLDER
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    # For root it is the file system that says no.
    return None if os.access(folder, os.W_OK) else f"{folder} cannot be written to"


def open_store() -> Store | None:
    """Make the cache's folder if it is missing, and begin a run; None where that cannot be."""
    try:
        for folder, mode in ((os.path.dirname(FOLDER), 0o755), (FOLDER, 0o700)):
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, mode)
            if obstacle():
                return None
        return Store(FOLDER)
    except OSError:
        return None


def surplus(entries: Sequence[Entry], now: float) -> list[str]:
    """Choose what has to go: what is too old, and of the rest what was of use longest ago."""
    gone, total = [], 0
    for entry in sorted(entries, key=lambda entry: entry.used, reverse=True):
        total += entry.size
        if total > LIMIT or now - entry.used > MAX_AGE:
            gone.append(entry.name)
    return gone


def _key(url: str) -> str:
    return hashlib.sha256(url.encode("utf-8", "surrogateescape")).hexdigest()


def _key_of(name: str) -> str:
    return name.partition("-")[0]


class Store:
    """One run's use of the cache. An entry is named by its URL's digest and its content's.

    What is fetched waits in a folder of the run's own, locked for as long as the run lives,
    until keep() or forget(). The threads of one proxy share a store.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        _sweep(folder)
        self._new = f"{folder}/{_NEW}{os.urandom(8).hex()}"
        os.mkdir(self._new, 0o700)
        # Another run that sweeps before the lock is there makes this one cache nothing.
        self._lock = os.open(self._new, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._known = {_key_of(name): name for name in _entries(folder)}
        self._given: list[str] = []
        self._taken = 0

    def find(self, url: str) -> BinaryIO | None:
        """Open what is kept of a URL, once: who asks again was not content with it."""
        name = self._known.pop(_key(url), None)
        if name is None:
            return None
        path = f"{self._folder}/{name}"
        self._given.append(path)
        with contextlib.suppress(OSError):
            # The caller closes it.
            handle = open(path, "rb")  # noqa: SIM115
            if _digest(handle) == name.rpartition("-")[2]:
                return handle
            handle.close()
            os.unlink(path)
        return None

    def take(self, url: str, size: int) -> Download:
        """Begin to take a file in; it takes nothing where there is no room for it."""
        self._taken += size
        with contextlib.suppress(OSError):
            room = os.statvfs(self._new)
            if self._taken <= LIMIT and size + SPARE <= room.f_bavail * room.f_frsize:
                return Download(self._new, _key(url))
        return Download(None, "")

    def keep(self) -> None:
        """The engine has accepted everything: keep what is new, and make room."""
        for path in self._given:
            with contextlib.suppress(OSError):
                os.utime(path)
        with contextlib.suppress(OSError):
            new = {_key_of(name): name for name in _entries(self._new)}
            for name in _entries(self._folder):
                if new.get(_key_of(name), name) != name:
                    os.unlink(f"{self._folder}/{name}")
            for name in new.values():
                os.rename(f"{self._new}/{name}", f"{self._folder}/{name}")
        self._end()
        with contextlib.suppress(OSError):
            entries = [_entry(self._folder, name) for name in _entries(self._folder)]
            for name in surplus(entries, time.time()):
                os.unlink(f"{self._folder}/{name}")

    def forget(self) -> None:
        """The engine has failed, perhaps because of what it got: none of it is given out again."""
        for path in self._given:
            with contextlib.suppress(OSError):
                os.unlink(path)
        self._end()

    def _end(self) -> None:
        shutil.rmtree(self._new, ignore_errors=True)
        os.close(self._lock)


class Download:
    """A file on its way into the cache. It may fail at any time, and nobody else is to notice."""

    def __init__(self, folder: str | None, key: str) -> None:
        self._folder, self._key = folder, key
        self._digest = hashlib.sha256()
        self._path = f"{folder}/.{os.urandom(8).hex()}"
        # Open until finish() or drop(). Without a buffer: what the disk has to say, it says to
        # write().
        self._file = open(self._path, "xb", buffering=0) if folder else None  # noqa: SIM115

    def write(self, data: bytes) -> None:
        if self._file:
            try:
                written = self._file.write(data)
            except OSError:
                written = 0
            if written != len(data):
                self.drop()
            self._digest.update(data)

    def finish(self) -> None:
        """It is whole: give it its name."""
        if self._file:
            with contextlib.suppress(OSError):
                self._file.close()
                os.rename(self._path, f"{self._folder}/{self._key}-{self._digest.hexdigest()}")
            self._file = None

    def drop(self) -> None:
        """It will not become whole."""
        if self._file:
            with contextlib.suppress(OSError):
                self._file.close()
                os.unlink(self._path)
            self._file = None


def _entries(folder: str) -> list[str]:
    """The names of the whole files in a folder."""
    return [name for name in os.listdir(folder) if not name.startswith((_NEW, "."))]


def _entry(folder: str, name: str) -> Entry:
    try:
        status = os.lstat(f"{folder}/{name}")
    except FileNotFoundError:
        # Another run has just taken it out.
        return Entry(name, 0, time.time())
    return Entry(name, status.st_size, status.st_mtime)


def _digest(handle: BinaryIO) -> str:
    digest = hashlib.sha256()
    while data := handle.read(_CHUNK):
        digest.update(data)
    handle.seek(0)
    return digest.hexdigest()


def _sweep(folder: str) -> None:
    """Delete what killed runs were fetching: the kernel has freed their locks."""
    for name in os.listdir(folder):
        if name.startswith(_NEW):
            with contextlib.suppress(OSError), opened_folder(f"{folder}/{name}") as fd:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(f"{folder}/{name}", ignore_errors=True)
