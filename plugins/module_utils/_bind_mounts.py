# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module bind_mounts: the mounts of jails, now and at the next boot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.jaulas.chroot.plugins.module_utils import _call, _mount_set, _rootfs
from ansible_collections.jaulas.chroot.plugins.module_utils._call import Answer, Call
from ansible_collections.jaulas.chroot.plugins.module_utils._jobs import Manner


def _resolve(params: Mapping[str, Any]) -> str:
    leaving = params["state"] in ("unmounted", "absent")
    return (_rootfs.real_root_or_nothing if leaving else _rootfs.real_root)(params["path"])


def work(call: Call) -> Answer:
    fstab = call.params["fstab"]
    manner = Manner(
        _resolve,
        lambda: _mount_set.Survey(fstab).plan,
        _mount_set.apart,
        also_locks=[fstab],
    )
    return _call.in_manner(call, manner)
