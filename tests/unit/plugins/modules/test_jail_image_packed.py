# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An image that came from another host stays packed, and is all that an image is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _image,
    _images,
    _procs,
)
from ansible_collections.jaulas.chroot.plugins.modules import jail_info
from ansible_collections.jaulas.chroot.tests.unit.plugins.modules.between_hosts import (
    kept,
    nobody_listens,
    system,
    tree,
)
from ansible_collections.jaulas.chroot.tests.unit.plugins.modules.conftest import Call, Run


def test_what_came_packed_and_was_changed(
    seed: Call, receive: Call, other: Call, run: Run, tmp_path: Path
) -> None:
    offer = seed()
    receive(offer)

    def told() -> list[list[bool]]:
        images = run(jail_info, paths=[str(tmp_path / "jails/j")])["images"]
        return [[image[key] for key in ("seeded", "packed", "intact")] for image in images]

    assert told() == [[True, True, True]]
    place = tmp_path / "other/store" / offer["images"][0]["name"]
    (packed,) = (place / "packed").iterdir()
    with open(packed, "ab") as handle:
        handle.write(b"x")
    assert told() == [[True, True, False]]
    assert other("k")["actions"][0].startswith("bootstrap ")
    # What was bootstrapped is an image of this host's own.
    assert sorted(told()) == [[False, False, True], [True, True, False]]


