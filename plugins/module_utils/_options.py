# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mount options: the words of mount(8) sorted into what mount(2) takes. Pure."""

from __future__ import annotations

import os

from ansible_collections.jaulas.chroot.plugins.module_utils._record import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from collections.abc import Iterable


#: Flags that belong to one mount (not to its file system) and that mountinfo shows.
FLAGS: dict[str, int] = {
    "ro": 1,
    "nosuid": 2,
    "nodev": 4,
    "noexec": 8,
    "nosymfollow": 256,
    "noatime": 1024,
    "nodiratime": 2048,
    "relatime": 1 << 21,
}
#: What a mount may not do. Only these are compared; access times are the kernel's business.
RESTRICTIONS = frozenset(("ro", "nosuid", "nodev", "noexec", "nosymfollow"))
_OPPOSITES = {
    "rw": "ro",
    "suid": "nosuid",
    "dev": "nodev",
    "exec": "noexec",
    "symfollow": "nosymfollow",
    "atime": "noatime",
    "diratime": "nodiratime",
    "norelatime": "relatime",
}
#: What this machine's memory is dealt out in, and how much of it there is, in bytes.
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MEMORY = os.sysconf("SC_PHYS_PAGES") * _PAGE
_PROPAGATION = frozenset(
    prefix + word for word in ("private", "slave", "shared", "unbindable") for prefix in ("", "r")
)
#: Words for mount(8) or systemd alone: they never reach the kernel.
_USERSPACE = frozenset(
    (
        "auto",
        "noauto",
        "defaults",
        "nofail",
        "_netdev",
        "user",
        "nouser",
        "users",
        "group",
        "owner",
    )
)
#: Words of mount(8) for every file system that a bind mount takes and ignores.
_IGNORED_BY_BINDS = frozenset(
    (
        *("async", "sync", "dirsync", "lazytime", "nolazytime", "strictatime", "nostrictatime"),
        *("iversion", "noiversion", "mand", "nomand", "silent", "loud", "remount"),
    )
)
_BINARY = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


class Options(Record):
    """One option list, sorted."""

    bind: bool = False
    recursive: bool = False
    flags: frozenset[str] = frozenset()
    cleared: frozenset[str] = frozenset()
    propagation: str = "private"
    data: tuple[str, ...] = ()

    def restrictions(self, inherited: Iterable[str] = ()) -> frozenset[str]:
        """What the mount will not allow, given what it inherits from the mount of its source."""
        return ((frozenset(inherited) - self.cleared) | self.flags) & RESTRICTIONS


def parse(words: Iterable[str]) -> Options:
    """Sort option words; the last one of two opposites counts, as for mount(8)."""
    bind = recursive = False
    propagation = "private"
    flags: dict[str, bool] = {}
    data: list[str] = []
    for word in words:
        if word in ("bind", "rbind"):
            bind, recursive = True, recursive or word == "rbind"
        elif word in FLAGS:
            flags[word] = True
        elif word in _OPPOSITES:
            flags[_OPPOSITES[word]] = False
        elif word in _PROPAGATION:
            propagation = word
        elif word and word not in _USERSPACE and not word.lower().startswith("x-"):
            data.append(word)
    return Options(
        bind=bind,
        recursive=recursive,
        flags=frozenset(name for name, on in flags.items() if on),
        cleared=frozenset(name for name, on in flags.items() if not on),
        propagation=propagation,
        data=tuple(data),
    )


def strange_to_binds(options: Options) -> list[str]:
    """The words that no bind mount has, which mount(8) would pass over without a word."""
    return [
        word
        for word in options.data
        if word not in _IGNORED_BY_BINDS and not word.startswith("comment=")
    ]


def _value(text: str) -> str:
    """Spell a value as the kernel might: `0620` as `620`, `64m` as bytes."""
    digits, unit = text[:-1], text[-1:].lower()
    if unit in _BINARY and digits.isdigit():
        return str(int(digits) * _BINARY[unit])
    return text.lstrip("0") or "0" if text.isdigit() else text


def data_differs(
    fstype: str, wanted: Iterable[str], present: Iterable[str], memory: int = _MEMORY
) -> bool:
    """Tell whether a file system's own options contradict the wanted ones.

    A wanted option that the kernel does not show back cannot be compared and is taken as kept.
    A share of the memory is one of `memory` bytes.
    """
    shown = dict(word.partition("=")[::2] for word in present)
    if fstype == "tmpfs":
        # What it has without being told is not shown.
        shown.setdefault("size", str(memory // 2))
    for word in wanted:
        name, _sign, value = word.partition("=")
        if name in shown and value and not _agree(name, value, _value(shown[name]), memory):
            return True
    return False


def _agree(name: str, wanted: str, present: str, memory: int) -> bool:
    if name != "size":
        return _value(wanted) == present
    if wanted.endswith("%"):
        return _is_share(wanted[:-1], present, memory)
    return _pages(_value(wanted)) == _pages(present)


def _pages(value: str) -> str:
    """A size in whole pages, as tmpfs rounds it up; whatever else stays what it is."""
    return str(-(-int(value) // _PAGE)) if value.isdigit() else value


def _is_share(percent: str, size: str, memory: int) -> bool:
    """Tell whether a size is a share of the memory, which may have grown or shrunk a little."""
    if not (percent.isdigit() and size.isdigit()):
        return False
    return abs(int(size) * 100 - int(percent) * memory) * 2 <= memory
