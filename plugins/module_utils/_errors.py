# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one family of errors that this collection raises on purpose."""

from __future__ import annotations


class JailError(Exception):
    """Something that a user can cause or can mend.

    msg says what was being done, to what, and what the system said; hint says what to try.
    Both are whole sentences. Details are returned beside the message by the module that fails.
    """

    def __init__(self, msg: str, hint: str = "", /, **details: object) -> None:
        super().__init__(msg)
        self.msg = msg
        self.hint = hint
        self.details = details

    def __str__(self) -> str:
        return f"{self.msg} {self.hint}".strip()


class Refused(JailError):
    """The thing asked for could harm the host or somebody's data, so nothing was done."""


class Busy(JailError):
    """Somebody else holds what is needed; trying again later can succeed."""
