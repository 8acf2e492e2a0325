# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _options


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), _options.Options()),
        (("bind",), _options.Options(bind=True)),
        (("rbind",), _options.Options(bind=True, recursive=True)),
        (("rbind", "bind"), _options.Options(bind=True, recursive=True)),
        (("ro", "nosuid"), _options.Options(flags=frozenset(("ro", "nosuid")))),
        (("ro", "rw"), _options.Options(cleared=frozenset(("ro",)))),
        (("rw", "ro"), _options.Options(flags=frozenset(("ro",)))),
        (("mode=1777", "size=10m"), _options.Options(data=("mode=1777", "size=10m"))),
        (("slave",), _options.Options(propagation="slave")),
        (("rshared",), _options.Options(propagation="rshared")),
        (("defaults", "nofail", "noauto", "user", "_netdev", ""), _options.Options()),
        (("x-systemd.requires=a", "X-mount.mkdir"), _options.Options()),
    ],
)
def test_parse(words: tuple[str, ...], expected: _options.Options) -> None:
    assert _options.parse(words) == expected


@pytest.mark.parametrize(
    ("words", "inherited", "restrictions"),
    [
        (("bind",), ("rw", "nosuid", "relatime"), {"nosuid"}),
        (("bind", "ro"), ("rw", "nosuid"), {"ro", "nosuid"}),
        (("bind", "suid"), ("nosuid", "nodev"), {"nodev"}),
        (("bind", "rw"), ("ro",), set()),
        (("noatime", "noexec"), (), {"noexec"}),
    ],
)
def test_restrictions(
    words: tuple[str, ...], inherited: tuple[str, ...], restrictions: set[str]
) -> None:
    assert _options.parse(words).restrictions(inherited) == restrictions


@pytest.mark.parametrize("word", ["user", "users", "group", "owner"])
def test_words_that_restrict_as_mount_does(word: str) -> None:
    """mount(8): these imply noexec, nosuid and nodev (user, users) or nosuid and nodev."""
    implied = _options.parse((word, "exec")).restrictions()
    assert implied <= _options.RESTRICTIONS


@pytest.mark.parametrize(
    ("wanted", "present", "differs"),
    [
        (("mode=0620",), ("rw", "mode=620"), False),
        (("mode=755",), ("rw", "mode=1777"), True),
        (("size=64m",), ("size=67108864",), False),
        (("size=64m",), ("size=65536k",), False),
        (("size=1G",), ("size=1048576k",), False),
        (("size=64m",), ("size=32768k",), True),
        (("size=1000000",), ("size=980k",), False),
        (("size=5k",), ("size=8k",), False),
        (("size=5k",), ("size=4k",), True),
        (("size=25%",), ("size=262144k",), False),
        (("size=25%",), ("size=262148k",), False),
        (("size=25%",), ("size=20m",), True),
        (("size=x%",), ("size=20m",), True),
        (("size=50%",), ("size=522m",), True),
        (("size=50%",), ("rw",), False),
        (("size=64m",), ("rw",), True),
        (("size=1t",), ("size=1073741824k",), False),
        (("gid=5",), ("gid=5", "mode=620"), False),
        (("uid=0",), ("rw",), False),
        (("newinstance",), ("rw",), False),
        (("gid=0",), ("gid=00",), False),
        ((), ("anything=1",), False),
    ],
)
def test_data_differs(wanted: tuple[str, ...], present: tuple[str, ...], differs: bool) -> None:
    assert _options.data_differs("tmpfs", wanted, present, 1 << 30) is differs
