#!/usr/bin/python

# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bind_mounts
short_description: Own all mounts of a jail as one thing
version_added: 0.1.0
description:
  - Mounts in a jail exactly what is declared, and writes it to fstab so that it lasts.
  - The declared set is compared with the kernel's mount table by device, inode and options. What
    is missing is mounted, what is no longer declared is unmounted, what is mounted twice is
    mounted once, and what has another source or other options is corrected.
  - All mounts and all lines of fstab whose mount point lies below O(path) belong to the set,
    whoever made them.
  - Nothing is ever unmounted lazily, and every mount is made private, so that no later mount or
    unmount in the jail reaches the host.
extends_documentation_fragment:
  - jaulas.chroot.jail
  - jaulas.chroot.attributes
  - jaulas.chroot.attributes.actiongroup
options:
  state:
    description:
      - V(mounted) mounts the set and writes it to fstab.
      - V(present) only writes fstab.
      - V(unmounted) unmounts everything below the jail and leaves fstab alone.
      - V(absent) takes the lines out of fstab and then unmounts everything below the jail.
    type: str
    choices: [mounted, unmounted, present, absent]
    default: mounted
  profile:
    description:
      - The named set of mounts to begin with.
      - V(default) binds the host's C(/proc), C(/sys), C(/dev) and C(/dev/pts).
      - V(isolated) gives the jail a proc, a read-only sysfs, a devpts and a C(/dev/shm) of its own;
        its C(/dev) stays what is in its folder.
      - V(build) is V(isolated) with a C(/tmp) in memory.
      - V(desktop) is V(default) with the host's C(/dev/shm), C(/home) and C(/tmp).
      - V(none) is empty.
    type: str
    choices: [default, isolated, build, desktop, none]
    default: default
  mounts:
    description:
      - Mounts besides those of the profile. One with the same O(mounts[].dest) takes the place of
        the profile's.
    type: list
    elements: dict
    default: []
    suboptions:
      src:
        description:
          - What to mount, a path of the host for a bind mount.
        type: str
        required: true
      dest:
        description:
          - Where to mount it, a path inside the jail. What is missing of it is made. It may not be
            a symbolic link.
        type: str
        required: true
      fstype:
        description:
          - The type of the file system; V(none) for a bind mount.
        type: str
        default: none
      opts:
        description:
          - Mount options as for C(mount(8)). V(bind) needs no saying where O(mounts[].fstype=none).
          - Shared propagation is refused.
        type: list
        elements: str
        default: []
  fstab:
    description:
      - The file that keeps the mounts over a reboot.
    type: path
    default: /etc/fstab
  kill:
    description:
      - With O(state=unmounted) and O(state=absent), end the processes that run inside the jail
        before something is unmounted, with SIGTERM and five seconds later with SIGKILL. Otherwise
        they can keep a mount busy, and the module fails.
    type: bool
    default: false
notes:
  - Needs root on the host. Works on any root folder but V(/), whoever made it.
  - Lines in fstab carry V(nofail), so that a jail that is gone never stops the boot, and the
    option C(x-jaulas.chroot).
seealso:
  - module: jaulas.chroot.debootstrap_jail
  - module: ansible.posix.mount
author:
  - The jaulas.chroot authors (@jaulas)
"""

EXAMPLES = r"""
- name: The classic four, now and after every boot
  jaulas.chroot.bind_mounts:
    path: /srv/jails/trixie

- name: A build jail that sees the sources of the host, read-only
  jaulas.chroot.bind_mounts:
    path: /srv/jails/trixie
    profile: build
    mounts:
      - src: /srv/sources
        dest: /usr/src/project
        opts: [ro]

- name: No mounts any more
  jaulas.chroot.bind_mounts:
    path: /srv/jails/trixie
    state: absent
"""

RETURN = r"""
mounts:
  description: What is mounted below the jail, a line each with point, type, source and options.
  returned: success
  type: list
  elements: str
  sample: [/srv/jails/trixie/proc proc proc nosuid]
actions:
  description: What was done (or would be done in check mode), in order.
  returned: success
  type: list
  elements: str
  sample: [mount /proc on /srv/jails/trixie/proc]
reasons:
  description: Why nothing was done.
  returned: success
  type: list
  elements: str
  sample: [the mounts of /srv/jails/trixie are as declared]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _argspec,
    _module,
    _mount_set,
    _rootfs,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_argspec.JAIL,
            "state": {
                "type": "str",
                "choices": ["mounted", "unmounted", "present", "absent"],
                "default": "mounted",
            },
            "profile": {
                "type": "str",
                "choices": _argspec.PROFILES,
                "default": "default",
            },
            "mounts": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "src": {"type": "str", "required": True},
                    "dest": {"type": "str", "required": True},
                    "fstype": {"type": "str", "default": "none"},
                    "opts": {"type": "list", "elements": "str", "default": []},
                },
            },
            "fstab": {"type": "path", "default": "/etc/fstab"},
            "kill": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    leaving = params["state"] in ("unmounted", "absent")
    _module.run(
        module,
        _rootfs.real_root_or_nothing if leaving else _rootfs.real_root,
        lambda path: _mount_set.plan(
            path,
            _mount_set.declared(params["profile"], params["mounts"]),
            params["state"],
            params["fstab"],
            kill=params["kill"],
        ),
        also_locks=[params["fstab"]],
    )


if __name__ == "__main__":
    main()
