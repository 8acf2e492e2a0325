# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The only door to programs: run one in namespaces of its own and wait for its end.

A contained program lives in its own mount, PID, UTS and IPC namespaces. Its parent is the first
process of the PID namespace, our child, which the kernel kills with us. When the first process
ends, for whatever reason, the kernel kills everything in the namespace, and its mounts vanish
with the last of them: nothing is left to clean up, not even after SIGKILL.

What the first process and the program have to say comes to us by a pipe of their own.
"""

from __future__ import annotations

import os
import select
import sys

from ansible_collections.jaulas.chroot.plugins.module_utils import _kernel, _libc
from ansible_collections.jaulas.chroot.plugins.module_utils._blocks import contextmanager, suppress
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError
from ansible_collections.jaulas.chroot.plugins.module_utils._record import TYPE_CHECKING, Record
from ansible_collections.jaulas.chroot.plugins.module_utils._streams import (
    Command,
    Streams,
    close_all_but,
    execute,
    first_word,
    say,
)

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator
    from typing import NoReturn
else:
    # What lies below it, without its enumerations, which take long to build.
    import _signal as signal

_NAMESPACES = _kernel.NEW_MOUNTS | _kernel.NEW_UTS | _kernel.NEW_IPC
#: Said to the first process when its caller is its parent, and when that lets it go on alone.
_YOURS = b"."
_UNREACHABLE = "a forked child ends within its block"


class Outcome(Record):
    """How it ended. rc is negative where a signal ended it, as for subprocess."""

    rc: int
    stdout: bytes = b""
    stderr: bytes = b""
    timed_out: bool = False


class _Task(Record):
    """What the first process has from its caller.

    The ends of pipes to be heard from, to say things to, and to hold as long as it lives; the
    signals that are blocked, and what to do.
    """

    command: Command
    prepare: Callable[[], None]
    enter: Callable[[], None]
    streams: tuple[int, ...]
    words: int
    alive: int
    life: int
    mask: set[int]


class NotStarted(JailError):
    """The program could not be executed; `errno` is the system's reason."""

    def __init__(self, msg: str, errno: int) -> None:
        super().__init__(msg)
        self.errno = errno


def contain(
    command: Command,
    prepare: Callable[[], None],
    enter: Callable[[], None] = lambda: None,
    let_go: Callable[[int], None] = os.close,
) -> Outcome:
    """Run a program in namespaces of its own and wait until nothing of it is left.

    prepare runs inside the namespaces before the program (mount there), enter runs in the
    program's own process just before it starts (change root and user there). Both may raise
    JailError or OSError: it is raised again here. Before something of a lasting command goes on
    without us, let_go is called with a descriptor that can be read when the last of it has ended.
    """
    streams = Streams(command)
    alive, living = os.pipe()
    # Only what is needed: whoever is root in a jail finds these, and may fill them.
    rest, life = os.pipe() if command.lasting else (-1, -1)
    goes_on = False
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    task = _Task(command, prepare, enter, streams.program, streams.report_out, alive, life, mask)
    first = 0
    try:
        with _undisturbed(mask):
            try:
                first = _fork_first(task)
                os.write(living, _YOURS)
            finally:
                streams.close_program()
                _close(alive, life)
        timed_out = streams.converse(lambda: _end(first))
        report = first_word(streams.text(streams.report))
        if command.lasting and report.get("goes_on"):
            let_go(rest)
            rest = -1
            # Who is root in a jail may have said that it does.
            with suppress(BrokenPipeError):
                os.write(living, _YOURS)
            goes_on = True
    finally:
        # Ends at once on success; on an exception here it must not outlive us.
        if streams.open:
            _end(first)
        _close(living, rest)
        if first and not goes_on:
            os.waitpid(first, 0)
        streams.close_caller()
    out, err = [streams.text(fd) for fd in streams.outputs] or [b"", b""]
    if timed_out or not report:
        # The first process is gone without a word: something killed it.
        return Outcome(-signal.SIGKILL, out, err, timed_out)
    if "exec" in report:
        raise NotStarted(report.get("msg", ""), _number(report["exec"]))
    if "msg" in report:
        raise JailError(report["msg"], report.get("hint", ""))
    return Outcome(_exit_code(_number(report.get("status", ""))), out, err)


def _close(*fds: int) -> None:
    for fd in fds:
        if fd >= 0:
            os.close(fd)


def afterwards(rest: int, do: Callable[[], None], *kept: int) -> None:
    """Let a process of its own do something when what goes on has ended.

    It outlives us, and has nothing of ours but some descriptors. Nobody hears what it says.
    """
    # Where we have a terminal, our end tells all that there are in it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if os.fork():
        os.close(rest)
        return
    try:
        os.setsid()
        os.chdir("/")
        close_all_but(rest, *kept)
        _libc.forget_arguments()
        # Who is root in a jail may write to the other end.
        while os.read(rest, select.PIPE_BUF):
            pass
        do()
    finally:
        os._exit(0)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else signal.SIGKILL


