# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _fstab
from ansible_collections.jaulas.chroot.plugins.module_utils._fstab import MARK, Entry, Line

HAND_MADE = (
    "# /etc/fstab: static file system information.\n"
    "#\n"
    "UUID=3255683f-53a2-4fdf-91cf-b4c1041e2a62 /\t\text4\terrors=remount-ro 0 1\n"
    "\n"
    "   # indented comment\n"
    "/dev/sr0        /media/cdrom0   udf,iso9660 user,noauto     0       0\n"
    "tmpfs /tmp tmpfs\n"
    "//nas/share\\040one /mnt/nas\\040one cifs credentials=/etc/nas#1 0\n"
    "/home /srv/ñ/home none bind\n"
    "broken line\n"
)
PROC = Entry("/proc", "/srv/j/proc", "none", ("bind", "private", "nofail", MARK))
DEV = Entry("/dev", "/srv/j/dev", "none", ("bind", "private", "nofail", MARK))


def ours(entry: Entry) -> bool:
    return entry.point.startswith("/srv/j/")


def entries(text: str) -> list[Entry]:
    return [line.entry for line in _fstab.parse(text) if line.entry]


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("tmpfs /tmp tmpfs", Entry("tmpfs", "/tmp", "tmpfs", ("defaults",))),
        ("/a /b none bind", Entry("/a", "/b", "none", ("bind",))),
        ("/a /b none bind 1", Entry("/a", "/b", "none", ("bind",), 1)),
        ("\t/a\t /b  none bind,ro 1 2", Entry("/a", "/b", "none", ("bind", "ro"), 1, 2)),
        ("/a /b none bind x y", Entry("/a", "/b", "none", ("bind",), 0, 0)),
        (r"/a\040b /c\043 none bind", Entry("/a b", "/c#", "none", ("bind",))),
        (r"/a /b none bind,x=a\040b", Entry("/a", "/b", "none", ("bind", "x=a b"))),
        ("/ñ /ü none bind", Entry("/ñ", "/ü", "none", ("bind",))),
        ("/a#1 /b none bind", Entry("/a#1", "/b", "none", ("bind",))),
    ],
)
def test_parse_an_entry(line: str, entry: Entry) -> None:
    assert _fstab.parse(line) == [Line(line, entry)]


@pytest.mark.parametrize("line", ["", "   ", "# /a /b none bind", "\t#x y z", "/a /b"])
def test_what_is_no_entry(line: str) -> None:
    assert [item.entry for item in _fstab.parse(f"{line}\n")] == [None]


def test_a_superscript_is_no_number() -> None:
    (line,) = _fstab.parse("/a /b none bind ² ³")
    assert line.entry is not None
    assert (line.entry.freq, line.entry.passno) == (0, 0)


def test_untouched_lines_stay_to_the_letter() -> None:
    assert _fstab.render(_fstab.parse(HAND_MADE)) == HAND_MADE


def test_a_missing_newline_at_the_end_is_mended() -> None:
    assert _fstab.render(_fstab.parse("/a /b none bind")) == "/a /b none bind\n"


@pytest.mark.parametrize("sign", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_only_a_newline_ends_a_line(sign: str) -> None:
    """Otherwise a comment with such a sign in it would come back as a live line."""
    text = f"# off:{sign}/a /b none bind\n"
    assert entries(text) == []
    assert _fstab.render(_fstab.parse(text)) == text


def test_carriage_returns_stay_on_foreign_lines() -> None:
    text = "# windows\r\n/a /b none bind 0 0\r\n"
    new = _fstab.render(_fstab.replace(_fstab.parse(text), ours, [PROC]))
    assert new.startswith(text)


@pytest.mark.parametrize(
    "entry",
    [
        PROC,
        Entry("/a b", "/c\td", "none", ("bind", "x=1 2"), 1, 2),
        Entry("/a#b", "/c\\d\\040", "none", ("bind",)),
        Entry("/\udcff", "/ñ", "none", ("bind",)),
    ],
)
def test_an_entry_comes_back(entry: Entry) -> None:
    assert entries(entry.render()) == [entry]


def test_replace_appends_where_nothing_is_ours() -> None:
    lines = _fstab.replace(_fstab.parse(HAND_MADE), ours, [PROC, DEV])
    assert _fstab.render(lines) == HAND_MADE + f"{PROC.render()}\n{DEV.render()}\n"


def test_replace_twice_changes_nothing() -> None:
    once = _fstab.replace(_fstab.parse(HAND_MADE), ours, [PROC, DEV])
    text = _fstab.render(once)
    again = _fstab.replace(_fstab.parse(text), ours, [PROC, DEV])
    assert _fstab.render(again) == text


def test_replace_keeps_the_place_and_the_neighbours() -> None:
    before = f"# one\n{DEV.render()}\n# two\n/srv/x /srv/j/old none bind\n/home /h none bind\n"
    after = _fstab.render(_fstab.replace(_fstab.parse(before), ours, [PROC, DEV]))
    assert after == f"# one\n{PROC.render()}\n{DEV.render()}\n# two\n/home /h none bind\n"


def test_replace_by_nothing() -> None:
    text = f"{HAND_MADE}{PROC.render()}\n"
    assert _fstab.render(_fstab.replace(_fstab.parse(text), ours, [])) == HAND_MADE


@pytest.mark.parametrize("doubled", [[PROC, PROC], [DEV, PROC]], ids=["twice", "out of order"])
def test_replace_mends(doubled: list[Entry]) -> None:
    text = "".join(f"{entry.render()}\n" for entry in doubled)
    lines = _fstab.replace(_fstab.parse(text), ours, [PROC, DEV])
    assert [line.entry for line in lines] == [PROC, DEV]


def test_a_line_spelled_otherwise_but_meaning_the_same_is_left() -> None:
    text = "/proc\t/srv/j/proc\tnone\tbind,private,nofail,x-jaulas.chroot\n"
    assert _fstab.render(_fstab.replace(_fstab.parse(text), ours, [PROC])) == text


def test_whose_line_it_is() -> None:
    assert PROC.is_ours
    assert not Entry("/a", "/b", "none", ("bind", f"{MARK}.other")).is_ours
