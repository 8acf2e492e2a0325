# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.jaulas.chroot.plugins.plugin_utils._quickly import QuickAction


class ActionModule(QuickAction):
    module = "chroot_exec"
