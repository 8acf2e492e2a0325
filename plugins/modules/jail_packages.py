#!/usr/bin/python

# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: jail_packages
short_description: Install, upgrade and remove packages in a jail
version_added: 0.1.0
description:
  - Reads from outside which packages the jail has, and calls the jail's own apt where something is
    to be done. The jail needs no Python.
  - Packages do not start their services.
extends_documentation_fragment:
  - jaulas.chroot.jail
  - jaulas.chroot.attributes
  - jaulas.chroot.attributes.actiongroup
options:
  name:
    description:
      - The packages, as V(name), V(name:arch) or V(name=version).
      - V(*) with O(state=latest) means all that are installed.
    type: list
    elements: str
    default: []
    aliases: [package, pkg]
  state:
    description:
      - V(present) installs what is missing, V(latest) upgrades too, V(absent) removes.
    type: str
    choices: [present, latest, absent]
    default: present
  update_cache:
    description:
      - Fetch the package lists first, if something depends on them or if O(name) is empty.
      - A jail that has no lists at all gets them in any case when something is to be installed.
    type: bool
    default: false
  cache_valid_time:
    description:
      - Seconds for which fetched package lists are good.
    type: int
    default: 0
  install_recommends:
    description:
      - Install recommended packages too.
    type: bool
    default: false
  default_release:
    description:
      - The release to prefer, as for C(apt-get --default-release).
    type: str
  autoremove:
    description:
      - Remove packages that were installed for others and that none needs any more.
    type: bool
    default: false
  purge:
    description:
      - Delete the configuration files of what is removed.
    type: bool
    default: false
attributes:
  check_mode:
    details:
      - Shows what apt's own simulation says. Where the lists are to be fetched first, they are
        fetched into a place that is gone afterwards.
notes:
  - Needs root on the host, and dpkg and apt in the jail, whoever made it.
seealso:
  - module: ansible.builtin.apt
  - module: jaulas.chroot.chroot_exec
author:
  - The jaulas.chroot authors (@jaulas)
"""

EXAMPLES = r"""
- name: What a build needs
  jaulas.chroot.jail_packages:
    path: /srv/jails/trixie
    name: [build-essential, devscripts]
    update_cache: true
    cache_valid_time: 3600

- name: Everything up to date
  jaulas.chroot.jail_packages:
    path: /srv/jails/trixie
    name: '*'
    state: latest
    update_cache: true

- name: No trace of a package
  jaulas.chroot.jail_packages:
    path: /srv/jails/trixie
    name: nano
    state: absent
    purge: true
    autoremove: true
"""

RETURN = r"""
installed:
  description: What was (or would be) installed, with versions.
  returned: success
  type: list
  elements: str
  sample: [hello:amd64=2.10-3]
upgraded:
  description: What got another version, with the new ones.
  returned: success
  type: list
  elements: str
  sample: []
removed:
  description: What was removed, with the old versions.
  returned: success
  type: list
  elements: str
  sample: []
cache_updated:
  description: Whether the package lists were fetched.
  returned: success
  type: bool
actions:
  description: What was done (or would be done in check mode), in order.
  returned: success
  type: list
  elements: str
  sample: [install hello in /srv/jails/trixie]
reasons:
  description: Why nothing was done.
  returned: success
  type: list
  elements: str
  sample: [the packages of /srv/jails/trixie are as declared]
log:
  description: The last lines that apt said.
  returned: when it failed
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _argspec,
    _module,
    _packages,
    _rootfs,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_argspec.JAIL,
            "name": {
                "type": "list",
                "elements": "str",
                "default": [],
                "aliases": ["package", "pkg"],
            },
            "state": {
                "type": "str",
                "choices": ["present", "latest", "absent"],
                "default": "present",
            },
            "update_cache": {"type": "bool", "default": False},
            "cache_valid_time": {"type": "int", "default": 0},
            "install_recommends": {"type": "bool", "default": False},
            "default_release": {"type": "str"},
            "autoremove": {"type": "bool", "default": False},
            "purge": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    _module.run(
        module,
        _rootfs.real_root,
        lambda path: _packages.plan(path, module.params, module.check_mode),
    )


if __name__ == "__main__":
    main()
