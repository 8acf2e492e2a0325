# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _files
from ansible_collections.jaulas.chroot.plugins.modules import chroot_exec
from ansible_collections.jaulas.chroot.tests.unit.plugins.modules.conftest import Result, Run

Enter = Callable[..., Result]
InNamespace = Callable[..., None]


@pytest.fixture
def enter(run: Run, jail: Path, enterable: Callable[[], None], in_namespace: InNamespace) -> Enter:
    """Run a command in a jail with some programs, and look at the result here."""

    def call(judge: Callable[[Result], object], **options: object) -> None:
        def deed() -> None:
            enterable()
            judge(run(chroot_exec, path=str(jail), **options))

        in_namespace(deed)

    return call


def expect(**expected: object) -> Callable[[Result], None]:
    def check(result: Result) -> None:
        assert {name: result.get(name) for name in expected} == expected, result

    return check


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"cmd": "sh -c 'echo out; echo err >&2'"}, {"stdout": "out", "stderr": "err", "rc": 0}),
        ({"argv": ["sh", "-c", "exit 3"]}, {"rc": 3, "failed": True, "changed": True}),
        ({"argv": ["sh", "-c", "kill -TERM $$"]}, {"rc": -15, "failed": True}),
        ({"cmd": "cat", "stdin": "ñ\n"}, {"stdout": "ñ"}),
        ({"cmd": "cat", "stdin": "x\n\n", "strip_empty_ends": False}, {"stdout": "x\n\n"}),
        ({"cmd": "cat", "stdin_base64": base64.b64encode(b"raw").decode()}, {"stdout": "raw"}),
        ({"argv": ["sh", "-c", "pwd"], "chdir": "/etc"}, {"stdout": "/etc"}),
        ({"cmd": "id -u", "user": "ana"}, {"stdout": "1000"}),
        ({"cmd": "id -u", "user": "4242"}, {"stdout": "4242"}),
        ({"cmd": "sh -c 'echo $HOME'"}, {"stdout": "/root"}),
        ({"cmd": "sh -c 'echo $A'", "env": {"A": "b c"}}, {"stdout": "b c"}),
        ({"cmd": "sh -c 'echo $$'"}, {"stdout": "2"}),
        ({"cmd": "ls /proc/self/fd"}, {"stdout": "0\n1\n2\n3"}),
        ({"cmd": "sh -c 'echo x > /dev/null && ls /dev/pts/ptmx'"}, {"stdout": "/dev/pts/ptmx"}),
        ({"cmd": "true", "creates": "/etc/pass*"}, {"changed": False, "rc": 0}),
        ({"cmd": "true", "removes": "/nowhere"}, {"changed": False, "rc": 0}),
        ({"cmd": "sh -c :", "creates": "/nowhere", "removes": "/etc"}, {"changed": True}),
    ],
)
def test_results(enter: Enter, options: dict[str, object], expected: dict[str, object]) -> None:
    enter(expect(**expected), **options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cmd": "nowhere"}, "Cannot run nowhere"),
        ({"cmd": "/etc/passwd"}, "Permission denied"),
        ({"cmd": "sh -c 'x"}, "Balance the quotes"),
        ({"cmd": " "}, "neither cmd nor argv holds one"),
        ({"argv": ["a\0b"]}, "NUL"),
        ({"cmd": "id", "env": {"A=B": "c"}}, "that is no name"),
        ({"cmd": "id", "user": "nobody-here"}, "no such user"),
        ({"cmd": "id", "chdir": "/nowhere"}, "Cannot change to /nowhere"),
        ({"cmd": "id", "timeout": 0}, "timeout must be positive"),
        ({"cmd": "id", "stdin_base64": "%"}, "stdin_base64"),
        ({"cmd": "sleep 1000", "timeout": 0.2}, "was killed with all"),
        ({}, "one of the following is required: cmd, argv"),
    ],
)
def test_failures(enter: Enter, options: dict[str, object], said: str) -> None:
    def check(result: Result) -> None:
        assert result["failed"]
        assert said in result["msg"]

    enter(check, **options)


def test_nothing_of_the_hosts_environment_leaks(
    enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/host/tmp")
    monkeypatch.setenv("LD_PRELOAD", "")

    def check(result: Result) -> None:
        names = {line.partition("=")[0] for line in result["stdout"].splitlines()}
        assert names == {
            *("PATH", "LANG", "HOME", "USER", "LOGNAME", "SHELL", "debian_chroot"),
            "SYSTEMD_OFFLINE",
        }

    enter(check, cmd="env")


def test_check_mode_runs_nothing(enter: Enter, jail: Path) -> None:
    enter(expect(changed=True), cmd="touch /etc/new", check=True)
    assert not (jail / "etc/new").exists()


def test_a_session_leaves_no_mount(
    run: Run, jail: Path, enterable: Callable[[], None], in_namespace: InNamespace
) -> None:
    def deed() -> None:
        enterable()
        before = Path("/proc/self/mountinfo").read_text()
        for profile in ("isolated", "build", "default", "none"):
            result = run(chroot_exec, path=str(jail), cmd="sh -c :", profile=profile)
            assert result.get("rc") == 0, result
        assert Path("/proc/self/mountinfo").read_text() == before

    in_namespace(deed)


@pytest.mark.parametrize(("services", "rc"), [("deny", 101), ("allow", 127)])
def test_services(enter: Enter, jail: Path, services: str, rc: int) -> None:
    (jail / "var/lib/dpkg").mkdir(parents=True)
    (jail / "var/lib/dpkg/status").write_text("")
    enter(expect(rc=rc), argv=["sh", "-c", "/usr/sbin/policy-rc.d"], services=services)
    assert list((jail / "usr/sbin").iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        {"cmd": "nowhere"},
        {"cmd": "id", "chdir": "/nowhere"},
        {"cmd": "sleep 1000", "timeout": 0.2},
        {"cmd": "sh -c 'exit 1'"},
    ],
)
def test_a_failure_leaves_nothing(enter: Enter, jail: Path, options: dict[str, object]) -> None:
    (jail / "var/lib/dpkg").mkdir(parents=True)
    (jail / "var/lib/dpkg/status").write_text("")
    enter(expect(failed=True), **options)
    assert list((jail / "usr/sbin").iterdir()) == []
    assert not Path(_files._lock_file(f"session in {jail}")).exists()
