# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.jaulas.chroot.plugins.module_utils import _specs
from ansible_collections.jaulas.chroot.plugins.plugin_utils import _declared

SPECS = Path(__file__).resolve().parents[4] / "roles/jail/meta/argument_specs.yml"
ROLE = yaml.safe_load(SPECS.read_text())["argument_specs"]["main"]["options"]
KNOWN = _declared.options(ROLE)
MODULES = {"bind_mounts", "debootstrap_jail", "jail_files", "jail_packages"}
Variables = dict[str, Any]


def complete(declared: Variables, variables: Variables | None = None) -> Variables:
    return _declared.complete(declared, variables or {}, KNOWN, "/srv/jails")


def parts(**declared: object) -> Variables:
    return _declared.parts(complete({"name": "j", "suite": "trixie", **declared}))


def test_every_option_of_the_role_is_a_key_but_two() -> None:
    assert {f"jail_{key}" for key in KNOWN} == ROLE.keys() - {"jail_declared", "jail_root"}


def test_what_is_left_out_is_what_the_role_says() -> None:
    jail = complete({"name": "j"})
    assert (jail["path"], jail["state"], jail["variant"]) == ("/srv/jails/j", "present", "minbase")
    assert complete({"name": "j", "path": "/x", "variant": None})["variant"] == "minbase"
    assert complete({"name": "j", "path": "/x"})["path"] == "/x"


def test_variables_count_as_keys() -> None:
    jail = complete({"name": "j", "suite": "trixie"}, {"mirror": "http://m", "suite": "trixie"})
    assert jail["mirror"] == "http://m"


@pytest.mark.parametrize(
    ("declared", "variables", "said"),
    [
        ({"name": "j", "mirorr": "x"}, {}, "The jail j has keys that are not known: mirorr."),
        ({"name": "j", "suite": "a"}, {"suite": "b"}, "in front overrule: suite."),
        ({"suite": "a"}, {}, "The jail without a name is declared wrongly"),
        ({"name": "j", "state": "gone"}, {}, "value of state must be one of: present, absent"),
        ({"name": "j", "python": "maybe"}, {}, "python"),
        ({"name": ""}, {}, "The jail '' is declared wrongly: its name is no name of a folder."),
        ({"name": ".."}, {}, "no name of a folder"),
        ({"name": "a/b", "path": "/srv/a/b"}, {}, "no name of a folder"),
    ],
)
def test_refusals(declared: Variables, variables: Variables, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace(".", r"\.")):
        complete(declared, variables)


@pytest.mark.parametrize("state", ["present", "absent"])
def test_every_entry_has_only_keys_that_its_module_takes(state: str) -> None:
    found = parts(state=state, python=True, apt_sources="deb http://m trixie main\n", kill=True)
    for module in MODULES & found.keys():
        spec = _specs.SPECS[module]["argument_spec"]
        assert found[module].keys() <= spec["jails"]["options"].keys()
        assert found[module]["path"] == "/srv/jails/j"
    assert set(found) >= {"bind_mounts", "debootstrap_jail", "name", "path", "state", "fstab"}


def test_a_resolver_of_its_own_is_not_overwritten() -> None:
    own = {"dest": "/etc//resolv.conf", "content": "nameserver 192.0.2.1\n"}
    assert [item["content"] for item in parts(files=[own])["jail_files"]["files"]] == [
        own["content"]
    ]


def test_a_module_without_work_is_left_out() -> None:
    found = parts(resolver="none")
    assert "jail_files" not in found
    assert "jail_packages" not in found
    assert parts()["jail_files"]["files"] == [
        {"dest": "/etc/resolv.conf", "src": "/etc/resolv.conf"}
    ]


def test_the_absent_only_go() -> None:
    leaving = {"path": "/srv/jails/j", "state": "absent", "kill": True}
    found = parts(state="absent", kill=True, packages=["nano"], fstab="/x")
    assert found["bind_mounts"] == leaving
    assert found["debootstrap_jail"] == {**leaving, "fstab": "/x"}
    assert found["fstab"] == "/x"
    assert "jail_packages" not in found


def test_packages() -> None:
    entry = parts(
        python=True, packages=["nano", "python3"], packages_state="latest", default_release="x"
    )["jail_packages"]
    assert (entry["name"], entry["state"]) == (["python3", "nano"], "latest")
    assert entry["default_release"] == "x"


@pytest.mark.parametrize(
    ("text", "contents"),
    [
        ("deb http://m trixie main\n", ["deb http://m trixie main\n", "absent"]),
        ("# x\nTypes: deb\nURIs: http://m\n", ["", "present"]),
    ],
)
def test_the_format_of_sources_decides_on_the_file(text: str, contents: list[str]) -> None:
    old, new = parts(apt_sources=text, resolver="none")["jail_files"]["files"]
    assert [old["content"], new["state"]] == contents
    assert new["content"] == text
