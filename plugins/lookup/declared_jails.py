# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: declared_jails
short_description: The jails that a host declares, as the modules take them
version_added: 0.1.0
description:
  - Reads the variables C(jails), C(jails_common) and C(jail_root) of a host, as the role
    P(jaulas.chroot.jails#role) does, and says for each jail what the modules' option C(jails)
    should hold for it.
  - A key is an option of the role P(jaulas.chroot.jail#role) without C(jail_) in front. One that is
    not known is refused, and so is one that a variable with C(jail_) in front overrules.
options:
  state:
    description:
      - The state that all jails should have, whatever they declare, or V(declared).
    type: str
    choices: [declared, present, absent]
    default: declared
author:
  - The jaulas.chroot authors (@jaulas)
"""

EXAMPLES = r"""
- name: Only the mounts of all jails that this host declares
  jaulas.chroot.bind_mounts:
    jails: "{{ query('jaulas.chroot.declared_jails') | map(attribute='bind_mounts') }}"
"""

RETURN = r"""
_list:
  description:
    - For each jail C(name), C(path), C(state) and C(fstab), and by the names of the modules
      C(debootstrap_jail), C(bind_mounts), C(jail_files) and C(jail_packages) an entry for their
      option C(jails). Where a module has nothing to do for the jail, its entry is left out.
  type: list
  elements: dict
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.lookup import LookupBase

from ansible_collections.jaulas.chroot.plugins.plugin_utils import _declared

_SPECS = Path(__file__).parents[2] / "roles/jail/meta/argument_specs.yml"
_ROOT = "/srv/jails"


class LookupModule(LookupBase):
    """Reads variables of the host; thinks in plugin_utils."""

    def run(
        self, _terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[dict[str, Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        seen = variables or {}
        role = yaml_load(_SPECS.read_text(encoding="utf-8"))["argument_specs"]["main"]
        known = _declared.options(role["options"])
        own = {key: self._value(seen[f"jail_{key}"]) for key in known if f"jail_{key}" in seen}
        common = self._value(seen.get("jails_common")) or {}
        state = self.get_option("state")
        ruled = {} if state == "declared" else {"state": state}
        root = self._value(seen.get("jail_root")) or _ROOT
        found = []
        for item in self._value(seen.get("jails")) or []:
            try:
                jail = _declared.complete({**common, **item, **ruled}, own, known, root)
            except ValueError as error:
                raise AnsibleError(str(error)) from None
            found.append(_declared.parts(jail))
        return found

    def _value(self, value: Any) -> Any:
        return self._templar.template(value)
