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
  - jaulas.chroot.jail.one_or_many
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
    choices: &states [present, latest, absent]
    default: present
  update_cache:
    description:
      - Fetch the package lists first, if something depends on them, or if neither O(name) nor
        O(autoremove) asks for more.
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
  jails:
    description:
      - The jails of the host, for one call instead of a task for each.
      - What an entry leaves out is taken from the task's own option of the same name.
      - If something goes wrong with one jail, it is still done for the others; then the task fails.
    type: list
    elements: dict
    suboptions:
      path:
        description:
          - The jail's folder. None may be named twice.
        type: path
        required: true
      name: {description: [As O(name).], type: list, elements: str, aliases: [package, pkg]}
      state: {description: [As O(state).], type: str, choices: *states}
      update_cache: {description: [As O(update_cache).], type: bool}
      cache_valid_time: {description: [As O(cache_valid_time).], type: int}
      install_recommends: {description: [As O(install_recommends).], type: bool}
      default_release: {description: [As O(default_release).], type: str}
      autoremove: {description: [As O(autoremove).], type: bool}
      purge: {description: [As O(purge).], type: bool}
attributes:
  check_mode:
    details:
      - Shows what apt's own simulation says. Where the lists are to be fetched first, they are
        fetched into a place that is gone afterwards.
notes:
  - Two runs over the same jail do not get in each other's way; the second waits for the first, for
    ten minutes at most.
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

- name: The same editor in all jails of the host, and a compiler in one
  jaulas.chroot.jail_packages:
    name: nano
    jails:
      - path: /srv/jails/trixie
      - path: /srv/jails/bookworm
        name: [nano, gcc]
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
rc:
  description: The exit code of apt or dpkg.
  returned: when it failed
  type: int
  sample: 100
results:
  description:
    - With O(jails), one record for each of them, in their order. It has what is returned for one
      jail in its place, and the keys below.
  returned: with O(jails)
  type: list
  elements: dict
  contains:
    path:
      description: The jail's folder, without symbolic links.
      type: str
    changed:
      description: Whether something was (or would be) changed for it.
      type: bool
    failed:
      description: V(true) if it went wrong.
      type: bool
      returned: when it went wrong
    msg:
      description: What went wrong.
      type: str
      returned: when it went wrong
"""

from ansible_collections.jaulas.chroot.plugins.module_utils import _jail_packages, _module


def main() -> None:
    _module.run("jail_packages", _jail_packages.work)


if __name__ == "__main__":
    main()
