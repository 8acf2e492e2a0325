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

LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


def plain(value: Any) -> Any:
    """Take off what Ansible puts around words that are never to be templates."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        if set(value) == {"__ansible_unsafe"}:
            return value["__ansible_unsafe"]
        return {key: plain(item) for key, item in value.items()}
    return value


class Inventory:
    """What Ansible makes of an inventory of two files."""

    def __init__(self, found: dict[str, Any], said: str) -> None:
        self.found = found
        self.said = said

    def names(self, group: str) -> list[str]:
        return sorted(self.found.get(group, {}).get("hosts", []))

    def variables(self, host: str) -> dict[str, Any]:
        return dict(plain(self.found["_meta"]["hostvars"][host]))


def read(
    folder: Path, hosts: dict[str, Any], plugin: dict[str, Any] | None = None, *options: str
) -> Inventory:
    """Read an inventory by ansible-inventory."""
    (folder / "hosts.json").write_text(json.dumps({"all": hosts}))
    content = {"plugin": "jaulas.chroot.jails", **(plugin or {})}
    (folder / "jails.yml").write_text(json.dumps(content))
    program = os.path.join(os.path.dirname(sys.executable), "ansible-inventory")
    argv = [program, "-i", str(folder), "--list", *options]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return Inventory(json.loads(done.stdout), done.stderr)


JAILS = [{"name": "a", "suite": "trixie", "arch": "amd64"}, {"name": "b", "suite": "bookworm"}]


def test_declared_jails(tmp_path: Path) -> None:
    manager = read(tmp_path, {"hosts": {"web1": {}, "web-2": {}}, "vars": {"jails": JAILS}})
    assert manager.names("jails") == ["a.web-2", "a.web1", "b.web-2", "b.web1"]
    assert manager.names("jail_suite_trixie") == ["a.web-2", "a.web1"]
    assert manager.names("jail_arch_amd64") == ["a.web-2", "a.web1"]
    assert manager.names("jails_on_web_2") == ["a.web-2", "b.web-2"]
    found = manager.variables("b.web1")
    assert found["ansible_connection"] == "jaulas.chroot.ssh"
    assert found["ansible_host"] == "web1"
    assert found["ansible_jail_path"] == "/srv/jails/b"
    assert found["ansible_python_interpreter"] == "/usr/bin/python3"
    assert found["jail"] == {
        "name": "b",
        "suite": "bookworm",
        "path": "/srv/jails/b",
        "host": "web1",
    }
    # A jail holds none itself.
    assert found["jails"] == []


def test_common_keys_root_path_and_state(tmp_path: Path) -> None:
    jails = [{"name": "a"}, {"name": "b", "path": "/opt/b"}, {"name": "c", "state": "absent"}]
    common = {"suite": "sid"}
    declared = {
        "jails": jails,
        "jails_common": common,
        "jail_root": "/mnt/{{ inventory_hostname }}",
    }
    manager = read(tmp_path, {"hosts": {"web": declared}})
    assert manager.names("jail_suite_sid") == ["a.web", "b.web"]
    assert manager.variables("a.web")["ansible_jail_path"] == "/mnt/web/a"
    assert manager.variables("b.web")["ansible_jail_path"] == "/opt/b"


def test_variables_of_groups_and_of_files(tmp_path: Path) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/web.yml").write_text(json.dumps({"jails": JAILS[:1]}))
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars/web1.yml").write_text(json.dumps({"ansible_port": 22022}))
    manager = read(tmp_path, {"children": {"web": {"hosts": {"web1": {}}}}})
    assert manager.names("jails") == ["a.web1"]
    assert manager.variables("a.web1")["ansible_port"] == 22022


def test_constructed(tmp_path: Path) -> None:
    plugin = {
        "compose": {"where": "jail.host ~ ':' ~ jail.name"},
        "groups": {"new": "jail.suite == 'trixie'"},
        "keyed_groups": [{"prefix": "on", "key": "jail.host"}],
    }
    manager = read(tmp_path, {"hosts": {"web": {"jails": JAILS}}}, plugin)
    assert manager.variables("a.web")["where"] == "web:a"
    assert manager.names("new") == ["a.web"]
    assert manager.names("on_web") == ["a.web", "b.web"]


def test_discovered_and_cached(tmp_path: Path) -> None:
    roots, folder = tmp_path / "roots", tmp_path / "inventory"
    folder.mkdir()
    for name in ("found", "a"):
        (roots / name / "bin").mkdir(parents=True)
        (roots / name / "bin/sh").touch()
    cache = {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(tmp_path / "cache")}
    plugin = {"discover": True, "roots": [str(roots)], **cache}
    hosts = {"hosts": {"web": {**LOCAL, "jails": JAILS, "jail_root": str(roots)}}}
    manager = read(folder, hosts, plugin)
    assert manager.names("jails") == ["a.web", "b.web", "found.web"]
    # What is declared counts where both are known.
    assert manager.variables("a.web")["jail"]["suite"] == "trixie"
    (roots / "found").rename(tmp_path / "gone")
    assert "found.web" in read(folder, hosts, plugin).names("jails")
    assert "found.web" not in read(folder, hosts, plugin, "--flush-cache").names("jails")


@pytest.mark.parametrize("jails", [["a"], [{"suite": "sid"}]])
def test_no_declaration(tmp_path: Path, jails: list[Any]) -> None:
    manager = read(tmp_path, {"hosts": {"web": {"jails": jails}}})
    assert not manager.names("jails")
    assert "is no declaration with a name" in manager.said


def test_a_file_of_another_name_is_not_read(tmp_path: Path) -> None:
    read(tmp_path, {"hosts": {"web": {"jails": JAILS}}})
    (tmp_path / "jails.yml").rename(tmp_path / "others.yml")
    program = os.path.join(os.path.dirname(sys.executable), "ansible-inventory")
    argv = [program, "-i", str(tmp_path), "--list"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert "a.web" not in done.stdout


def test_what_one_host_has_wrong_costs_no_other_its_jails(tmp_path: Path) -> None:
    """A variable that only a play knows, and one of become that is none of the jails' business."""
    hosts = {
        "web": {"jails": JAILS, "ansible_become_password": "{{ vault_x }}"},
        "here": {"jails": JAILS, "ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "bad": {"jails": JAILS, "ansible_port": "{{ nobody_knows }}"},
    }
    manager = read(tmp_path, {"hosts": hosts})
    assert sorted(manager.names("jails")) == ["a.here", "a.web", "b.here", "b.web"]
    assert "Left out the jails of bad" in manager.said


def test_a_secret_of_a_vault_stays_one(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("word")
    program = os.path.join(os.path.dirname(sys.executable), "ansible-vault")
    argv = [program, "encrypt_string", "--vault-password-file", str(tmp_path / "word"), "TOPSECRET"]
    vault = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    folder = tmp_path / "inventory"
    (folder / "host_vars").mkdir(parents=True)
    (folder / "host_vars/web.yml").write_text(f"ansible_password: {vault}")
    options = ("--vault-password-file", str(tmp_path / "word"))
    manager = read(folder, {"hosts": {"web": {"jails": JAILS}}}, None, *options)
    secret = manager.variables("a.web")["ansible_password"]
    assert secret == manager.variables("web")["ansible_password"]
    assert "TOPSECRET" not in str(secret)
