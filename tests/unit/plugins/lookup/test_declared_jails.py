# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

#: Several answers of one run: a program of Ansible's takes a second to start.
PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.copy:
        dest: "{{ answers }}"
        content: "{{ found | to_json }}"
      vars:
        found:
          declared: "{{ query('jaulas.chroot.declared_jails') }}"
          absent: "{{ query('jaulas.chroot.declared_jails', state='absent') }}"
"""


def ask(folder: Path, variables: dict[str, Any]) -> tuple[dict[str, Any], str]:
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (folder / "play.yml").write_text(PLAY)
    hosts = {"all": {"hosts": {"h": {**local, "answers": str(folder / "answers"), **variables}}}}
    (folder / "hosts.json").write_text(json.dumps(hosts))
    program = os.path.join(os.path.dirname(sys.executable), "ansible-playbook")
    argv = [program, "-i", str(folder / "hosts.json"), str(folder / "play.yml")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    return (json.loads((folder / "answers").read_text()) if done.returncode == 0 else {}), said


def test_what_a_host_declares(tmp_path: Path) -> None:
    found, said = ask(
        tmp_path,
        {
            "jails": [
                {"name": "a"},
                {"name": "{{ other }}", "suite": "bookworm", "state": "absent"},
            ],
            "jails_common": {
                "suite": "trixie",
                "files": [{"dest": "/x", "content": "{{ other }}"}],
            },
            "other": "b",
            "jail_root": "/j",
            "jail_mirror": "http://m",
            "jail_kill": True,
        },
    )
    assert found, said
    first, second = found["declared"]
    assert (first["path"], first["state"]) == ("/j/a", "present")
    assert first["debootstrap_jail"]["suite"] == "trixie"
    assert first["debootstrap_jail"]["mirror"] == "http://m"
    assert first["jail_files"]["files"][-1] == {"dest": "/x", "content": "b"}
    assert second["bind_mounts"] == {"path": "/j/b", "state": "absent", "kill": True}
    assert [jail["state"] for jail in found["absent"]] == ["absent", "absent"]


def test_a_host_without_jails(tmp_path: Path) -> None:
    assert ask(tmp_path, {})[0] == {"declared": [], "absent": []}


@pytest.mark.parametrize(
    ("variables", "cause"),
    [
        ({"jails": [{"name": "a", "mirorr": "x"}]}, "has keys that are not known: mirorr"),
        ({"jails": [{"name": "a", "suite": "x"}], "jail_suite": "y"}, "overrule: suite"),
    ],
)
def test_the_cause_is_told(tmp_path: Path, variables: dict[str, Any], cause: str) -> None:
    found, said = ask(tmp_path, variables)
    assert not found
    assert cause in said.replace("\n", " ")
