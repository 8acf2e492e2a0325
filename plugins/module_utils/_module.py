# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one place that knows AnsibleModule: it parses the options, and ends the module."""

from __future__ import annotations

from collections.abc import Callable

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.jaulas.chroot.plugins.module_utils import _specs
from ansible_collections.jaulas.chroot.plugins.module_utils._call import Answer, Call


def run(name: str, work: Callable[[Call], Answer]) -> None:
    """Run a module: work is what does it."""
    module = AnsibleModule(**_specs.SPECS[name])
    answer = work(Call(name, module.params, module.check_mode, module._diff))
    for warning in answer.pop("warnings", []):
        module.warn(warning)
    if answer.pop("failed", False):
        module.fail_json(**answer)
    module.exit_json(**answer)