def _exit_code(status: int) -> int:
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


@contextmanager
def _never_runs_on(report: int) -> Iterator[None]:
    """Whatever happens in a forked child, it must not run on in its caller's code."""
    try:
        yield
    except JailError as error:
        say(report, msg=error.msg, hint=error.hint)
    except Exception as error:
        # Whatever it is, nobody else would tell it.
        kind = "" if isinstance(error, (OSError, ValueError)) else f"{type(error).__name__}: "
        say(report, msg=f"Cannot prepare the session: {kind}{error}.", hint="")
    finally:
        os._exit(1)


def _end(first: int) -> None:
    if first:
        os.kill(first, signal.SIGKILL)


@contextmanager
def _undisturbed(mask: set[int]) -> Iterator[None]:
    """Let all signals wait while the block runs; the mask is what did so before."""
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _unshare(flags: int, task: _Task) -> None:
    try:
        _kernel.unshare(flags)
    except OSError as error:
        raise JailError(
            f"Cannot make namespaces for {task.command.argv[0]}: {error.strerror}.",
            "A container needs CAP_SYS_ADMIN, and an AppArmor profile that allows it.",
        ) from None


def _fork_first(task: _Task) -> int:
    """Fork the first process of a new PID namespace; later children of ours are born here again.

    Undisturbed: between the steps a child would be born into a namespace that is ending.
    """
    here = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Nobody goes where there is no way back: it is tried first.
        _kernel.join(here, _kernel.NEW_PIDS)
        _kernel.unshare(_kernel.NEW_PIDS)
    except OSError:
        os.close(here)
        return _adopt_first(task)
    try:
        first = os.fork()
        if first == 0:
            _first_process(task)
        return first
    finally:
        _kernel.join(here, _kernel.NEW_PIDS)
        os.close(here)


def _adopt_first(task: _Task) -> int:
    """The same by way of a process that ends at once and leaves its child to us; 0 if it cannot.

    In a user namespace that has no PID namespace of its own there is no way back.
    """
    heard, tell = os.pipe()
    adopted = _libc.adopt_orphans(True)
    try:
        between = os.fork()
        if between == 0:
            with _never_runs_on(task.words):
                _unshare(_kernel.NEW_PIDS, task)
                first = os.fork()
                if first == 0:
                    _first_process(task)
                os.write(tell, str(first).encode())
        os.waitpid(between, 0)
    finally:
        _libc.adopt_orphans(adopted)
        os.close(tell)
    told = os.read(heard, select.PIPE_BUF)
    os.close(heard)
    return int(told or 0)


def _first_process(task: _Task) -> NoReturn:
    with _never_runs_on(task.words):
        # The caller's handlers would be ours otherwise. Without any, only SIGKILL and SIGSTOP reach
        # a first process: nothing that a terminal signals, as it hangs up or by a key.
        for number in range(1, signal.NSIG):
            if callable(signal.getsignal(number)):
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, task.mask)
        # A descriptor of a host's folder would be a way out of the jail: the program sees ours
        # in /proc, and has its own from us.
        close_all_but(task.alive, task.life, task.words, *task.streams)
        # The caller tells when it is our parent. If it dies before die_with_parent(), the end of
        # the pipe tells.
        told = os.read(task.alive, len(_YOURS))
        _libc.die_with_parent()
        if not told or select.select([task.alive], [], [], 0)[0]:
            os._exit(1)
        if not task.command.lasting:
            os.close(task.alive)
        _unshare(_NAMESPACES, task)
        # What happens to mounts on the host may be seen here, never the other way round.
        _kernel.set_propagation("/", "rslave")
        task.prepare()
        program = os.fork()
        if program == 0:
            _become(task)
        for fd in task.streams:
            os.close(fd)
        ended, status = os.wait()
        while ended != program:
            ended, status = os.wait()
        goes_on = task.command.lasting and _has_children()
        if goes_on:
            # From here on nobody waits for us; before, our end would have been the end of all.
            _libc.outlive_parent()
        say(task.words, status=status, goes_on="yes" if goes_on else "")
        os.close(task.words)
        # Without the caller's leave there is nobody who would tidy up after us.
        goes_on = goes_on and bool(os.read(task.alive, len(_YOURS)))
        while goes_on:
            os.wait()
            goes_on = _has_children()
    raise AssertionError(_UNREACHABLE)


def _become(task: _Task) -> NoReturn:
    with _never_runs_on(task.words):
        os.setsid()
        for standard, fd in enumerate(task.streams):
            os.dup2(fd, standard)
        # From here on, what Python imports would come out of the jail.
        sys.meta_path.clear()
        task.enter()
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        try:
            execute(task.command)
        except OSError as error:
            say(task.words, exec=error.errno, msg=error.strerror)
    raise AssertionError(_UNREACHABLE)


def _has_children() -> bool:
    """Tell whether a process has children that have not ended; those that have are buried."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return True
    return False
