#!/usr/bin/python

# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: debootstrap_jail
short_description: Make or remove a Debian system in a folder
version_added: 0.1.0
description:
  - Bootstraps a Debian system, or that of a derivative, into a folder of the host, with
    C(debootstrap) or C(mmdebstrap).
  - A jail appears under its name in one step and only when it is complete. A bootstrap that fails
    or is killed leaves no mount, no process and no jail; what it may leave beside the jail is
    cleared by the next run.
  - A finished jail carries the file C(.jail.json), which tells what it was made from. A folder
    without it is never overwritten and never deleted.
  - Removal is refused while anything is mounted in the jail, in any mount namespace that can be
    seen, or while a process uses it.
extends_documentation_fragment:
  - jaulas.chroot.jail
  - jaulas.chroot.attributes
  - jaulas.chroot.attributes.actiongroup
options:
  state:
    description:
      - Whether the jail should be there.
    type: str
    choices: [present, absent]
    default: present
  suite:
    description:
      - The release to bootstrap, by the name that the archive has for it.
      - Required with O(state=present).
    type: str
  mirror:
    description:
      - The address of the archive.
      - Without it the engine's own default is used.
    type: str
  arch:
    description:
      - The architecture of the jail, by Debian's name for it.
      - One that the host's processor does not run needs C(qemu-user-static) on the host, with
        handlers that have the F flag.
      - Without it the host's own architecture is used.
    type: str
  variant:
    description:
      - Which packages make up the system. V(default) takes those of priority required and
        important, V(minbase) those required and apt, V(buildd) adds C(build-essential) to
        that.
    type: str
    choices: [default, minbase, buildd]
    default: default
  include:
    description:
      - Packages to install besides.
    type: list
    elements: str
    default: []
  exclude:
    description:
      - Packages to leave out. Only debootstrap can do it, so V(engine=auto) takes that.
    type: list
    elements: str
    default: []
  components:
    description:
      - Parts of the archive to take packages from.
    type: list
    elements: str
    default: [main]
  extra_suites:
    description:
      - More suites of the same mirror to take packages from.
      - debootstrap takes a package from the first suite that has it, mmdebstrap the newest version.
    type: list
    elements: str
    default: []
  keyring:
    description:
      - A file on the host with the keys that may sign the archive.
      - It is also given to the jail's own apt, unless the jail has the same file from a package.
      - Without it the engine's own choice is used.
    type: path
  check_gpg:
    description:
      - Verify the archive's signature. The bootstrap stops when that cannot be done.
      - With V(false) anybody between the mirror and the host can change what is installed.
    type: bool
    default: true
  check_valid_until:
    description:
      - Refuse an archive whose Release file has expired. A frozen archive needs V(false).
    type: bool
    default: true
  script:
    description:
      - The suite whose debootstrap script is borrowed for a suite that debootstrap does not know,
        or the path of a script.
      - mmdebstrap needs none and does not look at it.
    type: str
  merged_usr:
    description:
      - Whether C(/bin), C(/sbin) and C(/lib) are links into C(/usr).
      - Without it the engine decides, by the suite.
    type: bool
  engine:
    description:
      - The program that bootstraps.
      - V(auto) takes the fastest that the host has and that can do what is asked for.
    type: str
    choices: [auto, debootstrap, mmdebstrap]
    default: auto
  on_drift:
    description:
      - What to do with a jail that was made from other parameters than these.
      - V(rebuild) makes a new one and replaces the old one by it in one step, once it is complete;
        what was in the old one is deleted. It is refused while the old one is in use.
    type: str
    choices: [fail, warn, rebuild]
    default: fail
  kill:
    description:
      - With O(state=absent), end the processes that run inside the jail, with SIGTERM and five
        seconds later with SIGKILL. Otherwise they stop the removal.
    type: bool
    default: false
  http_proxy:
    description:
      - The proxy through which the archive is fetched. It is not kept in the jail.
    type: str
