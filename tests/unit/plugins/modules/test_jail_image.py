# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An image goes from one host to another, whole and verified, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import threading
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.modules import jail_image
from ansible_collections.jaulas.chroot.tests.unit.plugins.modules.between_hosts import (
    kept,
    nobody_listens,
    system,
)
from ansible_collections.jaulas.chroot.tests.unit.plugins.modules.conftest import (
    Call,
    Run,
)


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_from_host_to_host(
    seed: Call, receive: Call, other: Call, tmp_path: Path, compression: str
) -> None:
    foreseen = seed(check=True, compression=compression)
    assert foreseen["changed"]
    assert not (tmp_path / "offer").exists()
    offer = seed(compression=compression)
    assert offer["actions"] == foreseen["actions"]
    (sent,) = offer["images"]
    assert foreseen["images"] == [{key: sent[key] for key in ("path", "name")}]
    assert sent["sha256"] == hashlib.sha256(Path(sent["file"]).read_bytes()).hexdigest()

    foreseen = receive(offer, check=True, diff=True)
    assert kept(tmp_path) == []
    got = receive(offer, diff=True)
    told = ("changed", "actions", "diff")
    assert [got[key] for key in told] == [foreseen[key] for key in told]
    assert got["actions"] == [f"receive the image {sent['name'][:12]} from 127.0.0.1"]
    assert got["unreached"] == {}
    assert kept(tmp_path) == [sent["name"]]
    one, two = (tmp_path / name / "store" / sent["name"] for name in ("images", "other"))
    (packed,) = (two / "packed").iterdir()
    assert packed.read_bytes() == Path(sent["file"]).read_bytes()
    assert sorted(os.listdir(two)) == ["image.json", "jails", "packed"]
    here, there = (json.loads((at / "image.json").read_text()) for at in (one, two))
    assert (here["seeded"], there["seeded"]) == (False, True)
    assert here["seal"] != there["seal"]
    assert (two.stat().st_mode & 0o7777, os.listdir(two / "jails")) == (0o700, [])

    again = receive(offer)
    assert not again["changed"]
    assert again["reasons"] == [f"the image {sent['name'][:12]} is here"]
    # The other host has asked the archive just now.
    made = other("k", image_max_age=0)
    assert made["actions"] == [f"make {made['path']} from a base image"]
    assert system(Path(made["path"])) == system(one / "root")
    # Nobody is asked then.
    late = receive({**offer, "port": nobody_listens()})
    assert (late["reasons"], late["unreached"]) == ([f"{made['path']} is complete"], {})


def test_by_way_of_a_folder(seed: Call, receive: Call, tmp_path: Path) -> None:
    offer = seed()
    folder = tmp_path / "carried"
    folder.mkdir()
    nothing = receive(offer, folder=str(folder))
    assert (nothing["changed"], list(nothing["unreached"])) == (False, [offer["images"][0]["name"]])
    shutil.copy(offer["images"][0]["file"], folder)
    got = receive(offer, folder=str(folder))
    assert (got["changed"], got["unreached"]) == (True, {})
    assert kept(tmp_path) == [offer["images"][0]["name"]]
    assert len(os.listdir(folder)) == 1


def test_another_digest(seed: Call, receive: Call, tmp_path: Path) -> None:
    offer = seed()
    for way in ({}, {"folder": str(tmp_path / "offer/offered")}):
        result = receive(offer, sha256="0" * 64, **way)
        assert "its SHA-256 is" in result["msg"]
        assert kept(tmp_path) == []


def test_what_comes_is_cut_off(seed: Call, receive: Call, tmp_path: Path) -> None:
    offer = seed()
    more = receive(offer, size=offer["images"][0]["size"] + 1)
    assert not more["changed"]
    assert "1 of" in more["unreached"][offer["images"][0]["name"]]
    # Somebody who sends without end is not listened to.
    assert "its SHA-256 is" in receive(offer, size=10)["msg"]
    assert kept(tmp_path) == []


def answering(answer: bytes) -> int:
    """A server that says one thing to the second who comes: the first only looks."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener:
            listener.accept()[0].close()
            with listener.accept()[0] as one:
                one.recv(1 << 16)
                one.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "without response"),
        (b"HTTP/1.0 404 Gone away\r\n\r\n", "404 Gone away"),
        (b"HTTP/1.0 200 OK\r\n\r\nabc", "did not come"),
        (b"nonsense\r\n\r\n", "nonsense"),
    ],
    ids=str,
)
def test_a_seed_that_ends_meanwhile(
    seed: Call, receive: Call, tmp_path: Path, answer: bytes, said: str
) -> None:
    offer = seed()
    result = receive(offer, port=answering(answer))
    assert not result["changed"]
    assert said in result["unreached"][offer["images"][0]["name"]]
    assert kept(tmp_path) == []


def test_a_seed_that_cannot_be_reached(seed: Call, receive: Call, tmp_path: Path) -> None:
    offer = seed()
    for options in (
        {"port": nobody_listens()},
        {"port": 99999},
        {"from": "nowhere.invalid"},
        {"from": "a" * 300},
    ):
        for check in (True, False):
            result = receive(offer, check=check, **options)
            assert not result["changed"]
            assert list(result["unreached"]) == [offer["images"][0]["name"]]
    assert kept(tmp_path) == []


def test_only_root_may(run: Run, spot: Path) -> None:
    for options in ({"state": "withdrawn"}, {"state": "offered", "paths": [str(spot)]}):
        assert "as the user 65534" in run(jail_image, uid=65534, **options)["msg"]


def test_options_that_are_needed(image: Call) -> None:
    assert "paths" in image("offered")["msg"]
    assert "images" in image("received")["msg"]
    assert "from, folder" in image("received", images=[])["msg"]
    assert (
        "neither a folder nor a host and its port"
        in image("received", images=[], **{"from": "h"})["msg"]
    )
    assert not image("received", images=[], **{"from": "h", "port": 1})["changed"]
