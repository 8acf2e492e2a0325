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
  - jaulas.chroot.jail.one_or_many
  - jaulas.chroot.attributes
  - jaulas.chroot.attributes.actiongroup
options:
  state:
    description:
      - Whether the jail should be there.
    type: str
    choices: &states [present, absent]
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
    choices: &variants [default, minbase, buildd]
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
    choices: &engines [auto, debootstrap, mmdebstrap]
    default: auto
  storage:
    description:
      - Where the jail's files are. With V(directory) all of them are in O(path).
      - With V(overlay) the jail is an overlay on a base image, which is bootstrapped first if there
        is none that may be used. It is made in a fraction of a second and takes only the space of
        what is changed in it, which lies in a folder beside it, V(PATH.overlay). It is mounted, and
        a line in O(fstab) mounts it after every boot.
      - It cannot be changed by a rebuild.
    type: str
    choices: &storages [directory, overlay]
    default: directory
  image:
    description:
      - Keep a base image of what is bootstrapped, and make the jail as a copy of one where there is
        one that was made from the same parameters by the same engine.
      - An image is used only while the archive's Release file is the one that it was made from, or
        while it is younger than O(image_max_age), and never when something in it has been changed.
      - One that M(jaulas.chroot.jail_image) has received is used for any jail with the same
        parameters, and for an hour at least.
      - A copy has a machine id and ssh host keys of its own, the name and the resolver of its host,
        and no logs.
      - Images are in C(/var/lib/jaulas.chroot/images), or, where the jail is on another file system
        whose files can share blocks, in C(.jaulas.chroot/images) at the top of that.
      - With O(storage=overlay) images are used in any case.
    type: bool
    default: true
  image_from:
    description:
      - Another host that offers images, by M(jaulas.chroot.jail_image). A jail that is not there,
        and that no image of this host fits, is then made of what is offered for it, or left for
        another run; it is not bootstrapped.
      - What is received is verified as by M(jaulas.chroot.jail_image), and kept. With
        O(storage=overlay) it is received only.
    type: dict
    suboptions:
      host:
        description:
          - Its name or address, as this host reaches it.
        type: str
        required: true
      port:
        description:
          - The port that was returned there.
        type: int
        required: true
      images:
        description:
          - The images that were returned there, or some of them.
        type: list
        elements: dict
        required: true
        suboptions:
          path: {description: [The folder of the jail.], type: path, required: true}
          name: {description: [The name of the image.], type: str, required: true}
          file: {description: [The packed image on the other host.], type: str, required: true}
          url_path: {description: [Where it is served.], type: str, required: true}
          sha256: {description: [Its SHA-256.], type: str, required: true}
          size: {description: [Its size in bytes.], type: int, required: true}
  image_max_age:
    description:
      - Seconds for which an image may be used without asking the archive for its Release file.
    type: int
    default: 0
  image_keep:
    description:
      - How many images to keep on the file system. Beyond that, the longest unused goes first, but
        none that an overlay needs. V(0) is as O(image=false).
    type: int
    default: 5
  fstab:
    description:
      - The file that mounts overlays after a boot.
    type: path
    default: /etc/fstab
  on_drift:
    description:
      - What to do with a jail that was made from other parameters than these.
      - V(rebuild) makes a new one and replaces the old one by it in one step, once it is complete;
        what was in the old one is deleted. It is refused while the old one is in use.
    type: str
    choices: &on_drift [fail, warn, rebuild]
    default: fail
  kill:
    description:
      - With O(state=absent), end the processes that run or stand inside it, with SIGTERM and five
        seconds later with SIGKILL. Otherwise they stop the removal.
    type: bool
    default: false
  http_proxy:
    description:
      - The proxy through which the archive is fetched. It is not kept in the jail.
    type: str
  deb_cache:
    description:
      - Keep the packages that a bootstrap fetches, in C(/var/cache/jaulas.chroot/debs) on the host,
        so that the next jail fetches only what no jail has needed before. The engine verifies a
        kept package as it verifies one that it has just fetched.
      - What no bootstrap has needed for 30 days goes, and what was needed longest ago when there is
        more than 2 GiB. Nothing is kept when less than 1 GiB would be left free on the disk.
      - Of use where both the mirror and O(http_proxy), if there is one, are C(http); elsewhere it
        changes nothing. A proxy that the host's apt detects by itself (C(Proxy-Auto-Detect)) is
        passed by, unless it is named in O(http_proxy).
    type: bool
    default: true
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
      suite: {description: [As O(suite).], type: str}
      mirror: {description: [As O(mirror).], type: str}
      arch: {description: [As O(arch).], type: str}
      variant: {description: [As O(variant).], type: str, choices: *variants}
      include: {description: [As O(include).], type: list, elements: str}
      exclude: {description: [As O(exclude).], type: list, elements: str}
      components: {description: [As O(components).], type: list, elements: str}
      extra_suites: {description: [As O(extra_suites).], type: list, elements: str}
      keyring: {description: [As O(keyring).], type: path}
      check_gpg: {description: [As O(check_gpg).], type: bool}
      check_valid_until: {description: [As O(check_valid_until).], type: bool}
      script: {description: [As O(script).], type: str}
      merged_usr: {description: [As O(merged_usr).], type: bool}
      engine: {description: [As O(engine).], type: str, choices: *engines}
      storage: {description: [As O(storage).], type: str, choices: *storages}
      image: {description: [As O(image).], type: bool}
      image_max_age: {description: [As O(image_max_age).], type: int}
      image_keep: {description: [As O(image_keep).], type: int}
      fstab: {description: [As O(fstab).], type: path}
      on_drift: {description: [As O(on_drift).], type: str, choices: *on_drift}
      kill: {description: [As O(kill).], type: bool}
      http_proxy: {description: [As O(http_proxy).], type: str}
      deb_cache: {description: [As O(deb_cache).], type: bool}
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

- name: A jail that is there at once, for as long as it is needed
  jaulas.chroot.debootstrap_jail:
    path: /srv/jails/scratch
    suite: trixie
    variant: minbase
    storage: overlay
    image_max_age: 86400

- name: No jail, even if something still runs in it
  jaulas.chroot.debootstrap_jail:
    path: /srv/jails/trixie
    state: absent
    kill: true

- name: Two jails, one after the other, from the same mirror
  jaulas.chroot.debootstrap_jail:
    mirror: https://mirror.example.org/debian
    variant: minbase
    jails:
      - {path: /srv/jails/trixie, suite: trixie}
      - {path: /srv/jails/bookworm, suite: bookworm}
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
unreached:
  description: The images that could not be reached, by their names, and why. Their jails are left.
  returned: with O(image_from), when it is asked
  type: dict
  sample: {}
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
    image:
      description: The name of the base image that it was copied from; empty if it was bootstrapped.
      type: str
log:
  description: The last lines of the engine's log.
  returned: when the engine failed
  type: list
  elements: str
rc:
  description: The engine's exit code.
  returned: when the engine failed
  type: int
  sample: 1
mounts:
  description: What is mounted in the jail, or where its files are mounted elsewhere, a line each.
  returned: when that stops a removal or a rebuild
  type: list
  elements: str
  sample: [/srv/jails/trixie/proc proc proc nosuid]
processes:
  description: The processes that use the jail, a line each.
  returned: when they stop a removal or a rebuild
  type: list
  elements: str
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

from ansible_collections.jaulas.chroot.plugins.module_utils import _debootstrap_jail, _module


def main() -> None:
    _module.run("debootstrap_jail", _debootstrap_jail.work)


if __name__ == "__main__":
    main()
