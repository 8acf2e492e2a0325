# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules by what is kept on the host: the same answers as from AnsiballZ, by Ansible itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils._specs import SPECS

#: What AnsibleModule adds to every answer that names a path, and what differs each time.
_NOT_OURS = {"uid", "gid", "owner", "group", "mode", "size", "state", "secontext"}
_TIMES = {"start", "end", "delta", "invocation"}
#: The line by which Ansible says that it sends a module.
_SENT = "Using module file"


class Answer(NamedTuple):
    """What Ansible showed of a module's result, and whether it had sent the module."""

    result: dict[str, Any]
    sent: bool

    def plain(self) -> dict[str, Any]:
        left_out = _NOT_OURS | _TIMES
        return {name: value for name, value in self.result.items() if name not in left_out}


def ask(module: str, options: dict[str, Any], *argv: str, **env: str) -> Answer:
    """Call a module by `ansible` on this machine, with mounts of its own."""
    apart = ["unshare", "--mount", "--propagation", "private"]
    program = os.path.join(os.path.dirname(sys.executable), "ansible")
    call = [*apart, program, "localhost", "-c", "local", "-m", f"jaulas.chroot.{module}"]
    with tempfile.TemporaryDirectory() as kept:
        done = subprocess.run(
            [*call, "-a", json.dumps(options), "-vvv", *argv],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_REMOTE_TEMP": kept, **env},
        )
    said, _arrow, result = done.stdout.rpartition(" => {")
    assert result, done.stdout + done.stderr
    found, _end = json.JSONDecoder().raw_decode("{" + result)
    return Answer(dict(found), _SENT in said)


@pytest.fixture
def jail(tmp_path: Path) -> Path:
    place = tmp_path / "jail"
    for name in ("bin", "etc", "proc", "sys", "dev", "tmp", "usr/bin"):
        (place / name).mkdir(parents=True)
    (place / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    return place


CASES: list[tuple[str, dict[str, Any]]] = [
    ("jail_info", {"paths": ["JAIL"]}),
    ("jail_files", {"path": "JAIL", "files": [{"dest": "/etc/a", "content": "ñ\n"}]}),
    ("jail_files", {"path": "JAIL/none", "files": [{"dest": "/etc/a", "content": "ñ\n"}]}),
    ("bind_mounts", {"jails": [{"path": "JAIL"}], "fstab": "JAIL/fstab"}),
    ("debootstrap_jail", {"path": "JAIL/none", "state": "absent"}),
    ("debootstrap_jail", {"path": "/", "suite": "trixie"}),
    ("jail_packages", {"path": "JAIL", "name": ["hello"]}),
    ("jail_image", {"state": "received", "images": [], "folder": "JAIL"}),
    ("chroot_exec", {"path": "JAIL", "argv": ["/bin/none"], "env": {"A": "b"}}),
    ("chroot_exec", {"path": "JAIL", "cmd": "none", "creates": "/etc/pass*"}),
]


def test_every_module_is_among_the_cases() -> None:
    assert {module for module, _options in CASES} == set(SPECS)


@pytest.mark.parametrize("case", range(len(CASES)))
def test_the_same_answer(jail: Path, case: int) -> None:
    module, options = CASES[case]
    options = json.loads(json.dumps(options).replace("JAIL", str(jail)))
    for mode in (["--check", "--diff"], []):
        kept = ask(module, options, *mode)
        # In the mode that changes something, what comes second finds it done.
        sent = ask(module, options, *mode, ANSIBLE_KEEP_REMOTE_FILES="1")
        assert sent.sent
        assert not kept.sent
        if mode or not kept.result.get("changed"):
            assert kept.plain() == sent.plain()
        assert kept.result.get("invocation") == sent.result.get("invocation")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"cmd": "none", "timeout": "soon"}, "timeout"),
        ({"cmd": "none", "command": "none"}, "Unsupported parameters"),
        ({}, "one of the following is required: cmd, argv"),
    ],
)
def test_wrong_options_are_told_by_the_module(jail: Path, wrong: dict[str, Any], said: str) -> None:
    answer = ask("chroot_exec", {"path": str(jail), **wrong})
    assert answer.sent
    assert said in answer.result["msg"]


def test_the_work_is_done(jail: Path) -> None:
    options = {"path": str(jail), "files": [{"dest": "/etc/a", "content": "ñ\n"}]}
    answer = ask("jail_files", options)
    assert not answer.sent
    assert answer.result["changed"]
    assert (jail / "etc/a").read_text() == "ñ\n"


@pytest.mark.parametrize(
    ("path", "argv", "env"),
    [
        # Only the host knows what that is there.
        ("~/none", [], {}),
        ("$HOME/none", [], {}),
        ("/none", ["-B", "30", "-P", "1"], {}),
        ("/none", [], {"ANSIBLE_KEEP_REMOTE_FILES": "1"}),
        ("/none", ["--become", "--become-method", "su"], {}),
    ],
)
def test_what_takes_ansiballz(
    tmp_path: Path, path: str, argv: list[str], env: dict[str, str]
) -> None:
    # What `~` is to a background task is root's home, and HOME may be another here.
    apart = ["-e", f"ansible_async_dir={tmp_path}"]
    answer = ask("jail_info", {"paths": [path]}, *apart, *argv, **env)
    assert answer.sent
    assert answer.result["jails"][0]["path"] == os.path.expandvars(os.path.expanduser(path))


def test_a_python_that_is_not_there_is_told_by_ansible(jail: Path) -> None:
    options = {"paths": [str(jail)]}
    answer = ask("jail_info", options, "-e", "ansible_python_interpreter=/none/python3")
    assert answer.sent
    assert "/none/python3" in str(answer.result)
