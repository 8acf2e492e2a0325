# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What the connections into a jail share."""

    DOCUMENTATION = r"""
options:
  jail_path:
    description:
      - The jail's folder on its host, an absolute path. Any root folder but V(/) will do.
    type: str
    required: true
    vars:
      - name: ansible_jail_path
  jail_escalation:
    description:
      - How a login that is not root becomes root on the host in order to enter the jail. It must
        be allowed to without a password.
      - V(auto) does nothing for root, and takes the first that the host has of C(sudo) and C(doas)
        for others.
    type: str
    choices: [auto, none, sudo, doas]
    default: auto
    vars:
      - name: ansible_jail_escalation
  jail_profile:
    description:
      - What is mounted for each command where the jail has no mount of its own; see the option
        of the same name of M(jaulas.chroot.chroot_exec).
      - With V(build) and V(desktop), the jail's C(/tmp) is not what is on its disk.
    type: str
    choices: [default, isolated, build, desktop, none]
    default: isolated
    vars:
      - name: ansible_jail_profile
  jail_services:
    description:
      - With V(deny), packages do not start their services when they are installed.
    type: str
    choices: [deny, allow]
    default: deny
    vars:
      - name: ansible_jail_services
  jail_host_python:
    description:
      - The Python of the host that enters the jail, a path or a name. It needs nothing installed.
      - V(auto) is C(/usr/bin/python3), or what C(python3) finds where there is none.
      - Not to be mixed up with C(ansible_python_interpreter), which is the jail's.
    type: str
    default: auto
    vars:
      - name: ansible_jail_host_python
"""
