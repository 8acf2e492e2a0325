# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The escapes that mountinfo and fstab share: octal for blanks and backslashes (fstab(5)). Pure."""

from __future__ import annotations

import re

_ESCAPED = re.compile(rb"\\([0-3][0-7]{2})")
_UNSAFE = re.compile(r"[ \t\n\\#]")


def unescape(field: str) -> str:
    r"""Turn `\040` back into a blank, and so on. Bytes that are no UTF-8 survive as surrogates."""
    raw = field.encode("utf-8", "surrogateescape")
    clear = _ESCAPED.sub(lambda match: bytes([int(match.group(1), 8)]), raw)
    return clear.decode("utf-8", "surrogateescape")


def escape(field: str) -> str:
    r"""Write a field so that blanks, `#` and backslashes survive: the opposite of unescape()."""
    return _UNSAFE.sub(lambda match: f"\\{ord(match.group()):03o}", field)
