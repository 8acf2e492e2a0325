# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records: typing.NamedTuple for whoever checks types, and without `typing` for whoever runs.

A connection starts Python for every command in a jail. Importing `typing` and building its named
tuples took a third of all that Python had to do there.
"""

from __future__ import annotations

__all__ = ["TYPE_CHECKING", "Record"]

#: As typing's: true for a type checker, which knows it by its name.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import NamedTuple as Record
else:
    from _operator import itemgetter

    class Record(tuple):
        """A tuple whose fields are the annotations of the class, with defaults at the end."""

        def __init_subclass__(cls):
            cls._fields = tuple(getattr(cls, "__annotations__", ()))
            cls._defaults = {name: vars(cls)[name] for name in cls._fields if name in vars(cls)}
            for place, name in enumerate(cls._fields):
                setattr(cls, name, property(itemgetter(place)))

        def __new__(cls, *values, **named):
            if not named and len(values) == len(cls._fields):
                return tuple.__new__(cls, values)
            rest = cls._fields[len(values) :]
            given = {**cls._defaults, **named}
            fit = len(values) <= len(cls._fields) and named.keys() <= set(rest) <= given.keys()
            if not fit:
                raise TypeError(f"{cls.__name__} takes {cls._fields}, not {values} and {named}")
            return tuple.__new__(cls, (*values, *[given[name] for name in rest]))

        def _replace(self, **changes):
            return type(self)(**{**dict(zip(self._fields, self)), **changes})

        def __repr__(self):
            fields = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self))
            return f"{type(self).__name__}({fields})"
