# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What serves images gives nothing else away, and ends."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _engine,
)
from ansible_collections.jaulas.chroot.tests.unit.plugins.modules.between_hosts import (
    get,
    kept,
    nobody_listens,
    refuses,
)
from ansible_collections.jaulas.chroot.tests.unit.plugins.modules.conftest import (
    Call,
    Run,
)


def test_only_what_is_packed_is_served(seed: Call, tmp_path: Path) -> None:
    offer = seed()
    (sent,) = offer["images"]
    assert get(offer, sent["url_path"]) == (200, Path(sent["file"]).read_bytes())
    _slash, token, name = sent["url_path"].split("/")
    assert len(bytes.fromhex(token)) == 16
    for path in (
        "/",
        f"/{name}",
        f"/{'0' * 32}/{name}",
        f"/{token}/",
        f"/{token}/server.json",
        f"/{token}/../{token}/server.json",
        f"/{token}//etc/passwd",
    ):
        assert get(offer, path)[0] == 404


def test_what_serves_has_nothing_else(seed: Call, tmp_path: Path) -> None:
    offer = seed()
    pid = json.loads((tmp_path / "offer/offered/server.json").read_text())["pid"]
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    assert set(f"{status['Uid']}\t{status['Gid']}".split()) == {"65534"}
    assert status["Groups"].strip() == ""
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    assert os.readlink(f"/proc/{pid}/root") == str(tmp_path / "offer/offered")
    opened = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    files = {os.devnull, offer["images"][0]["file"], str(tmp_path / "offer/offered/server.json")}
    assert {name for name in opened if not name.startswith("socket:")} == files
    assert os.getsid(pid) == pid
    for name in ("offered", "offered/server.json"):
        assert (tmp_path / "offer" / name).stat().st_mode & 0o077 == 0


def test_it_ends_when_it_is_withdrawn(seed: Call, image: Call, tmp_path: Path) -> None:
    offer = seed()
    assert not refuses(offer["port"])
    foreseen = image("withdrawn", check=True)
    assert not refuses(offer["port"])
    done = image("withdrawn")
    assert refuses(offer["port"])
    assert done["actions"] == foreseen["actions"] == ["withdraw the packed images"]
    assert os.listdir(tmp_path / "offer") == []
    for check in (True, False):
        assert not image("withdrawn", check=check)["changed"]


def test_it_ends_when_nobody_asks(seed: Call, image: Call, tmp_path: Path) -> None:
    offer = seed(timeout=1)
    with open(tmp_path / "offer/offered/server.json", "rb") as handle:
        # Held for as long as it lives.
        fcntl.flock(handle, fcntl.LOCK_EX)
    assert refuses(offer["port"])
    once_more = seed()
    assert once_more["actions"] == ["serve the packed images"]
    assert get(once_more, once_more["images"][0]["url_path"])[0] == 200


def test_what_is_packed_is_not_packed_again(seed: Call, other: Call, spot: Path) -> None:
    first = seed()
    file = Path(first["images"][0]["file"])
    inode = file.stat().st_ino
    again = seed()
    assert (again["changed"], again["images"], again["port"]) == (
        *(False, first["images"], first["port"]),
    )
    other("l", variant="minbase")
    both = seed(spot, spot.with_name("l"))
    assert [word.split()[0] for word in both["actions"]] == ["pack", "serve"]
    assert [item["path"] for item in both["images"]] == [str(spot), str(spot.with_name("l"))]
    assert file.stat().st_ino == inode
    for item in both["images"]:
        assert get(both, item["url_path"])[0] == 200
    assert first["port"] == both["port"] or refuses(first["port"])


def test_a_port_of_ones_own(seed: Call) -> None:
    port = nobody_listens()
    assert seed(port=port)["port"] == port
    assert not seed(port=port)["changed"]
    assert not seed()["changed"]


@pytest.mark.parametrize("port", ["taken", 99999])
def test_a_port_that_cannot_be_had(seed: Call, port: Any) -> None:
    with socket.create_server(("", 0)) as taken:
        wanted = taken.getsockname()[1] if port == "taken" else port
        assert f"Cannot serve images on port {wanted}" in seed(port=wanted)["msg"]


def test_what_is_not_offered(seed: Call, make: Call, run: Run, spot: Path, tmp_path: Path) -> None:
    nothing = seed(spot.with_name("nowhere"))
    assert (nothing["changed"], nothing["images"]) == (False, [])
    assert nothing["reasons"] == [
        f"{spot.with_name('nowhere')} has no image that is fresh and as it was made"
    ]
    # Too old, and there is no mirror that could tell more.
    assert seed(image_max_age=0)["images"] == []
    (one,) = (tmp_path / "images/store").iterdir()
    (one / "root/new").write_text("")
    assert seed()["images"] == []
    assert not (tmp_path / "offer").exists()


def test_without_what_compresses(
    seed: Call, receive: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = seed(compression="zstd")
    programs = tmp_path / "few"
    programs.mkdir()
    for name in ("tar", "gzip"):
        (programs / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setitem(_engine.ENV, "PATH", str(programs))
    result = receive(offer)
    assert "zstd is not installed" in result["msg"]
    assert "compression: gzip" in result["msg"]
    assert kept(tmp_path) == []


def test_the_fastest_that_there_is(
    seed: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "few"
    programs.mkdir()
    for name in ("tar", "gzip"):
        (programs / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setitem(_engine.ENV, "PATH", str(programs))
    assert seed()["images"][0]["file"].endswith(".tar.gz")
    (programs / "zstd").symlink_to(str(shutil.which("zstd")))
    assert seed()["images"][0]["file"].endswith(".tar.zst")
