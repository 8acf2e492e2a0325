#!/usr/bin/python

# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: jail_files
short_description: Put files into a jail from outside
version_added: 0.1.0
description:
  - Writes small files of a jail, such as C(sources.list) or C(resolv.conf). The jail needs no
    Python.
  - Paths are resolved inside the jail. A symbolic link of the jail never leads the write out of it,
    and what is mounted there from elsewhere is not written to.
extends_documentation_fragment:
  - jaulas.chroot.jail.one_or_many
  - jaulas.chroot.attributes
  - jaulas.chroot.attributes.actiongroup
options:
  files:
    description:
      - The files. Required, here or in each entry of O(jails).
    type: list
    elements: dict
    suboptions: &files
      dest:
        description:
          - The file, a path inside the jail. Folders above it are made where they are missing. A
            symbolic link in its place is replaced.
        type: str
        required: true
      content:
        description:
          - The text that it should hold, 16 MiB at most.
        type: str
      src:
        description:
          - A file of the host that it should be a copy of, 16 MiB at most. A larger one is refused.
        type: path
      mode:
        description:
          - Its permissions, an octal number. Without quotes it needs a zero in front, which YAML
            reads as octal. The owner is root.
        type: raw
        default: '0644'
      state:
        description:
          - Whether it should be there.
        type: str
        choices: [present, absent]
        default: present
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
      files: {description: [As O(files).], type: list, elements: dict, suboptions: *files}
notes:
  - Needs root on the host. Works on any root folder but V(/), whoever made it.
seealso:
  - module: jaulas.chroot.chroot_exec
author:
  - The jaulas.chroot authors (@jaulas)
"""

EXAMPLES = r"""
- name: The host's resolver, and one source of packages
  jaulas.chroot.jail_files:
    path: /srv/jails/trixie
    files:
      - dest: /etc/resolv.conf
        src: /etc/resolv.conf
      - dest: /etc/apt/sources.list
        content: |
          deb https://mirror.example.org/debian trixie main

- name: The host's resolver, for two jails
  jaulas.chroot.jail_files:
    files:
      - {dest: /etc/resolv.conf, src: /etc/resolv.conf}
    jails:
      - path: /srv/jails/trixie
      - path: /srv/jails/bookworm
"""

RETURN = r"""
actions:
  description: What was done (or would be done in check mode), in order.
  returned: success
  type: list
  elements: str
  sample: [write /srv/jails/trixie/etc/resolv.conf]
reasons:
  description: Why nothing was done.
  returned: success
  type: list
  elements: str
  sample: [the files in /srv/jails/trixie are as declared]
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

from ansible_collections.jaulas.chroot.plugins.module_utils import _jail_files, _module


def main() -> None:
    _module.run("jail_files", _jail_files.work)


if __name__ == "__main__":
    main()
