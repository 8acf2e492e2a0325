# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines of fstab that jails should have, for all jails of a call in one step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from ansible_collections.jaulas.chroot.plugins.module_utils import _files, _fstab, _jail
from ansible_collections.jaulas.chroot.plugins.module_utils._operations import WriteHostFile
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import is_inside
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Shared
from ansible_collections.jaulas.chroot.plugins.module_utils._profiles import Wanted


def line_of(wanted: Wanted, point: str, restrictions: frozenset[str]) -> _fstab.Entry:
    """The line that makes a mount at the next boot, at a path of the host.

    Where flags are declared, those that the source lends are spelled out as well: older
    versions of mount(8) drop them when they apply the declared ones.
    """
    options = wanted.options
    words = list(wanted.opts)
    if options.flags:
        words += sorted(restrictions - options.flags)
    if options.propagation not in words:
        words.append(options.propagation)
    words += [word for word in ("nofail", _fstab.MARK) if word not in words]
    return _fstab.Entry(wanted.src, point, wanted.fstype, tuple(words))


class WriteLines(Shared):
    """Give jails their lines in fstab, which was read once; what others have in it stays."""

    def __init__(self, fstab: str) -> None:
        self.fstab = fstab
        self.text = _files.read_text(fstab)
        #: The text once all jails that were added have their lines.
        self.foreseen = self.text
        self._lines = _fstab.parse(self.text)
        self._foreseen = self._lines
        self._entries: dict[str, list[_fstab.Entry]] = {}
        self._points: dict[str, tuple[str, str]] = {}

    def add(self, jail: str, entries: list[_fstab.Entry]) -> bool:
        """Note what lines a jail should have; tells whether they are others than it has."""
        self._entries[jail] = entries
        lines = self._with(self._foreseen, [jail])
        if lines == self._foreseen:
            return False
        self._foreseen, self.foreseen = lines, _fstab.render(lines)
        return True

    def points(self, jail: str) -> list[str]:
        """The mount points of the lines that a jail has in the file as it was read."""
        entries = [line.entry for line in self._lines if line.entry]
        return [entry.point for entry in entries if self._belongs(jail, entry)]

    def describe(self) -> str:
        return f"write {self.fstab}"

    def apply(self) -> None:
        self.apply_for(list(self._entries))

    def apply_for(self, jails: Sequence[str]) -> None:
        after = _fstab.render(self._with(self._lines, jails))
        WriteHostFile(self.fstab, self.text, after).apply()

    def _with(self, lines: list[_fstab.Line], jails: Iterable[str]) -> list[_fstab.Line]:
        for jail in jails:
            belongs = partial(self._belongs, jail)
            lines = _fstab.replace(lines, belongs, self._entries[jail])
        return lines

    def _belongs(self, jail: str, entry: _fstab.Entry) -> bool:
        # Following a path costs, and a line is asked about for every jail.
        if entry.point not in self._points:
            self._points[entry.point] = _jail.fstab_points(entry)
        return any(is_inside(point, jail) for point in self._points[entry.point])
