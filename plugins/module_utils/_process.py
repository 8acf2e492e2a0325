# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The only door to programs: run one in namespaces of its own and collect it.

A contained program lives in its own mount, PID, UTS and IPC namespaces. Three processes stand
behind it: a supervisor that the kernel kills with the caller, the first process of the new PID
namespace, and the program. When the first process ends, for whatever reason, the kernel kills
everything in the namespace, and its mounts vanish with the last of them: nothing is left to
clean up, not even after SIGKILL.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from ansible_collections.jaulas.chroot.plugins.module_utils import _kernel
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError

_NAMESPACES = _kernel.NEW_MOUNTS | _kernel.NEW_PIDS | _kernel.NEW_UTS | _kernel.NEW_IPC
_CHUNK = 1 << 16
#: Where a module says how it went.
_LISTENER = 1
_UNREACHABLE = "a forked child ends within its block"


@dataclass(frozen=True)
class Command:
    """What to run. timeout is in seconds; output goes to the descriptor `log` if there is one."""

    argv: Sequence[str]
    env: dict[str, str]
    stdin: bytes = b""
    timeout: float | None = None
    log: int | None = None


@dataclass(frozen=True)
class Outcome:
    """How it ended. rc is negative where a signal ended it, as for subprocess."""

    rc: int
    stdout: bytes = b""
    stderr: bytes = b""
    timed_out: bool = False


class NotStarted(JailError):
    """The program could not be executed; `errno` is the system's reason."""

    def __init__(self, msg: str, errno: int) -> None:
        super().__init__(msg)
        self.errno = errno


def contain(
    command: Command,
    prepare: Callable[[], None],
    enter: Callable[[], None] = lambda: None,
) -> Outcome:
    """Run a program in namespaces of its own and wait until nothing of it is left.

    prepare runs inside the namespaces before the program (mount there), enter runs in the
    program's own process just before it starts (change root and user there). Both may raise
    JailError or OSError: it is raised again here.
    """
    pipes = _Pipes(command.log)
    caller = os.getpid()
    supervisor = os.fork()
    if supervisor == 0:
        _supervise(caller, pipes, command, prepare, enter)
    pipes.close_theirs()
    try:
        timed_out = pipes.converse(command, lambda: os.kill(supervisor, signal.SIGTERM))
    finally:
        # Ends at once on success; on an exception here it must not outlive us.
        if pipes.open:
            os.kill(supervisor, signal.SIGTERM)
        os.waitpid(supervisor, 0)
        pipes.close_ours()
    return pipes.outcome(timed_out)


class _Pipes:
    """The caller's side and the program's side of stdin, stdout, stderr and the report."""

    def __init__(self, log: int | None) -> None:
        self.report, self.report_out = os.pipe()
        self.program_in, self.feed = os.pipe()
        self.streams: list[int] = []
        self.poll = select.poll()
        if log is None:
            (out, out_w), (err, err_w) = os.pipe(), os.pipe()
            self.streams, self.program_out = [out, err], (out_w, err_w)
        else:
            self.program_out = (os.dup(log), os.dup(log))
        self.collected: dict[int, list[bytes]] = {fd: [] for fd in [*self.streams, self.report]}
        self.open = set(self.collected)
        self.data = memoryview(b"")

    def close_theirs(self) -> None:
        for fd in (self.program_in, *self.program_out, self.report_out):
            os.close(fd)

    def close_ours(self) -> None:
        for fd in (*self.streams, self.report):
            os.close(fd)
        if self.feed >= 0:
            os.close(self.feed)

    def converse(self, command: Command, stop: Callable[[], None]) -> bool:
        """Feed and collect until every stream has ended; tell whether time ran out.

        Whoever waits for our own output may go away (a lost connection, a killed Ansible): then
        nobody will ever hear how it ended, and it is ended.
        """
        os.set_blocking(self.feed, False)
        self.data = memoryview(command.stdin)
        self.poll.register(_LISTENER, 0)
        for fd in self.collected:
            self.poll.register(fd, select.POLLIN)
        self.poll.register(self.feed, select.POLLOUT)
        deadline = None if command.timeout is None else time.monotonic() + command.timeout
        timed_out = False
        while self.open:
            wait = None
            if deadline is not None and not timed_out:
                wait = max(0.0, deadline - time.monotonic()) * 1000
            for fd, _event in self.poll.poll(wait):
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
            self.collected[fd].append(chunk)
            if not chunk:
                self.poll.unregister(fd)
                self.open.discard(fd)
        elif fd == _LISTENER:
            raise JailError("Cannot go on: nobody waits for the result any more.")

    def _feed(self) -> None:
        """Give the program what its pipe takes; close it when all is given or nobody reads."""
        try:
            if self.data:
                self.data = self.data[os.write(self.feed, self.data[:_CHUNK]) :]
        except BrokenPipeError:
            self.data = self.data[:0]
        if not self.data:
            self.poll.unregister(self.feed)
            os.close(self.feed)
            self.feed = -1

    def outcome(self, timed_out: bool) -> Outcome:
        """Turn what was collected into an outcome, or raise what went wrong on the way."""
        out, err = [b"".join(self.collected[fd]) for fd in self.streams] or [b"", b""]
        raw = b"".join(self.collected[self.report])
        if timed_out or not raw:
            # The first process is gone without a word: something killed it.
            return Outcome(-signal.SIGKILL, out, err, timed_out)
        report = json.loads(raw.splitlines()[0])
        if "exec" in report:
            raise NotStarted(report["msg"], report["exec"])
        if "msg" in report:
            raise JailError(report["msg"], report["hint"])
        return Outcome(_exit_code(report["status"]), out, err)


