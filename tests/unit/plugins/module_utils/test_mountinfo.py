# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _mountinfo
from ansible_collections.jaulas.chroot.plugins.module_utils._mountinfo import Mount

SYSTEMD_HOST = r"""22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro
23 22 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:13 - proc proc rw
24 22 0:22 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
25 22 0:5 / /dev rw,nosuid,relatime shared:2 - devtmpfs udev rw,size=982032k,mode=755,inode64
26 25 0:23 / /dev/pts rw,nosuid,noexec shared:3 - devpts devpts rw,gid=5,mode=620,ptmxmode=000
90 22 254:1 /home/ana /srv/jails/trixie/home/ana rw,relatime shared:1 - ext4 /dev/vda1 rw
91 22 0:5 / /srv/jails/trixie/dev rw,nosuid,relatime shared:2 - devtmpfs udev rw,mode=755
"""
CONTAINER = r"""652 601 0:58 / / rw,relatime master:211 - overlay overlay rw,lowerdir=/l/A:/l/B
653 652 0:61 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
654 652 0:62 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
661 652 254:1 /var/lib/c/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda1 rw
"""
ODD = r"""70 22 254:1 /old\040jail/x//deleted /srv/a\040b/x//deleted ro,relatime - ext4 /dev/vda1 rw
71 22 0:50 / /srv/n\134b\043 rw shared:4 master:2 propagate_from:1 - tmpfs tmp\040fs rw
72 22 0:51 / /srv/ñandú rw unbindable - tmpfs tmpfs rw
"""


def points(mounts: list[Mount]) -> list[str]:
    return [mount.point for mount in mounts]


def test_a_systemd_host() -> None:
    mounts = _mountinfo.parse(SYSTEMD_HOST)
    assert len(mounts) == 7
    assert mounts[5] == Mount(
        id=90,
        parent=22,
        device="254:1",
        root="/home/ana",
        point="/srv/jails/trixie/home/ana",
        options=("rw", "relatime"),
        tags=("shared:1",),
        fstype="ext4",
        source="/dev/vda1",
        super_options=("rw",),
    )


def test_a_container() -> None:
    mounts = _mountinfo.parse(CONTAINER)
    assert [mount.fstype for mount in mounts] == ["overlay", "proc", "tmpfs", "ext4"]
    assert mounts[0].super_options[1] == "lowerdir=/l/A:/l/B"
    assert mounts[0].propagation == "slave"


@pytest.mark.parametrize(
    ("index", "point", "propagation"),
    [
        (0, "/srv/a b/x", "private"),
        (1, "/srv/n\\b#", "shared,slave"),
        (2, "/srv/ñandú", "unbindable"),
    ],
)
def test_odd_names(index: int, point: str, propagation: str) -> None:
    mount = _mountinfo.parse(ODD)[index]
    assert (mount.point, mount.propagation) == (point, propagation)


@pytest.mark.parametrize("text", [SYSTEMD_HOST, CONTAINER, ODD, "", "no mount\n"])
def test_points_alone(text: str) -> None:
    assert _mountinfo.points(text) == points(_mountinfo.parse(text))


def test_a_deleted_source_keeps_its_word() -> None:
    assert _mountinfo.parse(ODD)[0].root == "/old jail/x//deleted"


def test_a_blank_in_the_source() -> None:
    assert _mountinfo.parse(ODD)[1].source == "tmp fs"


def test_a_blank_in_the_options_of_a_file_system() -> None:
    line = "9 1 0:5 / /m rw - overlay overlay rw,lowerdir=/i,upperdir=/a\\040b.overlay/upper"
    (mount,) = _mountinfo.parse(line)
    assert mount.super_options == ("rw", "lowerdir=/i", "upperdir=/a b.overlay/upper")


def test_a_name_that_is_no_utf8() -> None:
    raw = b"72 22 0:51 / /srv/caf\xe9 rw - tmpfs tmpfs rw\n"
    (mount,) = _mountinfo.parse(raw.decode("utf-8", "surrogateescape"))
    assert mount.point.encode("utf-8", "surrogateescape") == b"/srv/caf\xe9"


@pytest.mark.parametrize("sign", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_a_name_with_a_line_end_that_is_none(sign: str) -> None:
    """The kernel escapes the newline only; what else Python takes for one is part of the name."""
    (mount,) = _mountinfo.parse(f"72 22 0:51 / /srv/a{sign}b rw - tmpfs tmpfs rw\n")
    assert mount.point == f"/srv/a{sign}b"


def test_an_empty_source() -> None:
    """`mount -t tmpfs '' /x` is shown with nothing between two blanks."""
    (mount,) = _mountinfo.parse("72 22 0:51 / /srv/x rw - tmpfs  rw\n")
    assert (mount.source, mount.super_options) == ("", ("rw",))


@pytest.mark.parametrize("text", ["", "\n", "garbage\n", "1 2 0:1 / / rw\n", "1 2 - tmpfs x rw\n"])
def test_what_is_no_mount_is_passed_over(text: str) -> None:
    assert _mountinfo.parse(text) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [(5, "ext4 /dev/vda1[/home/ana]"), (6, "devtmpfs udev rw")],
)
def test_describe(line: int, said: str) -> None:
    mount = _mountinfo.parse(SYSTEMD_HOST)[line]
    assert said in mount.describe()
    assert mount.describe().startswith(mount.point)


def mount(number: int, parent: int, point: str) -> Mount:
    return Mount(number, parent, "0:1", "/", point, ("rw",), (), "tmpfs", "tmpfs", ("rw",))


@pytest.mark.parametrize(
    ("table", "order"),
    [
        ([mount(2, 1, "/j/a"), mount(3, 2, "/j/a/b"), mount(4, 3, "/j/a/b/c")], [4, 3, 2]),
        ([mount(2, 1, "/j/a"), mount(3, 2, "/j/a"), mount(4, 3, "/j/a")], [4, 3, 2]),
        # /j/a was mounted after /j/a/b on the same parent, and hides it.
        ([mount(2, 1, "/j/a/b"), mount(3, 1, "/j/a")], [3, 2]),
        ([mount(2, 1, "/j/a/b"), mount(3, 1, "/j/a"), mount(4, 3, "/j/a/b")], [4, 3, 2]),
        ([], []),
    ],
    ids=["nested", "stacked", "hidden", "hidden and on top", "empty"],
)
def test_unmount_order(table: list[Mount], order: list[int]) -> None:
    assert [item.id for item in _mountinfo.unmount_order(table)] == order
    assert sorted(i.id for i in _mountinfo.unmount_order(table[::-1])) == sorted(order)


def test_unmount_order_of_a_part_of_the_table() -> None:
    table = _mountinfo.parse(SYSTEMD_HOST)[5:]
    assert sorted(points(_mountinfo.unmount_order(table))) == sorted(points(table))
