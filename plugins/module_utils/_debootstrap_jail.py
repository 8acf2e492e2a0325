# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module debootstrap_jail: a jail is made, kept, rebuilt or removed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ansible_collections.jaulas.chroot.plugins.module_utils import _call, _create, _remove, _rootfs
from ansible_collections.jaulas.chroot.plugins.module_utils._call import Answer, Call
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Plan


def _plan(foreseen: _create.Foreseen | None, path: str, params: Mapping[str, Any]) -> Plan:
    if params["state"] == "absent":
        return _remove.plan(path, params["kill"], params["fstab"])
    return _create.plan(path, params, foreseen)


def work(call: Call) -> Answer:
    plan = partial(_plan, [] if call.check_mode else None)
    # Whoever holds the jail is probably making it: worth waiting for.
    return _call.on_jails(
        call, plan, lambda params: _rootfs.real_parent(str(params["path"])), patience=600
    )
