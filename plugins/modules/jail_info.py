#!/usr/bin/python

# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: jail_info
short_description: Tell what jails a host has, and how they are
version_added: 0.1.0
description:
  - Reads what is at some paths, or below some folders, as far as jails go. Starts no program and
    changes nothing.
  - Tells also what base images the host keeps.
  - Serves jails that this collection made and any other system in a folder.
extends_documentation_fragment:
  - jaulas.chroot.attributes.info
  - jaulas.chroot.attributes.actiongroup
options:
  paths:
    description:
      - Folders to tell about, whether or not anything is there.
    type: list
    elements: path
    default: []
  roots:
    description:
      - Folders whose own folders are looked at; those that hold a system, or what is left of one,
        are told about.
    type: list
    elements: path
    default: []
notes:
  - Needs root on the host to see all processes and files.
seealso:
  - module: jaulas.chroot.debootstrap_jail
author:
  - The jaulas.chroot authors (@jaulas)
"""

EXAMPLES = r"""
- name: Every jail of the host
  jaulas.chroot.jail_info:
    roots: [/srv/jails]
  register: jails

- name: Those that need somebody to look at them
  ansible.builtin.debug:
    msg: "{{ item.path }}: {{ item.stale | join('; ') }}"
  loop: "{{ jails.jails | selectattr('stale') }}"
  loop_control:
    label: "{{ item.path }}"
"""

RETURN = r"""
jails:
  description: One record for each path.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The folder, without symbolic links.
      type: str
      returned: always
    exists:
      description: Whether there is a folder.
      type: bool
      returned: always
    managed:
      description: Whether it carries this collection's marker.
      type: bool
      returned: always
    complete:
      description: Whether it is whole, by its marker or by dpkg's word.
      type: bool
      returned: always
    storage:
      description: Where its files are, V(directory) or V(overlay).
      type: str
      returned: always
    leftovers:
      description: What runs that were cut short left beside it.
      type: list
      elements: str
      returned: always
    fstab:
      description: The lines of /etc/fstab that mount something in it.
      type: list
      elements: str
      returned: always
    stale:
      description: What does not fit together, a sentence each.
      type: list
      elements: str
      returned: always
    parameters:
      description: What was declared when it was made.
      type: dict
      returned: when it exists
    digest:
      description: The digest of the parameters.
      type: str
      returned: when it exists
    engine:
      description: Name and version of the engine that made it.
      type: dict
      returned: when it exists
    release:
      description: What the archive called itself.
      type: dict
      returned: when it exists
    created:
      description: When it was complete, in UTC.
      type: str
      returned: when it exists
    image:
      description: The name of the base image that it was copied from; empty if it was bootstrapped.
      type: str
      returned: when it exists
    os_release:
      description: The fields of its os-release, in lower case. Do not trust what a jail says.
      type: dict
      returned: when it exists
    architecture:
      description: Its architecture, by Debian's name.
      type: str
      returned: when it exists
    size:
      description: Bytes on its own file system; of an overlay, what differs from its image.
      type: int
      returned: when it exists
    packages:
      description: Installed packages with their versions.
      type: dict
      returned: when it exists
    mounts:
      description: What is mounted in it, a line each.
      type: list
      elements: str
      returned: when it exists
    mounts_elsewhere:
      description: What is mounted in it in other mount namespaces.
      type: list
      elements: str
      returned: when it exists
    processes:
      description: The processes that use it.
      type: list
      elements: dict
      returned: when it exists
      contains:
        pid:
          description: The process id.
          type: int
        name:
          description: The name of the program.
          type: str
        reason:
          description: What of it lies inside.
          type: str
images:
  description: The base images that jails of the paths, and of the root file system, are made from.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The digest of all that it was made from.
      type: str
    path:
      description: Its folder.
      type: str
    parameters:
      description: The declared parameters that decide what is in it.
      type: dict
    engine:
      description: Name and version of the engine that made it.
      type: dict
    release:
      description: What the archive called itself.
      type: dict
    created:
      description: When the bootstrap was complete, in UTC.
      type: str
    used:
      description: When a jail was last made of it, in UTC.
      type: str
    size:
      description: Bytes on its file system.
      type: int
    intact:
      description: Whether it is what it was when it was kept. Only such a one is used.
      type: bool
    seeded:
      description: Whether it came from another host.
      type: bool
    packed:
      description: Whether it is one packed file, as it came, that is unpacked for each jail.
      type: bool
    overlays:
      description: The jails whose storage is an overlay of it.
      type: list
      elements: str
"""

from ansible_collections.jaulas.chroot.plugins.module_utils import _jail_info, _module


def main() -> None:
    _module.run("jail_info", _jail_info.work)


if __name__ == "__main__":
    main()
