# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file that is put travels with the next command, and is never lost. Nothing here is a jail."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.playbook.play_context import PlayContext
from ansible.plugins.connection import ConnectionBase
from ansible.plugins.loader import shell_loader

from ansible_collections.jaulas.chroot.plugins.plugin_utils import _entry, _inside

NAMES = ("plain", "two words", 'it\'s "quoted"', "汉语", "-dash", "$(touch x);&")


class Host(ConnectionBase):
    """A connection to a host: a shell in a folder; it counts what it is asked to run."""

    transport = "host"
    entries = 0

    def _connect(self) -> Host:
        return self

    def put_file(self, in_path: str, out_path: str) -> None:
        raise AssertionError("no file passes beside the jail")

    fetch_file = put_file

    def close(self) -> None:
        self._connected = False

    def exec_command(
        self, cmd: str, in_data: bytes | None = None, sudoable: bool = True
    ) -> tuple[int, bytes, bytes]:
        self.entries += 1
        done = subprocess.run(
            ["/bin/sh", "-c", cmd], input=in_data or b"", capture_output=True, check=False
        )
        return done.returncode, done.stdout, done.stderr


class Jail(_inside.Inside, Host):
    """A jail on it."""

    def get_option(self, option: str, hostvars: dict[str, Any] | None = None) -> Any:
        return {"jail_path": "/jail"}.get(option, "")


@pytest.fixture
def jail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jail:
    """A jail that shares the root of its host, and is entered by nothing more than its shell."""
    monkeypatch.setattr(_entry.Way, "enter", lambda _way, _jail, command, *_rest: command)
    connection = Jail(PlayContext(), shell=shell_loader.get("sh"))
    # As Ansible has it: with a slash at its end.
    connection._shell.tmpdir = f"{tmp_path}/tmp/"
    (tmp_path / "tmp").mkdir()
    return connection


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(bytes(range(256)) * 300)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_it_travels_with_a_command(jail: Jail, source: Path, name: str) -> None:
    content = source.read_bytes()
    target = source.parent / "tmp" / name
    jail.put_file(str(source), str(target))
    # What counts is what was in it when it was put.
    source.write_text("another")
    # The command begins after the file, and has nothing of it left to read.
    command = f"cat; cksum < {_inside.shlex.quote(str(target))}; echo said >&2; exit 7"
    rc, out, err = jail.exec_command(command, sudoable=False)
    assert (rc, err) == (7, b"said\n")
    assert out == subprocess.run(["cksum"], input=content, capture_output=True, check=True).stdout
    assert target.read_bytes() == content
    assert jail.entries == 1


def as_another(jail: Jail) -> Jail:
    """The same where a task's command is for another user of the jail."""
    jail.become = object()
    return jail


@pytest.mark.parametrize(
    ("then", "entries"),
    [
        (lambda jail, _path: jail.exec_command("true", sudoable=True), 1),
        (lambda jail, _path: as_another(jail).exec_command("true", sudoable=True), 2),
        (lambda jail, _path: as_another(jail).exec_command("true", sudoable=False), 1),
        (lambda jail, _path: jail.exec_command("cat", in_data=b"data", sudoable=False), 2),
        (lambda jail, path: jail.fetch_file(str(path), f"{path}.back"), 1),
        (lambda jail, path: jail.put_file(str(path), f"{path.parent}/elsewhere"), 2),
        (lambda jail, path: jail.put_file(str(path), f"{path.parent}/tmp/second"), 1),
        (lambda jail, _path: jail.close(), 1),
        (lambda jail, _path: jail.reset(), 1),
    ],
    ids=[
        "module",
        "become",
        "become for others",
        "data",
        "fetch",
        "put",
        "put and wait",
        "close",
        "reset",
    ],
)
def test_whatever_comes_next_finds_it(jail: Jail, source: Path, then: Any, entries: int) -> None:
    target = source.parent / "tmp/target"
    jail.put_file(str(source), str(target))
    then(jail, source)
    assert target.read_bytes() == source.read_bytes()
    assert jail.entries == entries


def quoted(path: Path | str) -> str:
    return _inside.shlex.quote(str(path))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("end", ["", " && sleep 0"])
def test_that_it_may_be_executed_travels_along(
    jail: Jail, source: Path, name: str, end: str
) -> None:
    source.write_text("#!/bin/sh\necho ran; exit 7\n")
    folder, target = jail._shell.tmpdir, source.parent / "tmp" / name
    jail.put_file(str(source), str(target))
    inner = f"chmod u+x {quoted(folder)} {quoted(target)}{end}"
    assert jail.exec_command(f"/bin/sh -c {quoted(inner)}", sudoable=False) == (0, b"", b"")
    assert jail.entries == 0
    assert jail.exec_command(quoted(target)) == (7, b"ran\n", b"")
    assert jail.entries == 1


@pytest.mark.parametrize(
    "command",
    [
        "chmod u+x {tmp}/a {folder}/elsewhere",
        "chmod u+x {tmp}/a; touch {folder}/elsewhere",
        "chmod u+x {tmp}/a && touch {folder}/elsewhere",
        "chmod u+rwx {tmp}/a",
    ],
)
def test_other_commands_wait_for_nothing(jail: Jail, source: Path, command: str) -> None:
    target = source.parent / "tmp/a"
    jail.put_file(str(source), str(target))
    line = command.format(tmp=source.parent / "tmp", folder=source.parent)
    jail.exec_command(f"/bin/sh -c {quoted(line)}", sudoable=False)
    assert target.exists()
    assert jail.entries == 1


@pytest.mark.parametrize("size", [0, 1, _inside._PARCEL, _inside._PARCEL + 1])
def test_sizes(jail: Jail, source: Path, size: int) -> None:
    source.write_bytes(b"x" * size)
    target = source.parent / "tmp/target"
    jail.put_file(str(source), str(target))
    assert jail.entries == (size > _inside._PARCEL)
    jail.exec_command("true", sudoable=False)
    assert target.read_bytes() == source.read_bytes()


def test_other_places_are_written_to_at_once(jail: Jail, source: Path) -> None:
    """Who puts a file where it is to stay hears at once that it is not there."""
    for tmpdir in (jail._shell.tmpdir, None):
        jail._shell.tmpdir = tmpdir
        with pytest.raises(AnsibleError, match=r"Cannot put .* in the jail /jail: .*missing"):
            jail.put_file(str(source), f"{source.parent}/missing/target")
    assert jail.entries == 2


@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.parametrize("sudoable", [False, True])
def test_a_failure_is_told(jail: Jail, source: Path, size: int, sudoable: bool) -> None:
    """The command does not run, and nobody takes the file for written."""
    source.write_bytes(b"x" * size)
    mark = source.parent / "ran"
    jail.put_file(str(source), f"{source.parent}/tmp/missing/target")
    with pytest.raises(AnsibleError) as caught:
        jail.exec_command(f"touch {mark}", sudoable=sudoable)
    assert f"Cannot put {source} to {source.parent}/tmp/missing/target in" in str(caught.value)
    assert "missing/target" in str(caught.value).partition("/jail: ")[2]
    assert not mark.exists()
    # It is over: the next command is not held responsible.
    assert jail.exec_command("true", sudoable=False)[0] == 0
