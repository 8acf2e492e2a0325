# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the checks look at: the hosts by ssh, their jails, and their files from outside."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

STATE = Path("/run/jaulas-hosts")


@dataclass(frozen=True)
class Jail:
    """A jail as the inventory declares it."""

    host: str
    declared: dict[str, Any] = field(hash=False)

    @property
    def path(self) -> str:
        return f"/srv/jails/{self.declared['name']}"

    @property
    def outside(self) -> Path:
        """Its root, for those who are not on its host."""
        return STATE / self.host / self.path[1:]


@pytest.fixture
def jails(host: Any) -> list[Jail]:
    """The jails of a host."""
    name = host.backend.host.name
    return [Jail(name, declared) for declared in json.loads(os.environ["CHECKED_JAILS"])[name]]
