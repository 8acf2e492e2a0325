# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An image goes from one host to another, whole and verified, or not at all.

Both hosts are this machine: the second has a store of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import io
import json
import os
import shutil
import socket
import stat
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _engine,
    _images,
    _offer,
    _serve,
)
from ansible_collections.jaulas.chroot.plugins.modules import debootstrap_jail, jail_image
from ansible_collections.jaulas.chroot.tests.unit.plugins.modules.conftest import (
    WHOLE,
    Call,
    Install,
    Result,
    Run,
)

#: Of all that tar could lose: modes, owners, times, links, devices, attributes and odd names.
ODD = """
chmod 4755 "$target/bin/sh"
ln "$target/bin/sh" "$target/bin/hard"
ln -s /etc/passwd "$target/absolute"
ln -s ../../nowhere "$target/etc/relative"
mknod "$target/null" c 1 3
mkfifo "$target/pipe"
mkdir "$target/closed"; chmod 0 "$target/closed"; chown 1234:5678 "$target/closed"
printf x > "$target/a b$(printf '\\n\\377')"
touch -d @1000000000 "$target/etc/old"
python3 -c "import os, sys; os.setxattr(sys.argv[1], 'user.x', b'y')" "$target/etc/old"
"""


@pytest.fixture
def image(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    """Call the module; whatever serves at the end of the test is ended."""
    offered = tmp_path / "offer/offered"
    monkeypatch.setattr(_offer, "OFFERED", str(offered))

    def call(state: str, **options: object) -> Result:
        return run(jail_image, state=state, **options)

    yield call
    if offered.exists():
        _serve.stop(str(offered))


@pytest.fixture
def seed(engine: Install, make: Call, spot: Path, image: Call) -> Callable[..., Result]:
    """A host with a jail and its image, which it offers."""
    engine(script=f"{WHOLE}{ODD}")
    assert make(image_max_age=3600)["changed"]

    def offer(*paths: Path, **options: object) -> Result:
        return image("offered", paths=[str(path) for path in paths or [spot]], **options)

    return offer


@pytest.fixture
def receive(
    image: Call, spot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Become the other host, where the jail lies elsewhere, and receive what was offered."""

    def call(offer: Result, **options: Any) -> Result:
        monkeypatch.setattr(_images, "STORE", str(tmp_path / "other/store"))
        sent = {
            key: options.pop(key) for key in ("name", "file", "sha256", "size") if key in options
        }
        images = [{**item, "path": str(spot.with_name("k")), **sent} for item in offer["images"]]
        if "folder" not in options:
            options = {"from": "127.0.0.1", "port": offer.get("port", 0), **options}
        return image("received", images=images, **options)

    return call


@pytest.fixture
def other(run: Run, spot: Path) -> Call:
    """Make one more jail, beside the first."""

    def call(name: str, **options: object) -> Result:
        chosen = {"suite": "trixie", "engine": "debootstrap", "image_max_age": 3600, **options}
        return run(debootstrap_jail, path=str(spot.with_name(name)), **chosen)

    return call


def kept(tmp_path: Path) -> list[str]:
    """What is in the store of the other host, whole or not."""
    store = tmp_path / "other/store"
    return sorted(os.listdir(store)) if store.exists() else []


def tree(top: Path) -> dict[bytes, tuple[object, ...]]:
    """All that should be the same in a copy, links among its files included."""
    found: dict[bytes, tuple[object, ...]] = {}
    first: dict[int, bytes] = {}
    for folder, folders, files in os.walk(os.fsencode(top)):
        for name in [*folders, *files, b"."]:
            path = os.path.join(folder, name)
            status, inside = os.lstat(path), os.path.relpath(path, os.fsencode(top))
            content: object = None
            if stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(status.st_mode):
                content = Path(os.fsdecode(path)).read_bytes()
            found[inside] = (
                *(status.st_mode, status.st_uid, status.st_gid, status.st_rdev),
                *(status.st_mtime_ns, status.st_nlink, content),
                first.setdefault(status.st_ino, inside) if status.st_nlink > 1 else b"",
                [
                    os.getxattr(path, key, follow_symlinks=False)
                    for key in sorted(os.listxattr(path, follow_symlinks=False))
                ],
            )
    return found


def get(offer: Result, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", offer["port"], timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def refuses(port: int) -> bool:
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 10).close()
        return False
    return True


def nobody_listens() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


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
    assert tree(one / "root") == tree(two / "root")
    here, there = (json.loads((at / "image.json").read_text()) for at in (one, two))
    assert (here["seeded"], there["seeded"]) == (False, True)
    assert here["seal"] != there["seal"]
    assert (two.stat().st_mode & 0o7777, os.listdir(two / "jails")) == (0o700, [])

    again = receive(offer)
    assert not again["changed"]
    assert again["reasons"] == [f"the image {sent['name'][:12]} is here"]
    # The other host has asked the archive just now.
    made = other("k", image_max_age=0)
    assert made["actions"] == [f"make {made['path']} from the image {sent['name'][:12]}"]
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


def test_a_damaged_archive(seed: Call, receive: Call, tmp_path: Path) -> None:
    """Damaged before it was digested."""
    offer = seed()
    (sent,) = offer["images"]
    folder = tmp_path / "carried"
    folder.mkdir()
    raw = Path(sent["file"]).read_bytes()[:-200]
    (folder / os.path.basename(sent["file"])).write_bytes(raw)
    result = receive(offer, folder=str(folder), sha256=hashlib.sha256(raw).hexdigest())
    assert "Cannot unpack an image" in result["msg"]
    assert kept(tmp_path) == []


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
def test_an_archive_that_leads_out(seed: Call, receive: Call, tmp_path: Path, kind: str) -> None:
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
    assert os.listdir(outside) == ["mine"]
    assert (outside / "mine").read_bytes() == text
    if kind in ("slash", "others"):
        # Only what belongs to an image was looked at.
        place = tmp_path / "other/store" / sent["name"]
        assert sorted(os.listdir(place)) == ["image.json", "jails", "root"]
        assert os.listdir(place / "root") == os.listdir(place / "jails") == []
    else:
        assert "Cannot unpack" in result["msg"] or "describes itself" in result["msg"]
        assert kept(tmp_path) == []


@pytest.mark.parametrize("names", [{"name": "../x"}, {"file": "/x/server.json"}], ids=str)
def test_names_that_are_none(seed: Call, receive: Call, tmp_path: Path, names: Any) -> None:
    assert "that is no image" in receive(seed(), **names)["msg"]
    assert kept(tmp_path) == []


def test_an_image_under_the_name_of_another(seed: Call, receive: Call, tmp_path: Path) -> None:
    assert "describes itself as another one" in receive(seed(), name="1" * 64)["msg"]
    assert kept(tmp_path) == []


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


def test_which_jails_are_missing(seed: Call, image: Call, spot: Path) -> None:
    other = str(spot.with_name("k"))
    for check in (True, False):
        result = image("wanted", check=check, paths=[str(spot), other])
        assert (result["changed"], result["wanted"]) == (False, [other])


def test_only_root_may(run: Run, spot: Path) -> None:
    for options in ({"state": "withdrawn"}, {"state": "wanted", "paths": [str(spot)]}):
        assert "as the user 65534" in run(jail_image, uid=65534, **options)["msg"]


def test_options_that_are_needed(image: Call) -> None:
    for state in ("wanted", "offered"):
        assert "paths" in image(state)["msg"]
    assert "images" in image("received")["msg"]
    assert "from, folder" in image("received", images=[])["msg"]
    assert (
        "neither a folder nor a host and its port"
        in image("received", images=[], **{"from": "h"})["msg"]
    )
    assert not image("received", images=[], **{"from": "h", "port": 1})["changed"]
