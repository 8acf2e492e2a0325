#!/usr/bin/python

# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: jail_image
short_description: Pass base images from one host to others
version_added: 0.1.0
description:
  - Offers the base images of jails that one host has bootstrapped, and receives them on other
    hosts, where M(jaulas.chroot.debootstrap_jail) then makes the same jails as copies. See there
    for what a base image is.
  - The role P(jaulas.chroot.jail_seed#role) does all of it, and the role
    P(jaulas.chroot.jails#role) includes it where C(jail_seed_from) names the host to receive from.
  - Images go straight from host to host, over HTTP. What proves that they are what was offered is
    their SHA-256, which goes by way of Ansible. The host that offers them is trusted with what is
    in the jails of the others.
extends_documentation_fragment:
  - jaulas.chroot.attributes
  - jaulas.chroot.attributes.actiongroup
options:
  state:
    description:
      - V(offered) packs the images of the jails at O(paths) and serves them to whoever knows
        where. Only what is packed can be had, from a process without any rights, at an address
        that holds 128 bits of chance. It ends when it is not asked for O(timeout) seconds.
      - V(received) gets those of O(images) that this host needs. One is not needed where its jail
        is complete or where the host has the image.
      - V(withdrawn) ends what serves them, and deletes what was packed.
    type: str
    choices: [offered, received, withdrawn]
    required: true
  paths:
    description:
      - With O(state=offered), folders of jails on this host. Required then.
    type: list
    elements: path
  images:
    description:
      - With O(state=received), what O(state=offered) has returned on the other host, or some of it.
    type: list
    elements: dict
    suboptions:
      path:
        description:
          - The folder of the jail, the same on both hosts.
        type: path
        required: true
      name:
        description:
          - The name of the image.
        type: str
        required: true
      file:
        description:
          - The packed image on the other host. Of a path, only the last name counts.
        type: str
        required: true
      url_path:
        description:
          - Where it is served.
        type: str
        required: true
      sha256:
        description:
          - Its SHA-256. What has another one is refused.
        type: str
        required: true
      size:
        description:
          - Its size in bytes.
        type: int
        required: true
  from:
    description:
      - With O(state=received), the name or address of the host that offers the images, as this host
        reaches it.
    type: str
  port:
    description:
      - With O(state=offered), the port on which they are served, on all addresses of the host; V(0)
        takes one that is free.
      - With O(state=received), the port that was returned there.
    type: int
    default: 0
  folder:
    description:
      - With O(state=received), a folder of this host that the packed images have been brought to,
        instead of O(from).
    type: path
  compression:
    description:
      - How images are packed. V(auto) takes C(zstd) where the host has it. Those who receive them
        need it as well.
    type: str
    choices: [auto, zstd, gzip]
    default: auto
  image_max_age:
    description:
      - Seconds for which an image is offered without asking the archive for its Release file.
      - Hosts that receive an image count its age from then on, and use it for an hour at least.
    type: int
    default: 3600
  http_proxy:
    description:
      - The proxy through which the archive is asked.
    type: str
  timeout:
    description:
      - Seconds without a request after which images are no longer served.
    type: int
    default: 600
notes:
  - Needs root on the host, Linux, GNU tar, and C(zstd) or C(gzip).
seealso:
  - module: jaulas.chroot.debootstrap_jail
author:
  - The jaulas.chroot authors (@jaulas)
"""

EXAMPLES = r"""
- name: Offer the image of a jail that is there
  jaulas.chroot.jail_image:
    state: offered
    paths: [/srv/jails/trixie]
  delegate_to: builder1.example.org
  run_once: true
  register: offer

- name: Receive it
  jaulas.chroot.jail_image:
    state: received
    from: builder1.example.org
    port: "{{ offer.port }}"
    images: "{{ offer.images }}"

- name: Offer it no longer
  jaulas.chroot.jail_image:
    state: withdrawn
  delegate_to: builder1.example.org
  run_once: true

- name: The same jail as on builder1, without a mirror
  jaulas.chroot.debootstrap_jail:
    path: /srv/jails/trixie
    suite: trixie
"""

RETURN = r"""
actions:
  description: What was done (or would be done in check mode), in order.
  returned: success
  type: list
  elements: str
  sample: [pack the image 0f343b0931c1, serve the packed images]
reasons:
  description: Why something was not done.
  returned: success
  type: list
  elements: str
  sample: [/srv/jails/trixie is complete]
port:
  description: The port on which images are served.
  returned: with O(state=offered), unless in check mode or where there is nothing to offer
  type: int
  sample: 43211
images:
  description: The images that are offered, one for each jail that has one.
  returned: with O(state=offered)
  type: list
  elements: dict
  contains:
    path:
      description: The folder of the jail, without symbolic links.
      type: str
    name:
      description: The name of the image.
      type: str
    file:
      description: The packed image.
      type: str
      returned: unless in check mode
    url_path:
      description: Where it is served.
      type: str
      returned: unless in check mode
    sha256:
      description: The SHA-256 of the packed image.
      type: str
      returned: unless in check mode
    size:
      description: Its size in bytes.
      type: int
      returned: unless in check mode
unreached:
  description:
    - The images that could not be reached, by their names, and why. That is no failure, since
      another way may lead to them.
  returned: with O(state=received)
  type: dict
  sample: {}
"""

from ansible_collections.jaulas.chroot.plugins.module_utils import _jail_image, _module


def main() -> None:
    _module.run("jail_image", _jail_image.work)


if __name__ == "__main__":
    main()
