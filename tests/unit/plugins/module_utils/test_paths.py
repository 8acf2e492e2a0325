# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _paths
from ansible_collections.jaulas.chroot.plugins.module_utils._glob import glob
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import Root, around, is_inside


@pytest.mark.parametrize(
    ("path", "root", "inside"),
    [
        ("/srv/a/b", "/srv/a", True),
        ("/srv/ab", "/srv/a", False),
        ("/srv/a", "/srv/a", False),
        ("/srv/a/", "/srv/a", False),
        ("/srv", "/srv/a", False),
        ("/srv//a/./b", "/srv/a/", True),
        ("/x", "/", True),
        ("/", "/", False),
    ],
)
def test_is_inside(path: str, root: str, inside: bool) -> None:
    assert is_inside(path, root) is inside


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/srv/a/b/c", ["/srv/a/b", "/srv/a", "/"]),
        ("/srv/a", ["/srv/a", "/"]),
        ("/srv/ab", ["/"]),
        ("/", ["/"]),
        ("pipe:[4026]", []),
        ("", []),
    ],
)
def test_around(path: str, found: list[str]) -> None:
    assert list(around(path, {"/srv/a", "/srv/a/b", "/", "/x"})) == found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A jail beside a secret of the host, with every kind of link."""
    (tmp_path / "secret").write_text("host")
    jail = tmp_path / "jail"
    (jail / "usr/bin").mkdir(parents=True)
    (jail / "usr/bin/sh").write_text("sh")
    (jail / "etc").mkdir()
    (jail / "etc/passwd").write_text("jail")
    (jail / "secret").write_text("own")
    for name, target in {
        "bin": "usr/bin",
        "sbin": "/usr/bin",
        "up": "../../../../etc",
        "out": "../secret",
        "abs": str(tmp_path / "secret"),
        "loop": "loop",
        "ping": "pong",
        "pong": "ping",
        "dangling": "nowhere",
        "etc/up": "..",
        "usr/deep": "../../../usr/../bin/../../etc/passwd",
        "file": "etc/passwd",
        "empty.d": "usr",
    }.items():
        (jail / name).symlink_to(target)
    return jail


@pytest.fixture
def root(tree: Path) -> Iterator[Root]:
    with Root(str(tree)) as opened:
        yield opened


@pytest.mark.parametrize(
    ("path", "true"),
    [
        ("/", "/"),
        ("", "/"),
        ("..", "/"),
        ("/bin/sh", "/usr/bin/sh"),
        ("sbin/sh", "/usr/bin/sh"),
        ("/up/passwd", "/etc/passwd"),
        ("/out", "/secret"),
        ("/" + "../" * 500 + "secret", "/secret"),
        ("/etc/up/etc/up/secret", "/secret"),
        ("/usr/deep", "/etc/passwd"),
        ("//etc/./passwd", "/etc/passwd"),
        ("/bin/../../etc", "/etc"),
    ],
)
def test_locate(root: Root, path: str, true: str) -> None:
    place = root.locate(path)
    assert place.path == true
    assert os.path.samestat(place.status, os.lstat(root.host_path(true)))


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/loop", errno.ELOOP),
        ("/ping/x", errno.ELOOP),
        ("/dangling", errno.ENOENT),
        ("/abs", errno.ENOENT),
        ("/etc/passwd/x", errno.ENOTDIR),
        ("/file/..", errno.ENOTDIR),
        ("/etc/passwd/..", errno.ENOTDIR),
        ("/nowhere/..", errno.ENOENT),
        ("/" + "x" * 300, errno.ENAMETOOLONG),
    ],
)
def test_locate_fails_as_open_does(root: Root, path: str, code: int) -> None:
    with pytest.raises(OSError, match=os.strerror(code)) as caught:
        root.locate(path)
    assert (caught.value.errno, caught.value.filename) == (code, path)


def test_the_last_link_can_be_looked_at(root: Root) -> None:
    place = root.locate("/bin", follow=False)
    assert (place.path, os.readlink("", dir_fd=place.fd)) == ("/bin", "usr/bin")


def test_a_chain_of_links_has_an_end(root: Root, tree: Path) -> None:
    (tree / "n0").symlink_to("secret")
    for number in range(1, 60):
        (tree / f"n{number}").symlink_to(f"n{number - 1}")
    assert root.locate(f"/n{_paths.MAX_LINKS - 1}").path == "/secret"
    with pytest.raises(OSError, match="symbolic links"):
        root.locate(f"/n{_paths.MAX_LINKS}")


@pytest.mark.parametrize("path", ["/dangling", "/loop", "/nowhere/x", "/etc/passwd/x"])
def test_find_nothing(root: Root, path: str) -> None:
    assert root.find(path) is None


def test_a_link_swapped_in_for_a_folder_is_not_followed(tree: Path) -> None:
    """While somebody swaps a folder and a link out of the jail, only two answers are right."""
    host = tree.parent
    (tree / "d/in").mkdir(parents=True)
    (host / "in").mkdir()
    (tree / "trap").symlink_to(host)
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            os.rename(tree / "d", tree / "aside")
            os.rename(tree / "trap", tree / "d")
            os.rename(tree / "d", tree / "trap")
            os.rename(tree / "aside", tree / "d")

    swapper = threading.Thread(target=swap)
    swapper.start()
    wrong = os.stat(host / "in")
    try:
        for _round in range(400):
            with Root(str(tree)) as root:
                place = root.find("/d/in")
                assert place is None or not os.path.samestat(place.status, wrong)
    finally:
        done.set()
        swapper.join()


def test_parent(root: Root) -> None:
    folder, name = root.parent("/sbin/sh")
    assert (folder.path, name) == ("/usr/bin", "sh")


@pytest.mark.parametrize("path", ["/", "", "/etc/.."])
def test_no_parent(root: Root, path: str) -> None:
    with pytest.raises(OSError, match="no last name"):
        root.parent(path)


def test_read(root: Root) -> None:
    assert root.read("/up/passwd", 99) == b"jail"
    assert root.read("/out", 2) == b"ow"


def test_read_does_not_block_on_a_pipe(root: Root, tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        root.read("/pipe", 9)


def test_read_takes_no_socket_and_no_folder(root: Root, tree: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        folder = os.open(tree, os.O_RDONLY)
        # A relative name: the path of a socket may have 108 bytes only.
        server.bind(f"/proc/self/fd/{folder}/socket")
        os.close(folder)
    for name in ("/socket", "/etc"):
        with pytest.raises(OSError, match="not a regular file"):
            root.read(name, 9)


def test_a_magic_link_leads_nowhere_else(tree: Path) -> None:
    """Below /proc the kernel would jump; here a link is only its text."""
    (tree / "fd").symlink_to("/proc/self/root/etc/passwd")
    with Root(str(tree)) as root:
        assert root.find("/fd") is None


def test_a_magic_link_of_proc_is_text(tmp_path: Path) -> None:
    with Root("/proc/self") as root:
        folder = os.open(tmp_path, os.O_RDONLY)
        place = root.find(f"/fd/{folder}")
        os.close(folder)
        assert place is None


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("/etc/*", ["/etc/passwd", "/etc/up"]),
        ("/*/passwd", ["/etc/passwd", "/up/passwd"]),
        ("/usr/b?n/s[gh]", ["/usr/bin/sh"]),
        ("/dang*", ["/dangling"]),
        ("/dangling/*", []),
        ("/etc/passwd/*", []),
        ("/etc/passwd", ["/etc/passwd"]),
        ("/nowhere", []),
        ("/lo*/x", []),
        ("/.*", ["/.hidden"]),
        ("/h*", []),
        ("/", ["/"]),
    ],
)
def test_glob(root: Root, tree: Path, pattern: str, found: list[str]) -> None:
    (tree / ".hidden").write_text("")
    assert glob(root, pattern) == found


def test_glob_stays_inside(root: Root) -> None:
    assert glob(root, "/../../*/secret") == []
    assert glob(root, "/up/*") == ["/up/passwd", "/up/up"]


def test_no_descriptor_is_left_open(tree: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with Root(str(tree)) as root:
        for path in ("/usr/deep", "/ping", "/dangling", "/abs", "/etc/passwd/x", "/sbin/sh"):
            root.find(path)
        glob(root, "/*/*")
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("root_path", "inside", "said"),
    [("/", "/etc", "/etc"), ("/tmp", "/", "/tmp"), ("/tmp", "/a", "/tmp/a")],
)
def test_host_path(root_path: str, inside: str, said: str) -> None:
    with Root(root_path) as root:
        assert root.host_path(inside) == said


def test_mount_id_tells_mounts_apart() -> None:
    fds = [os.open(path, os.O_PATH) for path in ("/proc", "/", "/etc")]
    numbers = [_paths.mount_id(fd) for fd in fds]
    for fd in fds:
        os.close(fd)
    assert numbers[0] != numbers[1]


def test_a_link_that_is_too_long_leads_nowhere(tree: Path) -> None:
    (tree / "long").symlink_to("x" * 300)
    with Root(str(tree)) as root:
        assert root.find("/long/x") is None


def test_looking_keeps_nothing_open(tree: Path) -> None:
    """Of a pattern there may be more matches than files that may be open."""
    for number in range(50):
        (tree / f"many-{number}").write_text("")
    with Root(str(tree)) as root:
        before = len(os.listdir("/proc/self/fd"))
        assert len(glob(root, "/many-*")) == 50
        assert len(os.listdir("/proc/self/fd")) < before + 5
