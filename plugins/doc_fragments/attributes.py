# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What every module of the collection says about itself."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what it would change, without changing it.
    support: full
  diff_mode:
    description: Returns what has changed (or would change in C(check_mode)) as a diff.
    support: full
  platform:
    description: The hosts on which this runs.
    support: full
    platforms: linux
"""

    ACTIONGROUP = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/jaulas.chroot.chroot) in C(module_defaults) to set defaults for all
      modules of the collection.
    support: full
    membership:
      - jaulas.chroot.chroot
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode); it changes nothing anyway.
    support: full
  diff_mode:
    description: Returns what has changed as a diff.
    support: N/A
  platform:
    description: The hosts on which this runs.
    support: full
    platforms: linux
"""
