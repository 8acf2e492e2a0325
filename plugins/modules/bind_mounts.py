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
  - jaulas.chroot.jail.one_or_many
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
    choices: &states [mounted, unmounted, present, absent]
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
    choices: &profiles [default, isolated, build, desktop, none]
    default: default
  mounts:
    description:
      - Mounts besides those of the profile. One with the same O(mounts[].dest) takes the place of
        the profile's.
    type: list
    elements: dict
    default: []
    suboptions: &mounts
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
      - With O(state=unmounted) and O(state=absent), end the processes that run or stand inside it
        before something is unmounted, with SIGTERM and five seconds later with SIGKILL. Otherwise
        they can keep a mount busy, and the module fails.
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
      state: {description: [As O(state).], type: str, choices: *states}
      profile: {description: [As O(profile).], type: str, choices: *profiles}
      mounts: {description: [As O(mounts).], type: list, elements: dict, suboptions: *mounts}
      kill: {description: [As O(kill).], type: bool}
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

- name: The mounts of all jails of the host, in one call
  jaulas.chroot.bind_mounts:
    profile: isolated
    jails:
      - path: /srv/jails/trixie
      - path: /srv/jails/bookworm
        mounts:
          - {src: /srv/sources, dest: /usr/src/project, opts: [ro]}
      - path: /srv/jails/old
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

from ansible_collections.jaulas.chroot.plugins.module_utils import _bind_mounts, _module


def main() -> None:
    _module.run("bind_mounts", _bind_mounts.work)


if __name__ == "__main__":
    main()
