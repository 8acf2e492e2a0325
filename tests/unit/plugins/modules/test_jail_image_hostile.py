# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What another host could send to harm the one that receives it."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.jaulas.chroot.tests.unit.plugins.modules.between_hosts import (
    kept,
)
from ansible_collections.jaulas.chroot.tests.unit.plugins.modules.conftest import (
    Call,
)


def test_a_damaged_archive(
    seed: Call, receive: Call, other: Call, spot: Path, tmp_path: Path
) -> None:
    """Damaged before it was digested, behind what is read when it comes."""
    offer = seed()
    (sent,) = offer["images"]
    folder = tmp_path / "carried"
    folder.mkdir()
    raw = Path(sent["file"]).read_bytes()[:-200]
    (folder / os.path.basename(sent["file"])).write_bytes(raw)
    assert receive(offer, folder=str(folder), sha256=hashlib.sha256(raw).hexdigest())["changed"]
    result = other("k")
    assert "Cannot unpack an image" in result["msg"]
    assert os.listdir(spot.parent) == ["j"]


def member(name: str, content: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=kind, linkname=target)


def hostile(kind: str, outside: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    """What a seed could pack to write into a folder of the receiver."""
    evil = b"evil"
    up = "/".join([".."] * 20)
    return {
        "dots": [member(f"root/{up}{outside}/x", evil)],
        "slash": [member(f"{outside}/x", evil)],
        "link": [link("root/out", str(outside)), member("root/out/x", evil)],
        "relative link": [link("root/out", f"{up}{outside}"), member("root/out/x", evil)],
        "hard link": [
            link("root/hard", f"{outside}/mine", tarfile.LNKTYPE),
            member("root/hard", evil),
        ],
        "root": [link("root", str(outside)), member("root/x", evil)],
        "description": [link("image.json", f"{outside}/mine")],
        "others": [member("jails/x", evil), member("more", evil)],
    }[kind]


@pytest.mark.parametrize(
    "kind",
    ["dots", "slash", "link", "relative link", "hard link", "root", "description", "others"],
)
def test_an_archive_that_leads_out(
    seed: Call, receive: Call, other: Call, tmp_path: Path, kind: str
) -> None:
    offer = seed(compression="gzip")
    (sent,) = offer["images"]
    outside, folder = tmp_path / "outside", tmp_path / "carried"
    for place in (outside, folder):
        place.mkdir()
    with tarfile.open(sent["file"]) as packed:
        description = packed.extractfile("image.json")
        assert description
        text = description.read()
    (outside / "mine").write_bytes(text)
    members = hostile(kind, outside)
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as made:
        if kind != "description":
            members.append(member("image.json", text))
        if kind != "root":
            members.insert(0, member("root", type=tarfile.DIRTYPE, mode=0o755))
        for info, content in members:
            made.addfile(info, io.BytesIO(content))
    (folder / os.path.basename(sent["file"])).write_bytes(raw.getvalue())
    sha256 = hashlib.sha256(raw.getvalue()).hexdigest()
    result = receive(offer, folder=str(folder), sha256=sha256)
    if kind == "description":
        assert "Cannot unpack" in result["msg"] or "describes itself" in result["msg"]
        assert kept(tmp_path) == []
    else:
        assert sorted(os.listdir(tmp_path / "other/store" / sent["name"])) == [
            *("image.json", "jails", "packed"),
        ]
        result = other("k")
        if kind in ("slash", "others"):
            # Only what belongs to an image was looked at.
            assert os.listdir(tmp_path / "jails/k") == [".jail.json"]
        else:
            assert "Cannot unpack" in result["msg"]
            assert os.listdir(tmp_path / "jails") == ["j"]
    assert os.listdir(outside) == ["mine"]
    assert (outside / "mine").read_bytes() == text


@pytest.mark.parametrize("names", [{"name": "../x"}, {"file": "/x/server.json"}], ids=str)
def test_names_that_are_none(seed: Call, receive: Call, tmp_path: Path, names: Any) -> None:
    assert "that is no image" in receive(seed(), **names)["msg"]
    assert kept(tmp_path) == []


def test_an_image_under_the_name_of_another(seed: Call, receive: Call, tmp_path: Path) -> None:
    assert "describes itself as another one" in receive(seed(), name="1" * 64)["msg"]
    assert kept(tmp_path) == []
