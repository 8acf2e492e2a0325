# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the first process tells its caller, when who is root in the jail tells it as well."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _kernel, _process
from ansible_collections.jaulas.chroot.plugins.module_utils._streams import Command
from ansible_collections.jaulas.chroot.tests.unit.plugins.module_utils.watch import running

ENV = {"PATH": "/usr/bin:/bin"}


def sh(script: str, **options: object) -> _process.Outcome:
    """Run a script that sees its own first process in /proc."""

    def own_proc() -> None:
        _kernel.mount("proc", "/proc", "proc", frozenset(("nosuid",)))

    # The options are whatever a test sets.
    return _process.contain(Command(["sh", "-c", script], ENV, **options), own_proc)  # type: ignore[arg-type]


@pytest.fixture
def mark(tmp_path: Path) -> str:
    return f"mark-of-{tmp_path.name}-{os.getpid()}"


#: Who is root in a jail finds the end of the first process's pipe in /proc.
FORGE = "for fd in /proc/1/fd/*; do case $(readlink $fd) in pipe*) {} >$fd;; esac; done 2>/dev/null"
#: How a program ended of which the first report does not tell.
HEARD = -signal.SIGKILL


@pytest.mark.parametrize(
    "report", ["status\\t0\\n", "goes_on\\tyes\\n", "status\\tx\\tmsg\\n", "\\n"]
)
def test_a_forged_report_gains_no_time(report: str, mark: str) -> None:
    forge = FORGE.format(f"printf '{report}'")
    started = time.monotonic()
    script = f"{forge}; exec sh -c 'sleep 1000; :' {mark}"
    outcome = sh(script, attached=True, timeout=0.5)
    assert outcome.timed_out
    assert time.monotonic() - started < 10
    assert running(mark) == []


def test_a_forged_report_makes_nothing_last(mark: str) -> None:
    forge = FORGE.format("printf 'goes_on\\tyes\\n'")
    outcome = sh(f"sh -c 'sleep 1000; :' {mark} & {forge}")
    assert outcome.rc == HEARD
    assert running(mark) == []
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize("line", ["x", "x\\n"])
def test_a_report_without_end_takes_no_room(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[bytes] = []
    word = _process.first_word
    monkeypatch.setattr(_process, "first_word", lambda said: kept.append(said) or word(said))
    flood = f"yes '{line}' | head -c 20000000"
    assert sh(FORGE.format(f"printf '{line}'; {flood}")).rc == HEARD
    assert 0 < len(kept[0]) <= 2 << 20
