# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Remove a jail, after proving that nothing of anybody else's can go with it."""

from __future__ import annotations

import os

from ansible_collections.jaulas.chroot.plugins.module_utils import _jail, _overlay, _storage
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import Refused
from ansible_collections.jaulas.chroot.plugins.module_utils._partial import partial
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Operation, Plan
from ansible_collections.jaulas.chroot.plugins.module_utils._proof import ending, prove_unused
from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record


class RemoveJail(Record):
    """Take a jail's name away in one step, then delete its tree by descriptors."""

    path: str

    def describe(self) -> str:
        return f"remove {self.path}"

    def apply(self) -> None:
        # Again, now that nobody else holds the lock and what was to end has ended.
        prove_unused(self.path, "remove", kill=False)
        with partial(self.path) as folder:
            os.rename(self.path, f"{folder}/root")


def plan(path: str, kill: bool, fstab: str) -> Plan:
    """Plan a jail's absence, and that of what earlier runs left of it."""
    kind, marker = _jail.inspect(path)
    overlay = _storage.find(path)
    if kind == "foreign" or (kind == "empty" and not overlay):
        raise Refused(
            f"Cannot remove {path}: it is no jail of ours (no marker in it).",
            "Delete it by hand if it is not needed; it is left as it is.",
        )
    operations: list[Operation] = _overlay.clearing(path)
    if marker or overlay:
        prove_unused(path, "remove", kill, overlay=bool(overlay))
        if kill:
            operations += ending(path)
    if overlay:
        # What is on its way out must not come back at the next boot.
        operations.append(_overlay.WriteLine(path, fstab, None))
        operations.append(_overlay.RemoveOverlay(path, overlay.image))
    elif marker:
        operations.append(RemoveJail(path))
    return Plan(
        operations=operations,
        before=_jail.observe(path),
        after=_jail.state(path, None),
        observe=lambda: _jail.observe(path),
        result={"path": path},
        reasons=[] if operations else [f"{path} is not there"],
    )
