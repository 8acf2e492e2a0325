# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _kernel
from ansible_collections.jaulas.chroot.plugins.modules import jail_files
from ansible_collections.jaulas.chroot.tests.unit.plugins.modules.conftest import Result, Run

Put = Callable[..., Result]


@pytest.fixture
def put(run: Run, jail: Path) -> Put:
    def call(*files: dict[str, object], **how: bool) -> Result:
        return run(jail_files, path=str(jail), files=list(files), **how)

    return call


def test_check_real_and_again(put: Put, jail: Path) -> None:
    item = {"dest": "/etc/apt/sources.list", "content": "deb ñ\n", "mode": "0600"}
    place = jail / "etc/apt/sources.list"
    foreseen = put(item, check=True, diff=True)
    assert foreseen["actions"] == [f"write {place}"]
    assert not place.parent.exists()
    done = put(item, diff=True)
    assert (done["changed"], done["diff"]) == (True, foreseen["diff"])
    assert place.read_text(encoding="utf-8") == "deb ñ\n"
    status = place.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o600, 0)
    assert os.listdir(place.parent) == ["sources.list"]
    for check in (True, False):
        assert not put(item, check=check)["changed"]


def test_a_copy_of_a_host_file(put: Put, jail: Path, tmp_path: Path) -> None:
    (tmp_path / "host").write_bytes(b"\0\xff binary")
    result = put({"dest": "/etc/x", "src": str(tmp_path / "host")}, diff=True)
    assert (jail / "etc/x").read_bytes() == b"\0\xff binary"
    assert "binary, 9 bytes" in result["diff"][0]["after"]


def test_another_mode_is_a_change(put: Put, jail: Path) -> None:
    (jail / "etc/x").write_text("x")
    (jail / "etc/x").chmod(0o600)
    assert put({"dest": "/etc/x", "content": "x"})["changed"]
    assert stat.S_IMODE((jail / "etc/x").stat().st_mode) == 0o644


def test_a_mode_that_yaml_has_read_as_a_number(put: Put, jail: Path) -> None:
    put({"dest": "/etc/x", "content": "x", "mode": 0o640})
    assert stat.S_IMODE((jail / "etc/x").stat().st_mode) == 0o640


def test_absence(put: Put, jail: Path) -> None:
    (jail / "etc/x").write_text("x")
    item = {"dest": "/etc/x", "state": "absent"}
    assert put(item, check=True)["changed"]
    assert put(item)["changed"]
    assert not (jail / "etc/x").exists()
    assert not put(item)["changed"]
    assert not put({"dest": "/no/such/folder", "state": "absent"})["changed"]


def test_a_link_is_replaced_and_not_followed(put: Put, jail: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (jail / "etc/resolv.conf").symlink_to(tmp_path / "precious")
    assert put({"dest": "/etc/resolv.conf", "content": "nameserver 127.0.0.1\n"})["changed"]
    assert (tmp_path / "precious").read_text() == "precious"
    assert not (jail / "etc/resolv.conf").is_symlink()


@pytest.mark.parametrize("target", ["/srv", "../../../srv"])
def test_a_folder_that_is_a_link_leads_back_inside(put: Put, jail: Path, target: str) -> None:
    (jail / "srv").mkdir()
    (jail / "opt").symlink_to(target)
    assert put({"dest": "/opt/x", "content": "x"})["changed"]
    assert (jail / "srv/x").read_text() == "x"


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"dest": "/", "content": ""}, "a file inside the jail"),
        ({"dest": "/a/../../x", "content": ""}, "a file inside the jail"),
        ({"dest": "/etc", "content": ""}, "no regular file"),
        ({"dest": "/pipe", "content": ""}, "no regular file"),
        ({"dest": "/dangling/x", "content": ""}, "leads nowhere inside the jail"),
        ({"dest": "/etc/passwd/x", "content": ""}, ""),
        ({"dest": "/etc/x", "src": "/nowhere"}, "Cannot read /nowhere"),
        ({"dest": "/etc/x"}, "content, src"),
        ({"dest": "/etc/x", "content": "", "src": "/etc/passwd"}, "mutually exclusive"),
        ({"dest": "/etc/x", "content": "", "mode": "u+x"}, "mode"),
        ({"dest": "/etc/x", "content": "", "mode": "99"}, "mode"),
        ({"dest": "/etc/x", "content": "", "mode": 10644}, "mode"),
        ({"dest": "/etc/x", "content": "", "mode": True}, "mode"),
        ({"dest": "/etc/a\0b", "content": ""}, ""),
    ],
    ids=lambda value: str(value.get("dest")) if isinstance(value, dict) else None,
)
def test_refusals(put: Put, jail: Path, item: dict[str, object], said: str) -> None:
    os.mkfifo(jail / "pipe")
    (jail / "dangling").symlink_to("nowhere")
    result = put(item)
    assert said in result["msg"]
    assert "Traceback" not in str(result)
    assert sorted(os.listdir(jail / "etc")) == ["group", "passwd"]


@pytest.mark.parametrize("state", ["present", "absent"])
def test_what_is_mounted_from_the_host_is_not_written_to(
    put: Put, jail: Path, tmp_path: Path, in_namespace: Callable[..., None], state: str
) -> None:
    (tmp_path / "host").mkdir()
    (tmp_path / "host/x").write_text("precious")
    item = {"dest": "/var/x", "state": state, **({"content": "y"} if state == "present" else {})}

    def attempt() -> None:
        _kernel.bind(str(tmp_path / "host"), str(jail / "var"))
        assert "mounted from elsewhere" in put(item)["msg"]

    in_namespace(attempt)
    assert (tmp_path / "host/x").read_text() == "precious"


def test_twice_the_same_file_is_no_crash(put: Put, jail: Path) -> None:
    result = put({"dest": "/etc/x", "content": "1"}, {"dest": "/etc//x", "state": "absent"})
    assert "Traceback" not in str(result)


@pytest.mark.parametrize("size", [0, 1])
def test_what_is_too_large_is_refused(put: Put, jail: Path, tmp_path: Path, size: int) -> None:
    """Not cut off: of sixteen MiB all is put, of one byte more nothing."""
    text = "x" * ((16 << 20) + size)
    (tmp_path / "large").write_text(text)
    for source in ({"content": text}, {"src": str(tmp_path / "large")}):
        result = put({"dest": "/etc/large", **source})
        if size:
            assert f"Cannot write {jail}/etc/large: what it should hold is larger" in result["msg"]
            assert not (jail / "etc/large").exists()
        else:
            assert (jail / "etc/large").read_text() == text
            assert not put({"dest": "/etc/large", **source})["changed"]
