# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

from ansible_collections.jaulas.chroot.plugins.plugin_utils import _core_options

#: Not what counts in ansible-core's versions, which would be taken for ours.
_LEFT_OUT = {"version_added", "version_added_collection", "deprecated"}


def _without(item: Any) -> Any:
    if isinstance(item, list):
        return [_without(part) for part in item]
    if not isinstance(item, dict):
        return item
    return {key: _without(part) for key, part in item.items() if key not in _LEFT_OUT}


def _options(name: str) -> str:
    """The options of one of core's plugins as a fragment."""
    # JSON is YAML, and takes the strings that Ansible has tagged with their origin.
    return json.dumps({"options": _without(_core_options.of(name))})


class ModuleDocFragment:
    """What ansible-doc shows of core's options for our connections.

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
