# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shell patterns, matched inside a root."""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Iterator

from ansible_collections.jaulas.chroot.plugins.module_utils._paths import Root, components


def glob(root: Root, pattern: str) -> list[str]:
    """List the inside paths that match a shell pattern, sorted."""
    return sorted(_below(root, "", components(pattern)))


def _below(root: Root, base: str, names: list[str]) -> Iterator[str]:
    if not names:
        yield base or "/"
        return
    head, rest = names[0], names[1:]
    for name in _matches(root, base, head):
        place = f"{base}/{name}"
        # A dangling link exists, as it does for the shell; below one there is nothing.
        if root.exists(place, follow=bool(rest)):
            yield from _below(root, place, rest)


def _matches(root: Root, base: str, pattern: str) -> list[str]:
    if not any(sign in pattern for sign in "*?["):
        return [pattern]
    place = root.find(base)
    if place is None or not stat.S_ISDIR(place.status.st_mode):
        return []
    hidden = pattern.startswith(".")
    return [
        name
        for name in os.listdir(place.magic)
        if fnmatch.fnmatchcase(name, pattern) and (hidden or not name.startswith("."))
    ]
