# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: ssh
short_description: A jail on a remote host, by ssh
version_added: 0.1.0
description:
  - Runs every task inside a jail on a host that is reached by ssh, as if the jail were a host.
  - Core's own ssh connection does the connecting, with all of its options, under their own names.
    The login need not be root; it becomes root on the host in order to enter the jail.
  - Every command runs in a session of its own, as those of M(jaulas.chroot.chroot_exec) do, and
    ends with all that it has started. Only what an asynchronous task leaves running may go on.
extends_documentation_fragment:
  - jaulas.chroot.jail_connection
  - jaulas.chroot.core_options.ssh
notes:
  - C(become) and C(become_user) are about the users of the jail.
  - Pipelining is on unless it is switched off, and there is no terminal unless one is asked for.
author:
  - The jaulas.chroot authors (@jaulas)
"""

from ansible.plugins.connection import ssh

from ansible_collections.jaulas.chroot.plugins.plugin_utils import _core_options
from ansible_collections.jaulas.chroot.plugins.plugin_utils._inside import Inside

_core_options.take_over("ssh", __name__)


class Connection(Inside, ssh.Connection):
    """Core's connection to the host, and from there into the jail."""

    transport = "jaulas.chroot.ssh"
