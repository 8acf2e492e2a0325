# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import random

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils._text import escape, unescape


@pytest.mark.parametrize(
    ("escaped", "clear"),
    [
        (r"/srv/a\040b", "/srv/a b"),
        (r"/srv/tab\011new\012line", "/srv/tab\tnew\nline"),
        (r"/srv/hash\043", "/srv/hash#"),
        (r"/srv/back\134040", "/srv/back\\040"),
        ("/srv/ñandú", "/srv/ñandú"),
        (r"/srv/\303\261", "/srv/ñ"),
        (r"/srv/\377", "/srv/\udcff"),
        (r"/srv/\400\8", r"/srv/\400\8"),
    ],
)
def test_unescape(escaped: str, clear: str) -> None:
    assert unescape(escaped) == clear


@pytest.mark.parametrize("clear", ["a b", "a\tb", "a\nb", "a\\b", "a#b", "ñ", "\udcff", r"\040"])
def test_escaped_text_is_one_field_and_comes_back(clear: str) -> None:
    escaped = escape(clear)
    assert escaped.split() == [escaped]
    assert "#" not in escaped
    assert unescape(escaped) == clear


def test_any_text_comes_back() -> None:
    rng = random.Random(7)
    alphabet = "ab01\\# \t\nñ\udcff"
    for _round in range(500):
        text = "".join(rng.choices(alphabet, k=rng.randrange(12)))
        assert unescape(escape(text)) == text
