# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The text of fstab as lines and back, comments and blanks kept (fstab(5)). Pure."""

from __future__ import annotations

from ansible_collections.jaulas.chroot.plugins.module_utils._record import TYPE_CHECKING, Record
from ansible_collections.jaulas.chroot.plugins.module_utils._text import (
    escape,
    unescape,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: The option that tells our lines from a person's. mount(8) and the kernel ignore every `x-`.
MARK = "x-jaulas.chroot"


class Entry(Record):
    """What one line declares, without escapes."""

    spec: str
    point: str
    fstype: str
    options: tuple[str, ...]
    freq: int = 0
    passno: int = 0

    @property
    def is_ours(self) -> bool:
        return MARK in self.options

    def render(self) -> str:
        """The line, without its end."""
        fields = (self.spec, self.point, self.fstype, ",".join(self.options))
        return " ".join([*map(escape, fields), str(self.freq), str(self.passno)])


class Line(Record):
    """One line as it stands in the file; entry is None for comments, blanks and broken lines."""

    text: str
    entry: Entry | None = None


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def parse(text: str) -> list[Line]:
    """Read a whole fstab. The last two fields may be missing, as mount(8) allows."""
    lines = []
    # Only a newline ends a line here, whatever else Unicode or Python takes for one.
    for raw in text.removesuffix("\n").split("\n") if text else []:
        fields = [word for word in raw.strip(" \t\r").replace("\t", " ").split(" ") if word]
        if len(fields) < 3 or fields[0].startswith("#"):
            lines.append(Line(raw))
            continue
        options = unescape(fields[3]) if len(fields) > 3 else "defaults"
        numbers = [_number(field) for field in fields[4:6]] + [0, 0]
        entry = Entry(
            spec=unescape(fields[0]),
            point=unescape(fields[1]),
            fstype=unescape(fields[2]),
            options=tuple(options.split(",")),
            freq=numbers[0],
            passno=numbers[1],
        )
        lines.append(Line(raw, entry))
    return lines


def render(lines: Sequence[Line]) -> str:
    """The text of the file: untouched lines are what they were, to the letter."""
    return "".join(f"{line.text}\n" for line in lines)


def replace(
    lines: Sequence[Line], belongs: Callable[[Entry], bool], entries: Sequence[Entry]
) -> list[Line]:
    """Make `entries` the only ones that belong, in their order, where the first of them stood.

    The lines come back unchanged when that is so already.
    """
    mine = [line.entry for line in lines if line.entry and belongs(line.entry)]
    if mine == list(entries):
        return list(lines)
    kept: list[Line] = []
    place: int | None = None
    for line in lines:
        if line.entry and belongs(line.entry):
            place = len(kept) if place is None else place
        else:
            kept.append(line)
    if place is None:
        place = len(kept)
    kept[place:place] = [Line(entry.render(), entry) for entry in entries]
    return kept
