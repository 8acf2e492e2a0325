# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: local
short_description: A jail on the controller itself
version_added: 0.1.0
description:
  - Runs every task inside a jail on the machine that Ansible runs on, as if the jail were a host.
  - Whoever runs Ansible need not be root, but must be able to become root in order to enter the
    jail.
  - Every command runs in a session of its own, as those of M(jaulas.chroot.chroot_exec) do, and
    ends with all that it has started. Only what an asynchronous task leaves running may go on.
extends_documentation_fragment:
  - jaulas.chroot.jail_connection
  - jaulas.chroot.core_options.local
notes:
  - C(become) and C(become_user) are about the users of the jail.
  - Pipelining is on unless it is switched off.
author:
  - The jaulas.chroot authors (@jaulas)
"""

from ansible.plugins.connection import local

from ansible_collections.jaulas.chroot.plugins.plugin_utils import _core_options
from ansible_collections.jaulas.chroot.plugins.plugin_utils._inside import Inside

_core_options.take_over("local", __name__)


class Connection(Inside, local.Connection):
    """Core's connection to this machine, and from there into the jail."""

    transport = "jaulas.chroot.local"
