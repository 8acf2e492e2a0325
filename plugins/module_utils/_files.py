# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locks, and files that change in one step: what two runs at once need."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
import zlib

from ansible_collections.jaulas.chroot.plugins.module_utils._blocks import contextmanager, suppress
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import (
    Busy,
    JailError,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import opened_folder
from ansible_collections.jaulas.chroot.plugins.module_utils._record import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Root's own, gone at the next boot. Nothing in it outlives the run that made it.
RUN = "/run/jaulas.chroot"
#: Seconds to wait for a lock: most are held for a moment only.
PATIENCE = 60.0
_PAUSE = 0.05


def run_directory() -> str:
    """Make and return the folder for locks; refuse one that somebody else could write to."""
    with suppress(FileExistsError):
        os.mkdir(RUN, 0o700)
    status = os.lstat(RUN)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
        raise JailError(
            f"Cannot use {RUN} for locks: it is not a folder of root's alone.",
            "Remove it and run again.",
        )
    return RUN


def _lock_file(what: str) -> str:
    """Name the lock of a thing so that a person recognises it, and two things hardly share one."""
    plain = (sign if sign.isascii() and (sign.isalnum() or sign in ".-") else "_" for sign in what)
    readable = "".join(plain)[-100:]
    return f"{run_directory()}/{zlib.crc32(os.fsencode(what)):08x}{readable}.lock"


def _open_lock(path: str, operation: int) -> int | None:
    """Open and lock a file; None when it is held, or was removed while we waited for it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    if _takes(fd, path, operation):
        return fd
    os.close(fd)
    return None


def _takes(fd: int, path: str, operation: int) -> bool:
    """Lock an open file, unless it is held or is not the one of this path any more."""
    try:
        fcntl.flock(fd, operation | fcntl.LOCK_NB)
        return os.stat(path).st_ino == os.fstat(fd).st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


def _acquire(what: str, doing: str, operation: int, patience: float) -> int:
    """Lock a name within our patience, or say who has it."""
    path = _lock_file(what)
    deadline = time.monotonic() + patience
    fd = _open_lock(path, operation)
    while fd is None:
        if time.monotonic() > deadline:
            raise Busy(
                f"Cannot start {doing}: {what} is in use by {_holder(path)}.",
                "Wait until that ends, then run again.",
            )
        # flock(2) either waits for ever or not at all.
        time.sleep(_PAUSE)
        fd = _open_lock(path, operation)
    return fd


@contextmanager
def lock(what: str, doing: str, patience: float = PATIENCE) -> Iterator[None]:
    """Hold a name for oneself while the block runs; wait a little for whoever has it.

    what names the thing (a jail's path, a file's); doing is told to those who find it taken.
    Raises Busy with the holder's own words. The kernel frees the lock when the holder dies.
    """
    fd = _acquire(what, doing, fcntl.LOCK_EX, patience)
    try:
        started = time.strftime("%H:%M:%S")
        os.ftruncate(fd, 0)
        os.write(fd, f"{doing} (pid {os.getpid()}, since {started})".encode())
        yield
    finally:
        os.unlink(_lock_file(what))
        os.close(fd)


def _holder(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return handle.read(200) or "another run"
    except FileNotFoundError:
        return "another run that is just ending"


class Hold:
    """A name that is held together with others, and the descriptor that holds it."""

    def __init__(self, fd: int, path: str) -> None:
        self.fd = fd
        self.passed_on = False
        self._path = path

    def end(self, leave: Callable[[], None]) -> None:
        """Let go of the name; the last of those who hold it calls leave, while nobody else can."""
        try:
            if _takes(self.fd, self._path, fcntl.LOCK_EX):
                try:
                    leave()
                finally:
                    os.unlink(self._path)
        finally:
            os.close(self.fd)


@contextmanager
def shared(
    what: str,
    doing: str,
    leave: Callable[[], None] = lambda: None,
    patience: float = PATIENCE,
) -> Iterator[Hold]:
    """Hold a name together with others while the block runs; the last of them leaves nothing.

    Where the hold is passed on to a forked process, which has the same descriptor, that ends it.
    """
    hold = Hold(_acquire(what, doing, fcntl.LOCK_SH, patience), _lock_file(what))
    try:
        yield hold
    finally:
        if hold.passed_on:
            os.close(hold.fd)
        else:
            hold.end(leave)


@contextmanager
def last_one(what: str) -> Iterator[bool]:
    """Tell whether nobody holds the name any more, and keep it so while the block runs."""
    path = _lock_file(what)
    fd = _open_lock(path, fcntl.LOCK_EX)
    try:
        yield fd is not None
    finally:
        if fd is not None:
            os.unlink(path)
            os.close(fd)


def read_text(path: str) -> str:
    """Read a text file of the host; bytes that are no UTF-8 survive. A missing file is empty."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as handle:
            return handle.read()
    except FileNotFoundError:
        return ""


def replace_text(path: str, text: str) -> None:
    """Put new text in a file's place in one step; mode, owner and label stay what they were.

    A symbolic link is followed: the file that it names is replaced, the link stays. Whoever writes
    holds the file's lock: what was read before must still be true, and the partial file has only
    one owner.
    """
    path = os.path.realpath(path)
    folder, name = os.path.split(path)
    # The name is always the same, so that the next run clears what a crash leaves of this one.
    partial = os.path.join(folder, f".{name}.jaulas.chroot")
    with suppress(FileNotFoundError):
        os.unlink(partial)
    fd = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "w", encoding="utf-8", errors="surrogateescape", newline="") as handle:
            handle.write(text)
            handle.flush()
            _copy_identity(path, handle.fileno())
            os.fsync(handle.fileno())
        os.rename(partial, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(partial)
        raise
    with opened_folder(folder) as folder_fd:
        os.fsync(folder_fd)


def _copy_identity(path: str, fd: int) -> None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        os.fchmod(fd, 0o644)
        return
    os.fchown(fd, status.st_uid, status.st_gid)
    os.fchmod(fd, stat.S_IMODE(status.st_mode))
    for attribute in os.listxattr(path):
        try:
            os.setxattr(fd, attribute, os.getxattr(path, attribute))
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.EPERM):
                raise