notes:
  - Two runs over the same jail do not get in each other's way; the second waits for the first, for
    ten minutes at most.
  - Needs root on the host, Linux, and one of the two engines. The role
    P(jaulas.chroot.jail_host#role) installs them.
seealso:
  - module: jaulas.chroot.bind_mounts
  - module: jaulas.chroot.chroot_exec
  - name: debootstrap(8)
    description: The manual of debootstrap.
    link: https://manpages.debian.org/debootstrap
author:
  - The jaulas.chroot authors (@jaulas)
"""

EXAMPLES = r"""
- name: A small Debian 13 in a folder
  jaulas.chroot.debootstrap_jail:
    path: /srv/jails/trixie
    suite: trixie
    variant: minbase

- name: A 32-bit system of a derivative that debootstrap does not know
  jaulas.chroot.debootstrap_jail:
    path: /srv/jails/kerepakupai-i386
    suite: kerepakupai
    script: wheezy
    arch: i386
    mirror: https://mirror.example.org/canaima
    keyring: /usr/share/keyrings/canaima-archive-keyring.gpg

- name: No jail, even if something still runs in it
  jaulas.chroot.debootstrap_jail:
    path: /srv/jails/trixie
    state: absent
    kill: true
"""

RETURN = r"""
path:
  description: The jail's folder, without symbolic links.
  returned: success
  type: str
  sample: /srv/jails/trixie
actions:
  description: What was done (or would be done in check mode), in order.
  returned: success
  type: list
  elements: str
  sample: [bootstrap /srv/jails/trixie with trixie by mmdebstrap]
reasons:
  description: Why nothing was done.
  returned: success
  type: list
  elements: str
  sample: [/srv/jails/trixie is complete]
engine:
  description: The engine that was chosen.
  returned: when a jail is made
  type: str
  sample: mmdebstrap
drift:
  description: In what the jail differs from its declaration.
  returned: when the jail was there already, or when it differs
  type: list
  elements: str
  sample: ['suite: "bookworm" -> "trixie"']
jail:
  description: What the jail was made from.
  returned: when there is a jail
  type: dict
  contains:
    parameters:
      description: The declared parameters.
      type: dict
    digest:
      description: Their digest.
      type: str
    engine:
      description: Name and version of the engine.
      type: dict
    release:
      description: What the archive called itself, with the date of its Release file.
      type: dict
    created:
      description: When the jail was complete, in UTC.
      type: str
log:
  description: The last lines of the engine's log.
  returned: when the engine failed
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _argspec,
    _create,
    _module,
    _remove,
    _rootfs,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Plan


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_argspec.JAIL,
            "state": {
                "type": "str",
                "choices": ["present", "absent"],
                "default": "present",
            },
            "suite": {"type": "str"},
            "mirror": {"type": "str"},
            "arch": {"type": "str"},
            "variant": {
                "type": "str",
                "choices": ["default", "minbase", "buildd"],
                "default": "default",
            },
            "include": {"type": "list", "elements": "str", "default": []},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "components": {"type": "list", "elements": "str", "default": ["main"]},
            "extra_suites": {"type": "list", "elements": "str", "default": []},
            "keyring": {"type": "path", "no_log": False},
            "check_gpg": {"type": "bool", "default": True},
            "check_valid_until": {"type": "bool", "default": True},
            "script": {"type": "str"},
            "merged_usr": {"type": "bool"},
            "engine": {
                "type": "str",
                "choices": ["auto", "debootstrap", "mmdebstrap"],
                "default": "auto",
            },
            "on_drift": {
                "type": "str",
                "choices": ["fail", "warn", "rebuild"],
                "default": "fail",
            },
            "kill": {"type": "bool", "default": False},
            "http_proxy": {"type": "str"},
        },
        required_if=[("state", "present", ["suite"])],
        supports_check_mode=True,
    )
    params = module.params

    def plan(path: str) -> Plan:
        if params["state"] == "absent":
            return _remove.plan(path, params["kill"])
        return _create.plan(path, params)

    # Whoever holds the jail is probably making it: worth waiting for.
    _module.run(module, _rootfs.real_parent, plan, patience=600)


if __name__ == "__main__":
    main()
