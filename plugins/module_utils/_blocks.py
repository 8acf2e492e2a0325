# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a `with` block needs: contextlib's for whoever checks types, and a light one for who runs.

A connection starts Python for every command in a jail. Importing `contextlib` took a fifth of all
that Python had to do there.
"""

from __future__ import annotations

from ansible_collections.jaulas.chroot.plugins.module_utils._record import TYPE_CHECKING

__all__ = ["contextmanager", "suppress"]

if TYPE_CHECKING:
    from contextlib import contextmanager, suppress
else:
    # Named as contextlib names it.
    class suppress:  # noqa: N801
        """Pass over some exceptions."""

        def __init__(self, *kinds):
            self._kinds = kinds

        def __enter__(self):
            return self

        def __exit__(self, kind, error, trace):
            return kind is not None and issubclass(kind, self._kinds)

    class _Block:
        """A block that runs where a generator yields."""

        def __init__(self, generator):
            self._generator = generator

        def __enter__(self):
            return next(self._generator)

        def __exit__(self, kind, error, trace):
            try:
                if error is None:
                    next(self._generator)
                else:
                    self._generator.throw(error)
            except StopIteration:
                return error is not None
            except BaseException as raised:
                if raised is error:
                    return False
                raise
            raise RuntimeError("a block has one place to run, and its generator yielded again")

    def contextmanager(function):
        """Make blocks of a generator function that yields once."""

        def block(*values, **named):
            return _Block(function(*values, **named))

        block.__doc__ = function.__doc__
        return block
