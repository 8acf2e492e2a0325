# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import multiprocessing
from typing import Any

from ansible import constants
from ansible.plugins.loader import connection_loader

#: Not what counts in ansible-core's versions, which would be taken for ours.
_LEFT_OUT = {"version_added", "version_added_collection", "deprecated"}
if multiprocessing.parent_process():
    # A worker of Ansible's reads this for every task: what is for people costs more than the rest.
    _LEFT_OUT |= {"description"}


def _without(item: Any) -> Any:
    if isinstance(item, list):
        return [_without(part) for part in item]
    if not isinstance(item, dict):
        return item
    return {key: _without(part) for key, part in item.items() if key not in _LEFT_OUT}


def _options(name: str) -> str:
    """The options of one of core's plugins as a fragment, with those of its own fragments."""
    # Ansible has read them before it starts its workers; ansible-doc has not.
    connection_loader.get(name, class_only=True)
    options = constants.config.get_configuration_definitions("connection", name)
    # JSON is YAML, and takes the strings that Ansible has tagged with their origin.
    return json.dumps({"options": _without(options)})


class ModuleDocFragment:
    """The options of core's connections as the ansible-core that runs has them: never a copy.

    They are put together when they are asked for: one connection has no use for the other's.
    Ansible looks for their names in capitals.
    """

    @property
    def SSH(self) -> str:  # noqa: N802
        """Those of ssh."""
        return _options("ssh")

    @property
    def LOCAL(self) -> str:  # noqa: N802
        """Those of local."""
        return _options("local")
