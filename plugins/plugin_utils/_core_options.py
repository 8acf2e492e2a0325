# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of core's connections as the ansible-core that runs has them: never a copy."""

from __future__ import annotations

from typing import Any

from ansible import constants
from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.loader import connection_loader

from ansible_collections.jaulas.chroot.plugins.doc_fragments import jail_connection


def of(core: str) -> dict[str, Any]:
    """The options of one of core's connections, with those of its own fragments."""
    # Ansible has read them before it starts its workers; ansible-doc has not.
    connection_loader.get(core, class_only=True)
    return dict(constants.config.get_configuration_definitions("connection", core))


def take_over(core: str, name: str) -> None:
    """Tell Ansible the options of our connection, in the file of a name, before one of core's.

    Ansible would find the same in the documentation, which each worker reads anew for each task:
    that takes it longer than to enter a jail.
    """
    own = yaml_load(jail_connection.ModuleDocFragment.DOCUMENTATION)["options"]
    constants.config.initialize_plugin_configuration_definitions(
        "connection", name, {**of(core), **own}
    )
