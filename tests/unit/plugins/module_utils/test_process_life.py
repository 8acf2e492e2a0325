# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ties a contained program to its caller, and keeps its first process and caller apart."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _kernel, _libc, _process
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError
from ansible_collections.jaulas.chroot.plugins.module_utils._streams import Command
from ansible_collections.jaulas.chroot.tests.unit.plugins.module_utils.watch import running, until

ENV = {"PATH": "/usr/bin:/bin"}


def nothing() -> None:
    """No preparation."""


def own_proc() -> None:
    _kernel.mount("proc", "/proc", "proc", frozenset(("nosuid",)))


def sh(script: str, prepare: Callable[[], None] = nothing, **options: object) -> _process.Outcome:
    # The options are whatever a test sets.
    return _process.contain(Command(["sh", "-c", script], ENV, **options), prepare)  # type: ignore[arg-type]


def fork(work: Callable[[], object]) -> int:
    """Do something in a child, which ends then."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            work()
        os._exit(0)
    return child


def end(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def children_are_born_here() -> bool:
    return os.readlink("/proc/self/ns/pid_for_children") == os.readlink("/proc/self/ns/pid")


def seen_mounts(point: Path) -> list[str]:
    """Processes in whose mount table a point is."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if f" {point} " in Path(f"/proc/{pid}/mountinfo").read_text():
                found.append(pid)
    return found


@pytest.fixture
def mark(tmp_path: Path) -> str:
    return f"mark-of-{tmp_path.name}-{os.getpid()}"


@pytest.fixture
def interrupted_after() -> Iterator[Callable[[float], None]]:
    """A clock that interrupts the test once."""

    def ring(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, ring)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds) and None
    signal.signal(signal.SIGALRM, before)


def test_mounts_vanish_with_the_caller(tmp_path: Path, mark: str) -> None:
    def prepare() -> None:
        _kernel.mount("tmpfs", str(tmp_path), "tmpfs", frozenset())

    caller = fork(lambda: sh(f"exec sh -c 'sleep 1000; :' {mark}", prepare))
    assert until(lambda: bool(running(mark)))
    assert seen_mounts(tmp_path)
    end(caller)
    assert until(lambda: not running(mark) and not seen_mounts(tmp_path))


def test_a_caller_that_dies_before_its_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not told whose it is does not begin."""
    begun, pid = tmp_path / "begun", tmp_path / "pid"
    forked = _process._fork_first

    def fork_and_die(task: _process._Task) -> int:
        pid.write_text(str(forked(task)))
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    monkeypatch.setattr(_process, "_fork_first", fork_and_die)
    os.waitpid(fork(lambda: sh("true", begun.touch)), 0)
    assert until(lambda: not Path(f"/proc/{pid.read_text()}").exists())
    assert not begun.exists()


def test_a_caller_that_dies_before_the_tie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel kills with a parent only what was tied to it while it lived."""
    begun, late = tmp_path / "begun", tmp_path / "late"
    tie = _libc.die_with_parent

    def tie_late() -> None:
        late.touch()
        assert until(lambda: not Path(f"/proc/{caller}").exists())
        tie()
        late.unlink()

    monkeypatch.setattr(_libc, "die_with_parent", tie_late)

    def work() -> None:
        nonlocal caller
        caller = os.getpid()
        sh("true", begun.touch)

    caller = 0
    caller = fork(work)
    assert until(late.exists)
    end(caller)
    assert until(lambda: not late.exists())
    assert not begun.exists()


def test_the_next_children_are_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    sh("true")
    assert children_are_born_here()
    with pytest.raises(JailError, match="it went wrong"):
        _process.contain(Command(["true"], ENV), _fail)
    assert children_are_born_here()

    def cannot() -> int:
        raise BlockingIOError(11, os.strerror(11))

    before = sorted(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fork", cannot)
        with pytest.raises(BlockingIOError):
            sh("true")
    assert children_are_born_here()
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert subprocess.run(["true"], check=False).returncode == 0


def _fail() -> None:
    raise JailError("it went wrong")


def test_without_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(_flags: int) -> None:
        raise PermissionError(1, os.strerror(1))

    monkeypatch.setattr(_kernel, "unshare", cannot)
    with pytest.raises(JailError, match=r"Cannot make namespaces for true: .* CAP_SYS_ADMIN"):
        _process.contain(Command(["true"], ENV), nothing)
    assert children_are_born_here()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_an_interruption_at_any_moment(
    interrupted_after: Callable[[float], None], mark: str
) -> None:
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    for moment in range(1, 100):
        # What an interruption hits may be code that swallows it, but only outside of ours.
        with contextlib.suppress(KeyboardInterrupt):
            interrupted_after(moment * 0.00004)
            sh(f"exec sh -c 'sleep 1000; :' {mark}", timeout=2)
        assert children_are_born_here()
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
    assert running(mark) == []


def test_signals_reach_the_program() -> None:
    """None of them is blocked, although they were while the first process was made."""
    blocked = sh("grep SigBlk /proc/self/status").stdout
    assert blocked.split() == [b"SigBlk:", b"0" * 16]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGTSTP])
