# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _library
from ansible_collections.jaulas.chroot.plugins.plugin_utils import _entry
from ansible_collections.jaulas.chroot.plugins.plugin_utils._entry import Way

SIGN = "sign-of-a-test"
#: A program that only tells how it was called.
ECHO = '#!/bin/sh\nprintf "%s " "$(basename "$0")" "$@"\n'


def call(line: str, path: Path, user: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command line as sshd would, with these programs only."""
    return subprocess.run(
        ["/bin/sh", "-c", line],
        capture_output=True,
        text=True,
        check=False,
        user=user,
        env={"PATH": str(path)},
    )


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder on PATH, where a test puts the programs of its host."""
    # Others have to find them too; pytest makes its folders root's alone.
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(0o755)
    for name in ("basename", "sh"):
        (tmp_path / name).symlink_to(f"/bin/{name}")
    return tmp_path


def fake(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text(ECHO)
        (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("escalation", "there", "user", "begins"),
    [
        ("auto", ("sudo", "doas"), None, "py -I"),
        ("auto", ("sudo", "doas"), 65534, "sudo -n py"),
        ("auto", ("doas",), 65534, "doas -n py"),
        ("none", ("sudo",), 65534, "py -I"),
        ("sudo", ("sudo",), None, "sudo -n py"),
        ("doas", ("doas",), None, "doas -n py"),
    ],
)
def test_escalation(
    programs: Path, escalation: str, there: tuple[str, ...], user: int | None, begins: str
) -> None:
    fake(programs, "py", *there)
    done = call(Way(escalation, "py", SIGN).become(), programs, user)
    assert done.stdout.startswith(begins), done


def test_nothing_to_escalate_with(programs: Path) -> None:
    fake(programs, "py")
    way = Way("auto", "py", SIGN)
    done = call(way.become(), programs, 65534)
    assert done.returncode == 1
    assert way.said(done.stderr.encode()) == "the host has neither sudo nor doas to become root"


def test_no_python_on_the_host(programs: Path) -> None:
    way = Way("none", "py", SIGN)
    done = call(way.become(), programs)
    assert way.said(done.stderr.encode()) == "the host has no py, which enters the jail"


def test_the_request_survives_every_shell(programs: Path) -> None:
    command = "echo 'two  words' \"$HOME\" `id` ; x=\\\\ 汉语"
    line = Way("none", "py", SIGN).enter("/srv/a b'c", command, "isolated", "deny", True)
    request = ["/srv/a b'c", "isolated", "deny", "lasting", command]
    assert shlex.split(line)[-5:] == request
    fake(programs, "py")
    assert " ".join(request) in call(line, programs).stdout


def test_what_the_entry_says() -> None:
    way = Way("none", "py", SIGN)
    assert way.said(b"anything") is None
    assert way.said(b"noise\n", f"noise\n{SIGN} Cannot do it. Try.\r\nmore".encode()) == (
        "Cannot do it. Try."
    )


def test_the_library_has_all_that_enters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent to a host works there by itself, and loads nothing that is slow to load."""
    monkeypatch.setattr(_library, "FOLDER", str(tmp_path / "run"))
    files = {name: content.decode() for name, content in _entry.utilities().items()}
    for _time in range(2):
        _library.install(_entry.library(), files)
    assert os.listdir(tmp_path / "run") == [_entry.library()]
    finder = _entry.finder(SIGN, "_enter", str(tmp_path / "run")).replace(
        "program.main(sys.argv[1:])",
        "slow = {'collections', 'contextlib', 'dataclasses', 'enum', 'functools', 'hashlib',\n"
        "        'inspect', 'json', 're', 'signal', 'typing', 'urllib', 'warnings'}\n"
        "print(slow & set(sys.modules))",
    )
    argv = [sys.executable, "-I", "-S", "-c", finder]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_folder_that_others_can_write_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    folder.chmod(0o777)
    monkeypatch.setattr(_library, "FOLDER", str(folder))
    with pytest.raises(SystemExit, match="not a folder of root's alone"):
        _library.install("lib", {})
    assert not list(folder.iterdir())


def test_the_library_is_named_by_its_content(monkeypatch: pytest.MonkeyPatch) -> None:
    name = _entry.library()
    changed = {**_entry.utilities(), "_text.py": b"# another\n"}
    monkeypatch.setattr(_entry, "utilities", lambda: changed)
    _entry.library.cache_clear()
    assert _entry.library() != name
    monkeypatch.undo()
    _entry.library.cache_clear()
    assert _entry.library() == name