def _exit_code(status: int) -> int:
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _say(fd: int, **report: object) -> None:
    os.write(fd, json.dumps(report).encode() + b"\n")


@contextlib.contextmanager
def _never_runs_on(report: int) -> Iterator[None]:
    """Whatever happens in a forked child, it must not run on in its caller's code."""
    try:
        yield
    except JailError as error:
        _say(report, msg=error.msg, hint=error.hint)
    except (OSError, ValueError) as error:
        _say(report, msg=f"Cannot prepare the session: {error}.", hint="")
    finally:
        os._exit(1)


def _supervise(
    caller: int,
    pipes: _Pipes,
    command: Command,
    prepare: Callable[[], None],
    enter: Callable[[], None],
) -> NoReturn:
    with _never_runs_on(pipes.report_out):
        first = 0

        def end_all(_signal: int, _frame: object) -> None:
            if first:
                os.kill(first, signal.SIGKILL)
            else:
                os._exit(1)

        signal.signal(signal.SIGTERM, end_all)
        _kernel.die_with_parent()
        if os.getppid() != caller:
            os._exit(1)
        pipes.close_ours()
        try:
            _kernel.unshare(_NAMESPACES)
        except OSError as error:
            raise JailError(
                f"Cannot make namespaces for {command.argv[0]}: {error.strerror}.",
                "A container needs CAP_SYS_ADMIN, and an AppArmor profile that allows it.",
            ) from None
        alive, lifeline = os.pipe()
        first = os.fork()
        if first == 0:
            os.close(lifeline)
            _first_process(alive, pipes, command, prepare, enter)
        pipes.close_theirs()
        os.waitpid(first, 0)
    raise AssertionError(_UNREACHABLE)


def _first_process(
    alive: int,
    pipes: _Pipes,
    command: Command,
    prepare: Callable[[], None],
    enter: Callable[[], None],
) -> NoReturn:
    with _never_runs_on(pipes.report_out):
        # The handlers that Python and the supervisor set would be ours otherwise.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        _kernel.die_with_parent()
        # The supervisor may have died before the line above; its end of the pipe tells.
        if select.select([alive], [], [], 0)[0]:
            os._exit(1)
        # What happens to mounts on the host may be seen here, never the other way round.
        _kernel.set_propagation("/", "rslave")
        prepare()
        program = os.fork()
        if program == 0:
            _become(pipes, command, enter)
        for fd in (pipes.program_in, *pipes.program_out):
            os.close(fd)
        ended, status = os.wait()
        while ended != program:
            ended, status = os.wait()
        _say(pipes.report_out, status=status)
    raise AssertionError(_UNREACHABLE)


def _become(pipes: _Pipes, command: Command, enter: Callable[[], None]) -> NoReturn:
    with _never_runs_on(pipes.report_out):
        os.setsid()
        os.dup2(pipes.program_in, 0)
        os.dup2(pipes.program_out[0], 1)
        os.dup2(pipes.program_out[1], 2)
        inherited = _descriptors()
        enter()
        # A descriptor of a host's folder would be a way out of the jail.
        for fd in inherited:
            if fd > 2 and fd != pipes.report_out:
                with contextlib.suppress(OSError):
                    os.close(fd)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        try:
            os.execvpe(command.argv[0], list(command.argv), command.env)
        except OSError as error:
            _say(pipes.report_out, exec=error.errno, msg=error.strerror)
    raise AssertionError(_UNREACHABLE)


def _descriptors() -> tuple[int, ...]:
    return tuple(int(name) for name in os.listdir("/proc/self/fd"))
