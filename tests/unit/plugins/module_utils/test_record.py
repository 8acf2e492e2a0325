# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record


class Ours(Record):
    """Some fields and a method."""

    first: str
    second: int = 2
    third: tuple[int, ...] = ()

    def doubled(self) -> int:
        return self.second * 2


class Theirs(NamedTuple):
    """The same, by typing."""

    first: str
    second: int = 2
    third: tuple[int, ...] = ()


@pytest.mark.parametrize(
    ("values", "named"),
    [
        (("a",), {}),
        (("a", 3), {"third": (1,)}),
        ((), {"second": 5, "first": "b"}),
        ((), {}),
        (("a",), {"first": "b"}),
        (("a",), {"fourth": 4}),
        (("a", 1, (), 4), {}),
    ],
)
def test_as_the_one_of_typing(values: tuple[Any, ...], named: dict[str, Any]) -> None:
    try:
        theirs = Theirs(*values, **named)
    except TypeError:
        with pytest.raises(TypeError):
            Ours(*values, **named)
        return
    ours = Ours(*values, **named)
    assert ours == theirs
    assert hash(ours) == hash(theirs)
    assert Ours._fields == Theirs._fields
    assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
    assert ours._replace(second=7) == theirs._replace(second=7)
    assert (ours.first, ours.second, ours.third) == theirs
    assert ours.doubled() == theirs.second * 2
    with pytest.raises(AttributeError):
        # What a type checker forbids has to fail as well.
        ours.first = "c"  # type: ignore[misc]


def test_a_record_without_fields() -> None:
    class Nothing(Record):
        """On Python 3.9 such a class has no annotations at all."""

    assert Nothing() == ()
