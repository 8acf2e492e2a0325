# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _kernel, _process
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError
from ansible_collections.jaulas.chroot.plugins.module_utils._process import Outcome
from ansible_collections.jaulas.chroot.plugins.module_utils._streams import Command
from ansible_collections.jaulas.chroot.tests.unit.plugins.module_utils.watch import running, until

ENV = {"PATH": "/usr/bin:/bin"}


@pytest.fixture(autouse=True, params=["forked", "adopted"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to get at a first process; the other is that of some containers."""

    def no_way_back(_namespace: int, _kind: int) -> None:
        raise PermissionError(1, os.strerror(1))

    if request.param == "adopted":
        monkeypatch.setattr(_kernel, "join", no_way_back)


def nothing() -> None:
    """No preparation."""


def sh(script: str, **options: object) -> Outcome:
    # The options are whatever a test sets.
    return _process.contain(Command(["sh", "-c", script], ENV, **options), nothing)  # type: ignore[arg-type]


@pytest.fixture
def mark(tmp_path: Path) -> str:
    return f"mark-of-{tmp_path.name}-{os.getpid()}"


def test_nothing_is_imported_on_the_way_to_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would come out of the jail; os.execvpe() imports this."""
    monkeypatch.delitem(sys.modules, "warnings", raising=False)
    assert sh("exit 7") == Outcome(7)

    def enter() -> None:
        importlib.import_module("this")

    with pytest.raises(JailError, match="ModuleNotFoundError"):
        _process.contain(Command(["true"], ENV), nothing, enter)


def test_a_program_is_looked_for_as_the_shell_does(tmp_path: Path) -> None:
    for name, mode in (("a", 0o644), ("b", 0o755), ("c", 0o755)):
        program = tmp_path / name / "tool"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\necho {name}\n")
        program.chmod(mode)

    def found(*names: str) -> bytes:
        path = ":".join([f"{tmp_path}/none", *(f"{tmp_path}/{name}" for name in names)])
        return _process.contain(Command(["tool"], {"PATH": path}), nothing).stdout

    assert found("b", "c") == b"b\n"
    assert found("a", "c", "b") == b"c\n"
    for names, code in (((), errno.ENOENT), (("a",), errno.EACCES)):
        with pytest.raises(_process.NotStarted) as failure:
            found(*names)
        assert failure.value.errno == code


@pytest.mark.parametrize(
    ("script", "rc"),
    [
        ("exit 0", 0),
        ("exit 7", 7),
        ("exit 255", 255),
        ("kill -TERM $$", -15),
        ("kill -KILL $$", -9),
    ],
)
def test_the_exit_code(script: str, rc: int) -> None:
    assert sh(script) == Outcome(rc)


def test_both_streams_are_told_apart() -> None:
    assert sh("echo out; echo err >&2") == Outcome(0, b"out\n", b"err\n")


def test_much_on_both_streams() -> None:
    outcome = sh("head -c 3000000 /dev/zero; head -c 2000000 /dev/zero >&2")
    assert (len(outcome.stdout), len(outcome.stderr)) == (3_000_000, 2_000_000)


def test_bytes_pass_through() -> None:
    raw = bytes(range(256)) * 4096
    assert _process.contain(Command(["cat"], ENV, stdin=raw), nothing).stdout == raw


@pytest.mark.parametrize("script", ["exit 3", "exec <&-; exit 3", "head -c 1 >/dev/null; exit 3"])
def test_stdin_that_nobody_reads(script: str) -> None:
    assert sh(script, stdin=b"x" * 1_000_000).rc == 3


def test_no_stdin_is_an_empty_one() -> None:
    assert sh("cat; echo end").stdout == b"end\n"


def test_output_to_a_descriptor(tmp_path: Path) -> None:
    with open(tmp_path / "log", "wb") as log:
        assert sh("echo out; echo err >&2", log=log.fileno()) == Outcome(0)
    assert (tmp_path / "log").read_text() == "out\nerr\n"


def test_the_environment_is_only_what_is_given() -> None:
    outcome = _process.contain(Command(["env"], {**ENV, "A": "ñ"}), nothing)
    assert outcome.stdout.decode().split() == ["PATH=/usr/bin:/bin", "A=ñ"]


@pytest.mark.parametrize("script", ["true", "sleep 1000 &"])
def test_nothing_runs_on(script: str, mark: str) -> None:
    assert sh(f"sh -c 'sleep 1000; :' {mark} & {script}").rc == 0
    assert running(mark) == []


def test_a_daemon_ends_with_the_program(mark: str) -> None:
    script = f"setsid sh -c 'trap : TERM HUP; sleep 1000; :' {mark} >/dev/null 2>&1 </dev/null &"
    assert sh(script).rc == 0
    assert running(mark) == []


def test_a_program_may_not_outlive_its_time(mark: str) -> None:
    script = f"echo begun; setsid sh -c 'trap \"\" TERM; sleep 1000; :' {mark} & sleep 1000"
    started = time.monotonic()
    outcome = sh(script, timeout=2)
    assert outcome == Outcome(-signal.SIGKILL, b"begun\n", b"", timed_out=True)
    assert time.monotonic() - started < 60
    assert running(mark) == []


def test_a_program_in_time_is_left_alone() -> None:
    assert sh("echo in time", timeout=60) == Outcome(0, b"in time\n")


def test_the_death_of_the_caller_ends_all(mark: str) -> None:
    caller = os.fork()
    if caller == 0:
        with contextlib.suppress(BaseException):
            sh(f"setsid sh -c 'trap \"\" TERM; sleep 1000; :' {mark}")
        os._exit(0)
    assert until(lambda: bool(running(mark)))
    os.kill(caller, signal.SIGKILL)
    os.waitpid(caller, 0)
    assert until(lambda: not running(mark))


def test_an_exception_in_the_caller_ends_all(mark: str) -> None:
    def ring(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            sh(f"sh -c 'sleep 1000; :' {mark}")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert running(mark) == []


def test_no_descriptor_and_no_child_is_left() -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    sh("exit 1", stdin=b"x" * 100_000)
    with pytest.raises(_process.NotStarted):
        _process.contain(Command(["/nowhere"], ENV), nothing)
    assert sorted(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_no_descriptor_reaches_the_program(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(folder, True)
    try:
        said = sh("ls -l /proc/self/fd").stdout.decode()
    finally:
        os.close(folder)
    assert str(tmp_path) not in said
    assert " 0 -> " in said


def test_a_closed_signal_does_not_stay_ignored() -> None:
    """Python ignores SIGPIPE; a program must not inherit that."""
    assert sh("yes | head -n 1; kill -PIPE $$; echo survived").stdout == b"y\n"


@pytest.mark.parametrize(
    ("program", "code"),
    [("/nowhere", 2), ("nowhere", 2), ("/etc", 13), ("/etc/passwd", 13)],
)
def test_what_cannot_be_executed(program: str, code: int) -> None:
    with pytest.raises(_process.NotStarted) as caught:
        _process.contain(Command([program], ENV), nothing)
    assert (caught.value.errno, caught.value.msg) == (code, os.strerror(code))


def test_what_is_no_program(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\0\0\0\0")
    program.chmod(0o755)
    with pytest.raises(_process.NotStarted, match="Exec format error"):
        _process.contain(Command([str(program)], ENV), nothing)


@pytest.mark.parametrize("where", ["prepare", "enter"])
def test_errors_of_the_preparation_come_out(where: str) -> None:
    def fail() -> None:
        raise JailError("it went wrong", "mend it")

    steps = {"prepare": nothing, "enter": nothing, where: fail}
    with pytest.raises(JailError, match="it went wrong mend it"):
        _process.contain(Command(["true"], ENV), steps["prepare"], steps["enter"])


def test_an_error_of_the_system_comes_out() -> None:
    with pytest.raises(JailError, match=r"Cannot prepare the session: .*No such file"):
        _process.contain(Command(["true"], ENV), lambda: os.chdir("/nowhere"))


def test_any_other_exception_still_ends_the_child() -> None:
    def fail() -> None:
        raise RuntimeError("of a test")

    with pytest.raises(JailError, match="Cannot prepare the session: RuntimeError: of a test"):
        _process.contain(Command(["true"], ENV), fail)


def test_mounts_are_seen_inside_only(tmp_path: Path) -> None:
    def prepare() -> None:
        _kernel.mount("tmpfs", str(tmp_path), "tmpfs", frozenset())
        (tmp_path / "inside").write_text("seen\n")

    command = Command(["cat", str(tmp_path / "inside")], ENV)
    assert _process.contain(command, prepare).stdout == b"seen\n"
    assert os.listdir(tmp_path) == []


def test_the_program_sees_its_own_processes_only() -> None:
    def prepare() -> None:
        _kernel.mount("proc", "/proc", "proc", frozenset(("nosuid",)))

    outcome = _process.contain(Command(["sh", "-c", "echo $$; echo /proc/[0-9]*"], ENV), prepare)
    pid, seen = outcome.stdout.decode().splitlines()
    assert (int(pid), seen) == (2, "/proc/1 /proc/2")
