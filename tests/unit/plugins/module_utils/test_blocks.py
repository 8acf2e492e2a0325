# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the light ones do is what contextlib's do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import ModuleType

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _blocks

BOTH = pytest.mark.parametrize("blocks", [contextlib, _blocks], ids=lambda item: item.__name__)


@BOTH
def test_suppress(blocks: ModuleType) -> None:
    with blocks.suppress(FileNotFoundError, KeyError):
        raise KeyError
    # A subclass of what is named, and nothing at all.
    with blocks.suppress(OSError):
        raise FileNotFoundError
    with blocks.suppress(OSError):
        pass
    with pytest.raises(ValueError, match="other"), blocks.suppress(OSError):
        raise ValueError("other")


@BOTH
def test_a_block_of_a_generator(blocks: ModuleType) -> None:
    seen: list[str] = []

    def steps(name: str, fails: type[Exception] = KeyError) -> Iterator[str]:
        """Note what happens."""
        seen.append(f"begin {name}")
        try:
            yield name.upper()
        except fails:
            seen.append(f"caught {name}")
        finally:
            seen.append(f"end {name}")

    block = blocks.contextmanager(steps)
    with block("a") as given:
        seen.append(given)
    with block("b"):
        raise KeyError
    with pytest.raises(ValueError, match="of c"), block("c"):
        raise ValueError("of c")
    assert seen == [
        *("begin a", "A", "end a"),
        *("begin b", "caught b", "end b"),
        *("begin c", "end c"),
    ]
    assert block.__doc__ == "Note what happens."


@BOTH
def test_a_block_that_fails_by_itself(blocks: ModuleType) -> None:
    def steps() -> Iterator[None]:
        try:
            yield
        except KeyError:
            raise ValueError("in its place") from None

    block = blocks.contextmanager(steps)
    with pytest.raises(ValueError, match="in its place"), block():
        raise KeyError


@BOTH
def test_a_block_runs_once(blocks: ModuleType) -> None:
    def steps() -> Iterator[None]:
        yield
        yield

    block = blocks.contextmanager(steps)
    with pytest.raises(RuntimeError), block():
        pass