def test_where_files_share_their_blocks(
    seed: Call, receive: Call, other: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = seed()
    kinds = {mount.fstype for mount in _procs.mount_table()}
    monkeypatch.setattr(_images, "_SHARING", tuple(kinds))
    monkeypatch.setattr(_images, "_ON_OTHERS", str(tmp_path / "other/store")[1:])
    got = receive(offer)
    (name,) = (item["name"] for item in offer["images"])
    one, two = (tmp_path / folder / "store" / name for folder in ("images", "other"))
    assert (got["changed"], sorted(os.listdir(two))) == (True, ["image.json", "jails", "root"])
    assert tree(one / "root") == tree(two / "root")
    made = other("k")
    assert made["actions"] == [f"make {made['path']} from a base image"]


def test_what_came_packed_is_offered_again(
    seed: Call, receive: Call, other: Call, image: Call, tmp_path: Path
) -> None:
    offer = seed(compression="gzip")
    first = Path(offer["images"][0]["file"]).read_bytes()
    receive(offer)
    path = other("k")["path"]
    original = system(tmp_path / "images/store" / offer["images"][0]["name"] / "root")
    image("withdrawn")
    for compression, end in (("auto", ".gz"), ("zstd", ".zst")):
        again = image("offered", paths=[path], compression=compression)
        (file,) = (Path(item["file"]) for item in again["images"])
        assert file.name.endswith(end)
        assert (file.read_bytes() == first) == (end == ".gz")
        shutil.rmtree(tmp_path / "other")
        shutil.rmtree(path)
        assert receive(again)["changed"]
        assert system(Path(other("k")["path"])) == original
        image("withdrawn")


def test_a_jail_of_what_another_host_offers(
    seed: Call, receive: Call, other: Call, tmp_path: Path
) -> None:
    offer = seed()
    # Become the other host.
    assert receive(offer, port=nobody_listens())["unreached"]
    given = {"host": "127.0.0.1", "port": offer["port"], "images": offer["images"]}
    (sent,) = given["images"]
    sent["path"] = str(tmp_path / "jails/k")
    original = system(tmp_path / "images/store" / sent["name"] / "root")

    for check in (True, False):
        silent = other("k", image_from={**given, "port": nobody_listens()}, check=check)
        assert (silent["changed"], list(silent["unreached"])) == (False, [sent["name"]])
        nothing = other("l", image_from=given, check=check)
        assert (nothing["changed"], nothing["unreached"]) == (False, {})
        assert nothing["reasons"] == [f"{nothing['path']} has no image that could be received"]
    wrong = {**given, "images": [{**sent, "sha256": "0" * 64}]}
    assert "its SHA-256 is" in other("k", image_from=wrong)["msg"]
    cut = {**given, "images": [{**sent, "size": sent["size"] + 1}]}
    assert (other("k", image_from=cut)["changed"], kept(tmp_path)) == (False, [])
    another = other("k", image_from=given, variant="minbase")
    assert (another["jail"], kept(tmp_path)) == (None, [sent["name"]])
    assert os.listdir(tmp_path / "jails") == ["j"]
    shutil.rmtree(tmp_path / "other")

    foreseen = other("k", image_from=given, check=True, diff=True)
    made = other("k", image_from=given, diff=True)
    assert [made[key] for key in ("changed", "actions", "diff")] == [
        foreseen[key] for key in ("changed", "actions", "diff")
    ]
    assert made["actions"] == [
        f"receive the image {sent['name'][:12]} from 127.0.0.1",
        f"make {made['path']} from the image {sent['name'][:12]}",
    ]
    assert (made["unreached"], made["jail"]["image"]) == ({}, sent["name"])
    assert system(Path(made["path"])) == original
    again = other("k", image_from={**given, "port": nobody_listens()})
    assert (again["changed"], again["reasons"]) == (False, [f"{made['path']} is complete"])
    # One more of its kind needs nobody.
    more = {**given, "port": nobody_listens(), "images": [{**sent, "path": f"{made['path']}2"}]}
    assert other("k2", image_from=more)["jail"]["image"] == sent["name"]


def test_an_overlay_of_what_came_packed(
    seed: Call, receive: Call, other: Call, tmp_path: Path, in_namespace: Callable[..., None]
) -> None:
    offer = seed()
    receive(offer)
    name = offer["images"][0]["name"]
    one, two = (tmp_path / folder / "store" / name for folder in ("images", "other"))

    def deeds() -> None:
        fstab = tmp_path / "fstab"
        made = other("k", storage="overlay", fstab=str(fstab))
        assert made["actions"] == [
            f"unpack the image {name[:12]}",
            f"make {made['path']} as an overlay of a base image, and write {fstab}",
        ]
        assert sorted(os.listdir(two)) == ["image.json", "jails", "root"]
        assert tree(one / "root") == tree(two / "root")
        assert "from a base image" in other("l")["actions"][0]
        assert other("k", state="absent", fstab=str(fstab))["changed"]

    in_namespace(deeds)


def test_a_rebuild_is_bootstrapped(seed: Call, receive: Call, other: Call, tmp_path: Path) -> None:
    """What another host offers is for jails that are not there."""
    offer = seed()
    receive(offer, port=nobody_listens())
    assert other("k", variant="minbase")["changed"]
    (sent,) = offer["images"]
    given = {
        "host": "127.0.0.1",
        "port": offer["port"],
        "images": [{**sent, "path": str(tmp_path / "jails/k")}],
    }
    for check in (True, False):
        rebuilt = other("k", on_drift="rebuild", image_from=given, check=check)
        assert rebuilt["actions"][0].startswith("replace ")
    assert other("k")["changed"] is False


def test_what_is_here_and_old_counts_as_new(seed: Call, receive: Call, tmp_path: Path) -> None:
    """The other host has asked the archive, which this one cannot do perhaps."""
    offer = seed()
    assert receive(offer)["changed"]
    (image,) = _images.listed(str(tmp_path / "other/store"))
    old = image._replace(created=image.created - 7200)
    _image.seal(old)
    packed = os.stat(old.archive)
    assert receive(offer)["actions"] == [
        f"receive the image {offer['images'][0]['name'][:12]} from 127.0.0.1"
    ]
    (new,) = _images.listed(str(tmp_path / "other/store"))
    assert new.created > old.created + 7000
    assert os.stat(new.archive) == packed
    assert _image.is_intact(new)
    assert receive(offer)["changed"] is False
