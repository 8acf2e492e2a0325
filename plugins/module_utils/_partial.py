# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Folders for what is not whole yet: they lie beside the final name, say whose they are, and go."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator

from ansible_collections.jaulas.chroot.plugins.module_utils import _jail, _trees
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError
from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record


class ClearLeftover(Record):
    """Delete what a run that was cut short left beside the jail."""

    path: str

    def describe(self) -> str:
        return f"delete the leftover {self.path}"

    def apply(self) -> None:
        _clear(self.path)


def _clear(folder: str) -> None:
    """Delete a partial folder. What says that it is ours goes last: whatever is left says so."""
    _trees.remove(folder, last=_jail.PARTIAL_MARKER)


@contextlib.contextmanager
def partial(path: str) -> Iterator[str]:
    """A private folder beside a path, marked as ours; it is gone when the block ends."""
    folder = f"{path}{_jail.PARTIAL}{os.urandom(4).hex()}"
    # Open to pass through, as apt downloads under a user of its own; not to look around in.
    os.mkdir(folder, 0o711)
    failed = True
    try:
        with open(f"{folder}/{_jail.PARTIAL_MARKER}", "w", encoding="utf-8") as handle:
            json.dump({"for": path, "pid": os.getpid()}, handle)
        yield folder
        failed = False
    finally:
        # The first error is the one to tell; what cannot be cleared now, the next run clears.
        with contextlib.suppress(*([JailError] if failed else [])):
            _clear(folder)
