# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A program and its streams: the caller's own, a log, or pipes; what is told of it by another."""

from __future__ import annotations

import errno
import os
import select
import time

from ansible_collections.jaulas.chroot.plugins.module_utils._blocks import suppress
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError
from ansible_collections.jaulas.chroot.plugins.module_utils._record import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_CHUNK = 1 << 16
#: A report is one line and comes in one, or hardly more.
_MOST_CHUNKS = 16
#: Where whoever started us hears how it went.
_LISTENER = 1


class Command(Record):
    """What to run. timeout is in seconds; output goes to the descriptor `log` if there is one.

    An attached program has the caller's own standard streams. What a lasting one has left in the
    background when it ends may go on, and keeps the namespaces until it ends as well.
    """

    argv: Sequence[str]
    env: dict[str, str]
    stdin: bytes = b""
    timeout: float | None = None
    log: int | None = None
    attached: bool = False
    lasting: bool = False


class Streams:
    """The caller's side and the program's side of stdin, stdout, stderr and the report.

    program holds the program's three descriptors, report_out the end for what is to be told;
    collected maps stdout, stderr (where they are collected) and the report to what has come.
    """

    def __init__(self, command: Command) -> None:
        self.report, self.report_out = os.pipe()
        self.feed = -1
        self.outputs: list[int] = []
        self.program: tuple[int, ...] = tuple(map(os.dup, (0, 1, 2))) if command.attached else ()
        if not self.program:
            program_in, self.feed = os.pipe()
            os.set_blocking(self.feed, False)
            if command.log is not None:
                self.program = (program_in, os.dup(command.log), os.dup(command.log))
            else:
                (out, out_w), (err, err_w) = os.pipe(), os.pipe()
                self.outputs, self.program = [out, err], (program_in, out_w, err_w)
        self.collected: dict[int, list[bytes]] = {fd: [] for fd in [*self.outputs, self.report]}
        self.open = set(self.collected)
        self._data = memoryview(command.stdin)
        self._timeout = command.timeout
        self._poll = select.poll()

    def close_program(self) -> None:
        """Close what only the other side needs."""
        for fd in (*self.program, self.report_out):
            os.close(fd)

    def close_caller(self) -> None:
        """Close what only the caller needs."""
        for fd in (*self.outputs, self.report):
            os.close(fd)
        self._close_feed()

    def _close_feed(self) -> None:
        # Whatever interrupts us, it is not closed twice: it could be another's by then.
        feed, self.feed = self.feed, -1
        if feed >= 0:
            os.close(feed)

    def text(self, fd: int) -> bytes:
        return b"".join(self.collected[fd])

    def converse(self, stop: Callable[[], None]) -> bool:
        """Feed and collect until every stream has ended; tell whether time ran out.

        Whoever waits for our own output may go away (a lost connection, a killed Ansible): then
        nobody will ever hear how it ended, and it is ended.
        """
        self._poll.register(_LISTENER, 0)
        for fd in self.collected:
            self._poll.register(fd, select.POLLIN)
        if self.feed >= 0:
            self._poll.register(self.feed, select.POLLOUT)
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        timed_out = False
        while self.open:
            wait = None
            if deadline is not None and not timed_out:
                wait = max(0.0, deadline - time.monotonic()) * 1000
            for fd, _event in self._poll.poll(wait):
                self._attend(fd)
            if deadline is not None and not timed_out and time.monotonic() >= deadline:
                timed_out = True
                stop()
        return timed_out

    def _attend(self, fd: int) -> None:
        """Do what a descriptor is ready for."""
        if fd == self.feed:
            self._feed()
        elif fd in self.open:
            chunk = os.read(fd, _CHUNK)
            if fd != self.report or self._is_heard():
                self.collected[fd].append(chunk)
            if not chunk:
                self._poll.unregister(fd)
                self.open.discard(fd)
        elif fd == _LISTENER:
            raise JailError("Cannot go on: nobody waits for the result any more.")

    def _is_heard(self) -> bool:
        """Tell whether more of the report is wanted: who is root in a jail may talk without end."""
        said = self.collected[self.report]
        return len(said) < _MOST_CHUNKS and not any(b"\n" in chunk for chunk in said)

    def _feed(self) -> None:
        """Give the program what its pipe takes; close it when all is given or nobody reads."""
        try:
            if self._data:
                self._data = self._data[os.write(self.feed, self._data[:_CHUNK]) :]
        except BrokenPipeError:
            self._data = self._data[:0]
        if not self._data:
            self._poll.unregister(self.feed)
            self._close_feed()


def _point_at_nothing() -> None:
    """Let go of the standard streams: whoever reads from them would wait for us."""
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for standard in range(3):
        os.dup2(nothing, standard)
    os.close(nothing)


def close_all_but(*kept: int) -> None:
    """Close every descriptor but some; the standard streams lead nowhere then.

    All that Python opens is closed by exec, so that a program has the streams that it is given.
    """
    _point_at_nothing()
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            with suppress(OSError):
                os.close(int(name))


def say(fd: int, **report: object) -> None:
    fields = [" ".join(str(part).split()) for pair in report.items() for part in pair]
    os.write(fd, "\t".join(fields).encode("utf-8", "replace") + b"\n")


def first_word(said: bytes) -> dict[str, str]:
    """What was told first; what follows only follows from it. Nothing, if nothing was told.

    It is text of one line, and is read as such: who is root in a jail may have tampered with it.
    """
    fields = said.partition(b"\n")[0].decode("utf-8", "replace").split("\t")
    return dict(zip(fields[::2], fields[1::2]))


def execute(command: Command) -> None:
    """Become the program, looked for on the PATH of its environment as execvpe(3) does.

    That of `os` imports what it needs when it is called.
    """
    argv, env = list(command.argv), command.env
    if "/" in argv[0]:
        os.execve(argv[0], argv, env)
    refused = None
    for folder in env["PATH"].split(":"):
        try:
            os.execve(os.path.join(folder, argv[0]), argv, env)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            refused = error
    raise refused or FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), argv[0])
