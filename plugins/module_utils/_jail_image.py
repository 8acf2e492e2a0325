# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module jail_image: base images go from one host to others."""

from __future__ import annotations

from ansible_collections.jaulas.chroot.plugins.module_utils import _call, _offer, _receive
from ansible_collections.jaulas.chroot.plugins.module_utils._call import Answer, Call
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Plan


def work(call: Call) -> Answer:
    params = call.params

    def plan() -> Plan:
        if params["state"] == "received":
            return _receive.receive(params)
        return _offer.offer(params) if params["state"] == "offered" else _offer.withdraw()

    # What is offered is one thing for the whole host.
    held = [_offer.OFFERED] if params["state"] in ("offered", "withdrawn") else []
    return _call.on_host(call, plan, held)
