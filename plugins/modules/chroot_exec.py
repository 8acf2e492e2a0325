#!/usr/bin/python

# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: chroot_exec
short_description: Run a command in a jail
version_added: 0.1.0
description:
  - Runs one command in a session, and returns what M(ansible.builtin.command) returns.
  - A session has mount, PID, host name and IPC namespaces of its own. When the command ends,
    everything that it started ends, and every mount of the session is gone, whatever happened.
  - The jail needs nothing but the command itself.
  - No shell is involved. Give C(sh -c '...') where one is wanted.
extends_documentation_fragment:
  - jaulas.chroot.jail
  - jaulas.chroot.attributes
  - jaulas.chroot.attributes.actiongroup
attributes:
  check_mode:
    description: The command is not run; what would be done follows from O(creates) and O(removes).
    support: partial
    details:
      - What the command would change cannot be known.
  diff_mode:
    description: There is none.
    support: none
options:
  cmd:
    description:
      - The command with its arguments, split into words as a shell would, with nothing expanded.
    type: str
  argv:
    description:
      - The command as a list of words.
    type: list
    elements: str
  chdir:
    description:
      - The folder of the jail to run it in.
    type: str
    default: /
  user:
    description:
      - Who to run it as, a user of the jail by name or number, with V(NAME:GROUP) to choose the
        group.
    type: str
    default: root
  env:
    description:
      - Variables to add to the environment, which is otherwise clean; nothing of the host's is
        passed on, not even what the task's C(environment) sets.
    type: dict
    default: {}
  stdin:
    description:
      - Text for the command's standard input, passed on as it is. Without it there is none.
    type: str
  stdin_base64:
    description:
      - Bytes for the command's standard input, in base64.
    type: str
  creates:
    description:
      - A path or pattern inside the jail. If it exists, the command is not run.
    type: str
  removes:
    description:
      - A path or pattern inside the jail. If it does not exist, the command is not run.
    type: str
  timeout:
    description:
      - Seconds after which the command and all that it started is killed, and the task fails.
    type: float
  profile:
    description:
      - What is mounted for the session where the jail has no mount of its own.
      - V(isolated) is a read-only C(/sys), and a C(/dev), C(/dev/pts) and C(/dev/shm) of the
        session's own. V(build) adds a C(/tmp) in memory. V(default) binds the host's C(/sys),
        C(/dev) and C(/dev/pts), V(desktop) also its C(/dev/shm), C(/home) and C(/tmp).
      - C(/proc) is always the session's own. With V(none) nothing is mounted, not even that.
    type: str
    choices: [default, isolated, build, desktop, none]
    default: isolated
  services:
    description:
      - With V(deny), packages that are installed by the command do not start their services
        (C(policy-rc.d) and C(SYSTEMD_OFFLINE), for the session only).
    type: str
    choices: [deny, allow]
    default: deny
  strip_empty_ends:
    description:
      - Take line ends off the end of RV(stdout) and RV(stderr).
    type: bool
    default: true
notes:
  - Needs root on the host. Works on any root folder but V(/), whoever made it.
  - In an i386 jail on an amd64 host C(uname -m) says C(i686), and so on.
seealso:
  - module: ansible.builtin.command
author:
  - The jaulas.chroot authors (@jaulas)
"""

EXAMPLES = r"""
- name: Which machine does the jail think it is?
  jaulas.chroot.chroot_exec:
    path: /srv/jails/kerepakupai-i386
    cmd: uname -m

- name: Build a package as an ordinary user, for an hour at most
  jaulas.chroot.chroot_exec:
    path: /srv/jails/trixie
    argv: [dpkg-buildpackage, -us, -uc]
    chdir: /home/builder/hello
    user: builder
    profile: build
    timeout: 3600

- name: Once only
  jaulas.chroot.chroot_exec:
    path: /srv/jails/trixie
    cmd: adduser --disabled-password --gecos '' builder
    creates: /home/builder
"""

RETURN = r"""
actions:
  description: What was done (or would be done in check mode).
  returned: success
  type: list
  elements: str
  sample: [run uname -m in /srv/jails/trixie]
reasons:
  description: Why nothing was done.
  returned: success
  type: list
  elements: str
  sample: [/etc/done exists in /srv/jails/trixie]
cmd:
  description: The command, as it was given.
  returned: unless it could not be started
  type: raw
  sample: uname -m
rc:
  description: The exit code; negative where a signal ended the command.
  returned: when it was run, or was not because of O(creates) or O(removes)
  type: int
  sample: 0
stdout:
  description: What it wrote to standard output.
  returned: when it was run, or was not because of O(creates) or O(removes)
  type: str
  sample: i686
stderr:
  description: What it wrote to standard error.
  returned: when it was run, or was not because of O(creates) or O(removes)
  type: str
  sample: ''
start:
  description: When it started; V(null) if it was not run.
  returned: when RV(rc) is
  type: str
  sample: '2026-11-23 16:00:00.000000'
end:
  description: When it ended; V(null) if it was not run.
  returned: when RV(rc) is
  type: str
  sample: '2026-11-23 16:00:00.050000'
delta:
  description: How long it took; V(null) if it was not run.
  returned: when RV(rc) is
  type: str
  sample: '0:00:00.050000'
timed_out:
  description: Whether O(timeout) ended it.
  returned: when it did
  type: bool
"""

from ansible_collections.jaulas.chroot.plugins.module_utils import _chroot_exec, _module


def main() -> None:
    _module.run("chroot_exec", _chroot_exec.work)


if __name__ == "__main__":
    main()