def test_what_a_terminal_signals_is_for_the_caller(
    number: signal.Signals, tmp_path: Path, mark: str
) -> None:
    go, heard, told = tmp_path / "go", tmp_path / "heard", tmp_path / "told"

    def work() -> None:
        os.setsid()
        signal.signal(number, lambda _number, _frame: heard.write_text(f"{os.getpid()}\n"))
        script = f"until [ -e {go} ]; do sleep 0.05; done; exit 3"
        told.write_text(str(sh(f"exec sh -c '{script}' {mark}").rc))

    caller = fork(work)
    assert until(lambda: bool(running(mark)))
    os.killpg(caller, number)
    assert until(heard.exists)
    go.touch()
    os.waitpid(caller, 0)
    assert (heard.read_text(), told.read_text()) == (f"{caller}\n", "3")


def test_the_first_process_holds_nothing_of_the_host(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(folder, True)
    try:
        held = sh("readlink /proc/1/fd/*", own_proc).stdout.decode().split()
    finally:
        os.close(folder)
    assert {name.partition(":")[0] for name in held} == {"/dev/null", "pipe"}


def test_what_lasts_goes_on_after_its_caller(mark: str, tmp_path: Path) -> None:
    go, over = tmp_path / "go", tmp_path / "over"
    job = f"sh -c 'until [ -e {go} ]; do sleep 0.05; done' {mark} >/dev/null 2>&1 </dev/null"
    # Whoever reads its output is not kept waiting by what goes on.
    heard, said = os.pipe()
    caller = os.fork()
    if caller == 0:
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.close(said)
        with contextlib.suppress(BaseException):
            argv = ["sh", "-c", f"echo begun; {job} & exit 0"]
            command = Command(argv, ENV, attached=True, lasting=True)

            def let_go(rest: int) -> None:
                _process.afterwards(rest, over.touch)

            _process.contain(command, nothing, let_go=let_go)
        os._exit(0)
    os.close(said)
    with open(heard, "rb") as output:
        assert output.read() == b"begun\n"
    os.waitpid(caller, 0)
    # The program has ended, what it started may just be beginning.
    assert until(lambda: bool(running(mark)))
    first = _parent(min(running(mark)))
    assert not over.exists()
    go.touch()
    assert until(lambda: not running(mark) and not Path(f"/proc/{first}").exists())
    assert until(over.exists)


def test_what_nobody_lets_go_ends(mark: str) -> None:
    def let_go(_rest: int) -> None:
        raise OSError(11, "no process more")

    script = f"sh -c 'sleep 1000; :' {mark} >/dev/null 2>&1 &"
    command = Command(["sh", "-c", script], ENV, lasting=True)
    with pytest.raises(OSError, match="no process more"):
        _process.contain(command, nothing, let_go=let_go)
    assert until(lambda: not running(mark))
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_what_lasts_ends_with_a_caller_that_is_killed(mark: str) -> None:
    """As long as the program itself runs, somebody waits for it."""
    caller = fork(lambda: sh(f"exec sh -c 'sleep 1000; :' {mark}", lasting=True))
    assert until(lambda: bool(running(mark)))
    end(caller)
    assert until(lambda: not running(mark))


def test_a_user_namespace_without_pids_of_its_own() -> None:
    """There a process cannot come back into the PID namespace that it is in."""
    code = (
        "import sys; sys.path[:] = eval(sys.argv[1])\n"
        f"from {_process.__name__.rpartition('.')[0]} import _kernel, _process, _streams\n"
        "import os\n"
        "here = os.open('/proc/self/ns/pid', os.O_RDONLY)\n"
        "try:\n"
        "    _kernel.join(here, _kernel.NEW_PIDS)\n"
        "    print('there is a way back')\n"
        "except PermissionError:\n"
        "    pass\n"
        "command = _streams.Command(['sh', '-c', 'echo $$; exit 5'], os.environ)\n"
        "print(_process.contain(command, lambda: None))\n"
    )
    argv = ["unshare", "--user", "--map-root-user", sys.executable, "-c", code, repr(sys.path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout == f"{_process.Outcome(5, b'2' + bytes([10]))}\n"
