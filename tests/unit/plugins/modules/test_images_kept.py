# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images that jails need are kept, those that nobody needs go, and none keeps a secret."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _build,
    _files,
    _image,
    _images,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import Refused
from ansible_collections.jaulas.chroot.plugins.modules import debootstrap_jail, jail_info
from ansible_collections.jaulas.chroot.tests.unit.plugins.modules.conftest import (
    WHOLE,
    Call,
    Install,
    Run,
)

KEY = "etc/ssh/ssh_host_rsa_key"
IDS = ("0123456789abcdef0123456789abcdef\n", f"{'0' * 32}\n")


@pytest.fixture
def image(engine: Install, make: Call, tmp_path: Path) -> _image.Image:
    """The image of the first jail."""
    engine(
        script=f'{WHOLE}mkdir "$target/etc/ssh"; echo secret > "$target/{KEY}"\n'
        f'printf %s "{IDS[0]}" > "$target/etc/machine-id"\n'
    )
    assert make(image_max_age=3600)["changed"]
    (found,) = _images.listed(str(tmp_path / "images/store"))
    return found


def redescribe(image: _image.Image, **changes: object) -> _image.Image:
    """Let an image say something else of itself, as if it had been made so."""
    other = image._replace(**changes)
    _image.seal(other)
    return other


def test_what_is_kept_holds_no_secret(image: _image.Image, spot: Path) -> None:
    for tree, key, machine in (
        (spot, "secret\n", IDS[0]),
        (Path(image.root), "", IDS[1]),
    ):
        assert (tree / KEY).read_text() == key
        assert (tree / "etc/machine-id").read_text() == machine


def test_one_that_has_come_to_be_needed_is_not_dropped(image: _image.Image) -> None:
    drop = _images.DropImage(image)
    # The disk with this jail is not there just now.
    _images.note(image, "/srv/elsewhere/j")
    assert image.jails() == ["/srv/elsewhere/j"]
    assert _images.drops(os.path.dirname(image.path), None, 0) == []
    drop.apply()
    assert _image.is_intact(image)
    _images.forget(image.path, "/srv/elsewhere/j")
    drop.apply()
    assert not os.path.exists(image.path)


def test_one_that_was_made_anew_is_not_dropped(image: _image.Image) -> None:
    """The plan was to drop the one that had this name before."""
    drop = _images.DropImage(image)
    redescribe(image, created=image.created + 1)
    drop.apply()
    assert os.path.exists(image.root)


def test_one_that_is_needed_and_says_nothing_is_not_replaced(
    image: _image.Image, spot: Path
) -> None:
    said = {"http://127.0.0.1:1/dists/trixie": "0" * 64}
    keeping = _build.Keeping(os.path.dirname(image.path), image.inputs, 0)
    kept = _build.keep_image(keeping, image.marker, said, str(spot))
    _images.note(kept, "/srv/j")
    Path(kept.path, "image.json").write_text("{}")
    assert _images.noted(os.path.dirname(image.path), "/srv/j") == [kept.path]
    with pytest.raises(Refused, match="overlays are made of it"):
        _build.keep_image(keeping, image.marker, said, str(spot))
    assert kept.jails() == ["/srv/j"]


def test_halves_of_any_image_are_cleared(image: _image.Image, run: Run, spot: Path) -> None:
    store = Path(image.path).parent
    halves = [store / f"{letter * 64}.partial-01234567" for letter in "ab"]
    for half in halves:
        half.mkdir()
        (half / ".jail-partial").write_text("{}")
    args = {"path": str(spot.parent / "k"), "suite": "trixie", "engine": "debootstrap"}
    redescribe(image, created=image.created - 1000)
    with _files.lock(str(store / ("a" * 64)), "being made"):
        assert run(debootstrap_jail, **args, image_max_age=60)["changed"]
        assert [half.exists() for half in halves] == [True, False]


def test_the_same_made_once_more_stays(image: _image.Image, spot: Path) -> None:
    """As when two runs have made it at once, and an overlay is on the first already."""
    keeping = _build.Keeping(os.path.dirname(image.path), image.inputs, 0)
    said = {"http://127.0.0.1:1/dists/trixie": "0" * 64}
    first = _build.keep_image(keeping, image.marker, said, str(spot))
    redescribe(first, created=first.created - 1000)
    _images.note(first, "/srv/j")
    inode = os.stat(first.root).st_ino
    again = _build.keep_image(keeping, image.marker, said, str(spot))
    assert (again.path, os.stat(again.root).st_ino) == (first.path, inode)
    found = _image.read(first.path)
    assert found
    assert found.created >= first.created
    assert _image.is_intact(found)


def test_one_from_the_future_is_not_young(image: _image.Image, run: Run, spot: Path) -> None:
    args = {"path": str(spot.parent / "k"), "suite": "trixie", "engine": "debootstrap"}
    assert (
        "from a base image"
        in run(debootstrap_jail, **args, image_max_age=60, check=True)["actions"][0]
    )
    redescribe(image, created=int(time.time()) + 1000)
    said = run(debootstrap_jail, **args, image_max_age=60, check=True)
    assert said["actions"][0].startswith("bootstrap ")


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": {}},
        {"created": "1" * 400},
        {"releases": {"file:///etc": "0" * 64}},
    ],
    ids=str,
)
def test_odd_descriptions_harm_nobody(
    image: _image.Image, run: Run, spot: Path, change: dict[str, object]
) -> None:
    content = json.loads(Path(image.path, "image.json").read_text())
    Path(image.path, "image.json").write_text(json.dumps({**content, **change}))
    args = {"path": str(spot.parent / "k"), "suite": "trixie", "engine": "debootstrap"}
    assert run(debootstrap_jail, **args, check=True)["actions"][0].startswith("bootstrap ")
    assert "failed" not in run(jail_info, paths=[str(spot)])
