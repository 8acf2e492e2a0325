# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module chroot_exec: a command in a jail."""

from __future__ import annotations

from ansible_collections.jaulas.chroot.plugins.module_utils import _call, _exec
from ansible_collections.jaulas.chroot.plugins.module_utils._call import Answer, Call


def work(call: Call) -> Answer:
    # Several commands may run in one jail at once: no lock.
    return _call.on_jails(call, _exec.plan, exclusive=False)
