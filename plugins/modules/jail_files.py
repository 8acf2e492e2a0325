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
  - jaulas.chroot.jail
  - jaulas.chroot.attributes
  - jaulas.chroot.attributes.actiongroup
options:
  files:
    description:
      - The files.
    type: list
    elements: dict
    required: true
    suboptions:
      dest:
        description:
          - The file, a path inside the jail. Folders above it are made where they are missing. A
            symbolic link in its place is replaced.
        type: str
        required: true
      content:
        description:
          - The text that it should hold.
        type: str
      src:
        description:
          - A file of the host that it should be a copy of, 16 MiB at most.
        type: path
      mode:
        description:
          - Its permissions, an octal number. The owner is root.
        type: str
        default: '0644'
      state:
        description:
          - Whether it should be there.
        type: str
        choices: [present, absent]
        default: present
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
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _argspec,
    _module,
    _put,
    _rootfs,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_argspec.JAIL,
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "dest": {"type": "str", "required": True},
                    "content": {"type": "str"},
                    "src": {"type": "path"},
                    "mode": {"type": "str", "default": "0644"},
                    "state": {
                        "type": "str",
                        "choices": ["present", "absent"],
                        "default": "present",
                    },
                },
                "mutually_exclusive": [("content", "src")],
                "required_if": [("state", "present", ("content", "src"), True)],
            },
        },
        supports_check_mode=True,
    )
    _module.run(module, _rootfs.real_root, lambda path: _put.plan(path, module.params["files"]))


if __name__ == "__main__":
    main()
