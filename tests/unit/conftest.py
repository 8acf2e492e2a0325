# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the collection importable for plain pytest, and keep mounts of tests off the host."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest

# Plain pytest does not know collections; under ansible-test its own loader is first and this
# changes nothing.
sys.path.extend(path for path in os.environ.get("ANSIBLE_COLLECTIONS_PATH", "").split(":") if path)


@pytest.fixture
def forked() -> Callable[..., None]:
    """Run a function in a child of its own, and fail as it fails."""

    def run(function: Callable[..., object], *args: Any) -> None:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                function(*args)
                status = 0
            except BaseException:
                os.write(writing, traceback.format_exc().encode()[-4096:])
            finally:
                os._exit(status)
        os.close(writing)
        with open(reading, "rb") as report:
            said = report.read().decode("utf-8", "replace")
        status = os.waitpid(child, 0)[1]
        if status:
            pytest.fail(f"in the child (status {status}):\n{said}", pytrace=False)

    return run


@pytest.fixture
def in_namespace(forked: Callable[..., None]) -> Callable[..., None]:
    """Run a function where it may mount what it likes: it all goes with the child."""
    # Not importable before the lines above have run.
    from ansible_collections.jaulas.chroot.plugins.module_utils import _kernel  # noqa: PLC0415

    def run(function: Callable[..., object], *args: Any) -> None:
        def inside() -> None:
            _kernel.unshare(_kernel.NEW_MOUNTS)
            _kernel.set_propagation("/", "rprivate")
            function(*args)

        forked(inside)

    return run
