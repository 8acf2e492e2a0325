# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-core's own tests of its connections, against a jail.

They come from the source archive of the very ansible-core that runs.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from conftest import VARIANTS, Controller, Sessions, Variant


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_core_connection(
    controller: Controller,
    jail: Path,
    place: Path,
    variant: Variant,
    sessions: Sessions,
) -> None:
    tests = place / "tests"
    shutil.copytree(os.environ["CORE_TESTS"], tests)
    for folder in (place, tests):
        folder.chmod(0o777)
    inventory = controller.inventory({"jail": controller.variables(variant, jail)})
    said = controller.run(
        [
            "bash",
            "./test.sh",
            *("-e", "target_hosts=all"),
            *("-e", "action_prefix="),
            *("-e", f"local_tmp={place}/local"),
            *("-e", "remote_tmp=/tmp/remote"),
        ],
        variant,
        folder=tests,
        INVENTORY=str(inventory),
    )
    assert said.count("failed=0") == 1, said
    assert "SUCCESS: Connection vars not found" in said
