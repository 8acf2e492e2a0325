# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What the modules that work on a jail share; twin of module_utils/_argspec.py."""

    DOCUMENTATION = r"""
options:
  path:
    description:
      - The jail's folder on the host, an absolute path.
      - The host's own root V(/) is refused, however it is spelled.
    type: path
    required: true
"""

    # For a module that has `jails` too.
    ONE_OR_MANY = r"""
options:
  path:
    description:
      - The jail's folder on the host, an absolute path.
      - The host's own root V(/) is refused, however it is spelled.
      - Either this or O(jails) is required.
    type: path
"""
