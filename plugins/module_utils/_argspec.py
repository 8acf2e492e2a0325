# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that modules share; twin of doc_fragments/jail.py."""

from __future__ import annotations

JAIL: dict[str, dict[str, object]] = {"path": {"type": "path", "required": True}}
PROFILES = ["default", "isolated", "build", "desktop", "none"]
