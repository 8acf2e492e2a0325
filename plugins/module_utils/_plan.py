# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One list of operations, and what the system looks like before and after them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

#: What a diff shows: a heading for each part of the system, and that part as text.
State = Mapping[str, str]


class Operation(Protocol):
    """One change of the system. describe() gives the words that check mode shows."""

    def describe(self) -> str:
        """Say what apply() will do, as a clause: `mount /dev on /srv/j/dev`."""

    def apply(self) -> None:
        """Do it, or raise JailError and leave things as they were."""


class Shared:
    """An operation that the plans of several jails have in common, and that is done once."""

    def describe(self) -> str:
        raise NotImplementedError

    def apply(self) -> None:
        raise NotImplementedError

    def apply_for(self, jails: Sequence[str]) -> None:
        """Do it for those jails whose operations before it have succeeded."""
        raise NotImplementedError


@dataclass
class Plan:
    """What check mode shows, what a diff compares and what a real run applies.

    before and after are states of the same parts; observe reads them from the system again, and
    what it reads after a real run takes the place of the foreseen after. result and outcome give
    further return values: known beforehand, or only when the operations have been applied.
    """

    operations: Sequence[Operation] = ()
    before: State = field(default_factory=dict)
    after: State = field(default_factory=dict)
    observe: Callable[[], State] = dict
    result: dict[str, object] = field(default_factory=dict)
    outcome: Callable[[], dict[str, object]] = dict
    reasons: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
