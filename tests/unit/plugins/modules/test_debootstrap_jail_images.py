# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The second jail is a copy of a base image, if and only if the image may be used."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _files
from ansible_collections.jaulas.chroot.plugins.modules import debootstrap_jail
from ansible_collections.jaulas.chroot.tests.unit.plugins.modules.conftest import (
    WHOLE,
    Call,
    Install,
    Result,
    Run,
)

MACHINE_ID = "0123456789abcdef0123456789abcdef"
Archive = Callable[[str], None]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def archive(tmp_path: Path, engine: Install) -> Iterator[Archive]:
    """An archive with a Release file, and an engine that takes it; a call changes what it says."""
    release = tmp_path / "archive/dists/trixie/InRelease"
    release.parent.mkdir(parents=True)

    class Handler(_Quiet):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(tmp_path / "archive"))  # type: ignore[arg-type]

    def say(word: str) -> None:
        release.write_text(
            f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nSuite: trixie\nLabel: {word}\n"
            "-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n"
        )

    say("first")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        lists = '"$target/var/lib/apt/lists'
        engine(
            script=f"""{WHOLE}
mkdir -p {lists}" "$target/var/log"
cp {release} {lists}/debootstrap.invalid_dists_trixie_InRelease"
echo 'deb http://127.0.0.1:{server.server_port} trixie main' > "$target/etc/apt/sources.list"
echo {MACHINE_ID} > "$target/etc/machine-id"
echo line > "$target/var/log/dpkg.log"; : > "$target/var/log/wtmp"
echo bootstrapped >> {tmp_path}/count
"""
        )
        yield say
        server.shutdown()


@pytest.fixture
def other(run: Run, spot: Path) -> Call:
    """Make one more jail, beside the first."""

    def call(name: str = "k", **options: object) -> Result:
        chosen = {"suite": "trixie", "engine": "debootstrap", **options}
        return run(debootstrap_jail, path=str(spot.parent / name), **chosen)

    return call


def bootstraps(tmp_path: Path) -> int:
    """How often the engine was called."""
    return (tmp_path / "count").read_text().count("\n")


def images(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "images/store").iterdir())


def test_the_second_is_a_copy(
    archive: Archive,
    make: Call,
    other: Call,
    spot: Path,
    tmp_path: Path,
) -> None:
    assert make()["changed"]
    (image,) = images(tmp_path)
    assert (image.stat().st_mode & 0o7777, (image / "root/.jail.json").exists()) == (0o700, False)

    (spot / "mine").write_text("")
    foreseen = other(check=True)
    assert not (spot.parent / "k").exists()
    second = other()
    assert foreseen["actions"] == second["actions"]
    assert second["actions"] == [f"make {spot.parent / 'k'} from a base image"]
    assert second["jail"]["image"] == image.name
    assert bootstraps(tmp_path) == 1
    assert sorted(os.listdir(spot.parent)) == ["j", "k"]

    copy = spot.parent / "k"
    assert not (copy / "mine").exists()
    assert (copy / "var/lib/dpkg/status").read_text() == (spot / "var/lib/dpkg/status").read_text()
    assert (spot / "etc/machine-id").read_text() == f"{MACHINE_ID}\n"
    assert len({(place / "etc/machine-id").read_text() for place in (spot, copy)}) == 2
    assert os.listdir(copy / "var/log") == ["wtmp"]
    assert other()["changed"] is False
    assert not os.path.exists(_files._lock_file(str(image)))


@pytest.mark.parametrize(
    "options",
    [
        {"variant": "minbase"},
        {"include": ["dpkg"]},
        {"components": ["main", "contrib"]},
        {"image": False},
        {"image_keep": 0},
    ],
    ids=str,
)
@pytest.mark.usefixtures("archive")
def test_another_kind_is_bootstrapped(
    make: Call,
    other: Call,
    tmp_path: Path,
    options: dict[str, object],
) -> None:
    make()
    assert other(**options)["actions"][0].startswith("bootstrap ")
    assert bootstraps(tmp_path) == 2


def test_an_archive_that_has_changed(
    archive: Archive, make: Call, other: Call, tmp_path: Path
) -> None:
    make()
    archive("second")
    assert other(check=True)["actions"][0].startswith("bootstrap ")
    assert "from a base image" in other("young", image_max_age=3600)["actions"][0]
    assert other("new")["actions"][0].startswith("bootstrap ")
    assert (bootstraps(tmp_path), len(images(tmp_path))) == (2, 2)
    assert "from a base image" in other("newer")["actions"][0]
    # Who gives no answer has perhaps changed.
    (tmp_path / "archive/dists/trixie/InRelease").unlink()
    assert other("unknown", check=True)["actions"][0].startswith("bootstrap ")
    assert "from a base image" in other("known", image_max_age=3600)["actions"][0]


