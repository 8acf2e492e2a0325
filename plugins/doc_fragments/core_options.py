# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.connection import local, ssh
from ansible.plugins.loader import fragment_loader
from ansible.utils.plugin_docs import add_fragments


def _without_history(item: Any) -> Any:
    """Leave out what counts in ansible-core's versions, which would be taken for ours."""
    if isinstance(item, list):
        return [_without_history(part) for part in item]
    if not isinstance(item, dict):
        return item
    history = ("version_added", "version_added_collection", "deprecated")
    return {key: _without_history(part) for key, part in item.items() if key not in history}


def _options(plugin: ModuleType) -> str:
    """The options of one of core's plugins as a fragment, with those of its own fragments."""
    doc = yaml_load(plugin.DOCUMENTATION)
    add_fragments(doc, plugin.__file__, fragment_loader=fragment_loader)
    # JSON is YAML, and takes the strings that Ansible has tagged with their origin.
    return json.dumps({"options": _without_history(doc["options"])})


class ModuleDocFragment:
    """The options of core's connections as the ansible-core that runs has them: never a copy."""

    SSH: str = _options(ssh)
    LOCAL: str = _options(local)
