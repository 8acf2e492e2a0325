# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The only door to programs: run one in namespaces of its own and wait for its end.

A contained program lives in its own mount, PID, UTS and IPC namespaces. Three processes stand
behind it: a supervisor that the kernel kills with the caller, the first process of the new PID
namespace, and the program. When the first process ends, for whatever reason, the kernel kills
everything in the namespace, and its mounts vanish with the last of them: nothing is left to
clean up, not even after SIGKILL.

What the first process and the program have to say goes to the supervisor, and by way of it to
the caller.
"""

from __future__ import annotations

import os
import select

from ansible_collections.jaulas.chroot.plugins.module_utils import _kernel, _libc
from ansible_collections.jaulas.chroot.plugins.module_utils._blocks import contextmanager, suppress
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError
from ansible_collections.jaulas.chroot.plugins.module_utils._record import TYPE_CHECKING, Record
from ansible_collections.jaulas.chroot.plugins.module_utils._streams import (
    Command,
    Streams,
)

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator
    from typing import NoReturn
else:
    # What lies below it, without its enumerations, which take long to build.
    import _signal as signal

_NAMESPACES = _kernel.NEW_MOUNTS | _kernel.NEW_PIDS | _kernel.NEW_UTS | _kernel.NEW_IPC
_UNREACHABLE = "a forked child ends within its block"


class Outcome(Record):
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
    streams = Streams(command)
    caller = os.getpid()
    supervisor = os.fork()
    if supervisor == 0:
        _supervise(caller, streams, command, prepare, enter)
    streams.close_program()
    os.close(streams.report_out)
    try:
        timed_out = streams.converse(lambda: os.kill(supervisor, signal.SIGTERM))
    finally:
        # Ends at once on success; on an exception here it must not outlive us.
        if streams.open:
            os.kill(supervisor, signal.SIGTERM)
        report = _first_word(streams.text(streams.report))
        if not report.get("goes_on"):
            os.waitpid(supervisor, 0)
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


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else signal.SIGKILL


def _first_word(said: bytes) -> dict[str, str]:
    """What was told first; what follows only follows from it. Nothing, if nothing was told.

    It is text of one line, and is read as such: who is root in a jail may have tampered with it.
    """
    fields = said.partition(b"\n")[0].decode("utf-8", "replace").split("\t")
    return dict(zip(fields[::2], fields[1::2]))


def _exit_code(status: int) -> int:
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _say(fd: int, **report: object) -> None:
    fields = [" ".join(str(part).split()) for pair in report.items() for part in pair]
    os.write(fd, "\t".join(fields).encode("utf-8", "replace") + b"\n")


def _hear(fd: int) -> bytes:
    """Wait for one report, or for the end of all who could tell one."""
    said = b""
    while not said.endswith(b"\n"):
        chunk = os.read(fd, select.PIPE_BUF)
        if not chunk:
            break
        said += chunk
    return said


@contextmanager
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
    streams: Streams,
    command: Command,
    prepare: Callable[[], None],
    enter: Callable[[], None],
) -> NoReturn:
    with _never_runs_on(streams.report_out):
        first = 0

        def end_all(_signal: int, _frame: object) -> None:
            if first:
                os.kill(first, signal.SIGKILL)
            else:
                os._exit(1)

        signal.signal(signal.SIGTERM, end_all)
        _libc.die_with_parent()
        if os.getppid() != caller:
            os._exit(1)
        # What a terminal that hangs up signals to all of its session is for the caller.
        os.setsid()
        streams.close_caller()
        try:
            _kernel.unshare(_NAMESPACES)
        except OSError as error:
            raise JailError(
                f"Cannot make namespaces for {command.argv[0]}: {error.strerror}.",
                "A container needs CAP_SYS_ADMIN, and an AppArmor profile that allows it.",
            ) from None
        alive, _as_long_as_we_live = os.pipe()
        heard, words = os.pipe()
        first = os.fork()
        if first == 0:
            _first_process((alive, words, streams.program), command, prepare, enter)
        streams.close_program()
        os.close(words)
        said = _hear(heard)
        if _first_word(said).get("goes_on"):
            # From here on nobody waits for us; before, our end would have been the end of all.
            _libc.outlive_parent()
            _point_at_nothing()
            os.write(streams.report_out, said)
            os.close(streams.report_out)
        else:
            os.write(streams.report_out, said)
        os.waitpid(first, 0)
    raise AssertionError(_UNREACHABLE)


def _first_process(
    inherited: tuple[int, int, tuple[int, ...]],
    command: Command,
    prepare: Callable[[], None],
    enter: Callable[[], None],
) -> NoReturn:
    alive, words, program_streams = inherited
    with _never_runs_on(words):
        # The handlers that Python and the supervisor set would be ours otherwise.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        _libc.die_with_parent()
        # A descriptor of a host's folder would be a way out of the jail: the program sees ours
        # in /proc, and has its own from us.
        close_all_but(alive, words, *program_streams)
        # The supervisor may have died before die_with_parent(); its end of the pipe tells.
        if select.select([alive], [], [], 0)[0]:
            os._exit(1)
        # What happens to mounts on the host may be seen here, never the other way round.
        _kernel.set_propagation("/", "rslave")
        prepare()
        program = os.fork()
        if program == 0:
            _become(words, program_streams, command, enter)
        for fd in program_streams:
            os.close(fd)
        ended, status = os.wait()
        while ended != program:
            ended, status = os.wait()
        goes_on = command.lasting and _has_children()
        _say(words, status=status, goes_on="yes" if goes_on else "")
        while goes_on:
            os.wait()
            goes_on = _has_children()
    raise AssertionError(_UNREACHABLE)


def _become(
    words: int, streams: tuple[int, ...], command: Command, enter: Callable[[], None]
) -> NoReturn:
    with _never_runs_on(words):
        os.setsid()
        for standard, fd in enumerate(streams):
            os.dup2(fd, standard)
        enter()
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        try:
            os.execvpe(command.argv[0], list(command.argv), command.env)
        except OSError as error:
            _say(words, exec=error.errno, msg=error.strerror)
    raise AssertionError(_UNREACHABLE)


def _has_children() -> bool:
    """Tell whether a process has children that have not ended; those that have are buried."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return True
    return False


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