@pytest.mark.parametrize("what", ["changed", "times", "added", "removed", "description"])
def test_an_image_that_was_tampered_with(
    archive: Archive,
    make: Call,
    other: Call,
    tmp_path: Path,
    what: str,
) -> None:
    make()
    (image,) = images(tmp_path)
    shell = image / "root/bin/sh"
    status = shell.stat()
    if what in ("changed", "times"):
        shell.write_text("evil")
    if what == "times":
        shell.write_text("jail\n")
        os.utime(shell, ns=(status.st_atime_ns, status.st_mtime_ns))
    if what == "added":
        (image / "root/etc/extra").write_text("")
    if what == "removed":
        (image / "root/var/log/wtmp").unlink()
    if what == "description":
        content = json.loads((image / "image.json").read_text())
        content["marker"]["release"]["label"] = "forged"
        (image / "image.json").write_text(json.dumps(content))
    assert other()["actions"][0].startswith("bootstrap ")
    assert bootstraps(tmp_path) == 2
    # The new one has taken its place.
    assert images(tmp_path) == [image]
    assert "from a base image" in other("third")["actions"][0]


@pytest.mark.parametrize("expected", [(1, "bootstrap"), (2, "make")])
def test_check_mode_knows_what_a_list_leaves_for_its_own(
    archive: Archive,
    run: Run,
    tmp_path: Path,
    in_namespace: Callable[..., None],
    expected: tuple[int, str],
) -> None:
    """The first of its kind is bootstrapped, and those after it are made of its image."""
    keep, last = expected
    jails: list[dict[str, object]] = [
        {"path": str(tmp_path / "jails/a")},
        {"path": str(tmp_path / "jails/b"), "image_max_age": 60},
        {"path": str(tmp_path / "jails/c"), "include": ["dpkg"]},
        {"path": str(tmp_path / "jails/d"), "image": False},
        {"path": str(tmp_path / "jails/e"), "storage": "overlay"},
    ]
    common = {"suite": "trixie", "engine": "debootstrap", "fstab": str(tmp_path / "fstab")}
    (tmp_path / "fstab").write_text("")

    def call(check: bool) -> list[str]:
        told = run(debootstrap_jail, jails=jails, image_keep=keep, check=check, **common)
        return [" ".join(item["actions"]).split()[0] for item in told["results"]]

    def deeds() -> None:
        foreseen = call(check=True)
        assert foreseen == ["bootstrap", "make", "bootstrap", "bootstrap", last]
        assert call(check=False) == foreseen

    in_namespace(deeds)


def test_only_so_many_are_kept(archive: Archive, make: Call, other: Call, tmp_path: Path) -> None:
    make(image_keep=2)
    (first,) = images(tmp_path)
    other("b", variant="minbase", image_keep=2)
    other("c", image_keep=2)
    # The first was used after the second, which goes.
    (second,) = set(images(tmp_path)) - {first}
    result = other("d", variant="buildd", image_keep=2)
    assert result["actions"][1:] == [f"drop the image {second.name[:12]}"]
    assert first in images(tmp_path)
    assert second not in images(tmp_path)


def test_a_half_written_image_is_none(
    archive: Archive, make: Call, other: Call, tmp_path: Path
) -> None:
    make()
    (image,) = images(tmp_path)
    partial = image.with_name(f"{image.name}.partial-01234567")
    partial.mkdir()
    (partial / ".jail-partial").write_text("{}")
    image.rename(partial / "image")
    assert other()["actions"][0].startswith("bootstrap ")
    assert bootstraps(tmp_path) == 2
    # What was left of the first is cleared by whoever makes the same again.
    assert images(tmp_path) == [image]


def test_a_store_that_others_can_write_to(archive: Archive, make: Call, tmp_path: Path) -> None:
    (tmp_path / "images/store").mkdir(parents=True)
    (tmp_path / "images").chmod(0o777)
    result = make()
    assert result["changed"]
    (warning,) = result["warnings"]
    assert "not a folder of root's alone" in str(warning)
    assert os.listdir(tmp_path / "images/store") == []
