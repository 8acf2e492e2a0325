# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The escapes that mountinfo and fstab share: octal for blanks and backslashes (fstab(5)). Pure."""

from __future__ import annotations

_OCTAL = b"01234567"
_UNSAFE = " \t\n\\#"


def unescape(field: str) -> str:
    r"""Turn `\040` back into a blank, and so on. Bytes that are no UTF-8 survive as surrogates."""
    if "\\" not in field:
        return field
    clear, *rest = field.encode("utf-8", "surrogateescape").split(b"\\")
    for part in rest:
        code = part[:3]
        if len(code) == 3 and code[0] in b"0123" and code[1] in _OCTAL and code[2] in _OCTAL:
            clear += bytes([int(code, 8)]) + part[3:]
        else:
            clear += b"\\" + part
    return clear.decode("utf-8", "surrogateescape")


def escape(field: str) -> str:
    r"""Write a field so that blanks, `#` and backslashes survive: the opposite of unescape()."""
    return "".join(f"\\{ord(sign):03o}" if sign in _UNSAFE else sign for sign in field)
