# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module jail_packages: packages in jails."""

from __future__ import annotations

from ansible_collections.jaulas.chroot.plugins.module_utils import _call, _packages
from ansible_collections.jaulas.chroot.plugins.module_utils._call import Answer, Call


def work(call: Call) -> Answer:
    # Whoever holds the jail is probably installing: worth waiting for.
    return _call.on_jails(
        call, lambda path, params: _packages.plan(path, params, call.check_mode), patience=600
    )
