# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: jails
short_description: Jails that are declared on hosts become hosts
version_added: 0.1.0
description:
  - Reads the list C(jails) of the hosts that the sources before this one have, the same that the
    playbook C(jaulas.chroot.provision) reads, and adds one host for each jail, with its
    connection set.
  - A jail is called C(JAIL.HOST). It is in the groups C(jails), C(jails_on_HOST), and, as far as
    suite and architecture are known, C(jail_suite_SUITE) and C(jail_arch_ARCH). In these names
    every sign that is no letter, digit or underscore becomes an underscore, as in
    C(jails_on_web1_example_org).
  - It gets the variables of its host that begin with C(ansible_) and that are about the way there,
    and the dictionary C(jail) with C(name), C(host), C(path) and what else is declared or found.
  - The file's name must end with C(jails.yml) or C(jails.yaml), and Ansible must read it after the
    file with the hosts; the files of a folder are read in the order of their names.
extends_documentation_fragment:
  - constructed
  - inventory_cache
options:
  plugin:
    description:
      - The name of this plugin.
    type: str
    required: true
    choices: [jaulas.chroot.jails]
  discover:
    description:
      - Ask the hosts themselves too, so that jails appear that were made elsewhere.
      - What they answer is kept if O(cache) is on. Hosts that cannot be reached are left out with a
        warning. It must not take a password that you would have to type.
    type: bool
    default: false
  roots:
    description:
      - With O(discover=true), the folders of the hosts whose own folders are looked at.
    type: list
    elements: str
    default: [/srv/jails]
notes:
  - Variables of hosts and groups are seen that the inventory holds, or files of C(host_vars) and
    C(group_vars) beside it; those beside a playbook are not.
  - What a host answers is data - it is never evaluated as a template, and a jail whose name is
    none is left out with a warning.
author:
  - The jaulas.chroot authors (@jaulas)
"""

EXAMPLES = r"""
# hosts.yml
all:
  hosts:
    web1:
    web2:
  vars:
    jails:
      - {name: trixie, suite: trixie, python: true}

# jails.yml, in the same folder; then: ansible -i FOLDER jails -m ansible.builtin.ping
plugin: jaulas.chroot.jails
keyed_groups:
  - {prefix: jail_variant, key: jail.variant | default('minbase')}
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.inventory.helpers import get_group_vars
from ansible.inventory.host import Host
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.plugins.loader import connection_loader
from ansible.utils.vars import combine_vars
from ansible.vars.plugins import get_vars_from_inventory_sources

from ansible_collections.jaulas.chroot.plugins.plugin_utils import _discovery, _hosts

_ROOT = "/srv/jails"


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Reads hosts that are there already, and adds others."""

    NAME = "jaulas.chroot.jails"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith(("jails.yml", "jails.yaml"))

    def parse(
        self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True
    ) -> None:
        super().parse(inventory, loader, path, cache=cache)
        self._read_config_data(path)
        # It makes the group `all` the parent of all others, which Ansible does last of all.
        inventory.reconcile_inventory()
        hosts = {
            name: self._variables(host)
            for name, host in inventory.hosts.items()
            if "ansible_jail_path" not in host.get_vars()
        }
        found = self._found(list(hosts), path, cache) if self.get_option("discover") else {}
        connections: set[str] = set()
        for host, variables in hosts.items():
            jails = {jail["path"]: jail for jail in self._declared(host, variables)}
            for answer in found.get(host, []):
                jail = _hosts.found_jail(answer)
                jails.setdefault(jail["path"], jail)
            if not jails:
                continue
            try:
                way = _hosts.way_in(host, self._evaluated(host, variables))
            except AnsibleError as error:
                # What is wrong with one host is no reason to lose the jails of the others.
                self.display.warning(f"Left out the jails of {host}: {error}")
                continue
            if way is None:
                self.display.warning(
                    f"Left out the jails of {host}: there is no connection into jails by way of "
                    f"{variables['ansible_connection']}."
                )
                continue
            connections.add(way["ansible_connection"])
            for jail in jails.values():
                self._add(host, way, jail)
        for connection in connections:
            # Read here, its options need not be read anew by the worker of every task.
            connection_loader.get(connection, class_only=True)

    def _variables(self, host: Host) -> dict[str, Any]:
        """All variables that the inventory has for a host."""
        sources, groups = self.inventory.processed_sources, host.get_groups()
        variables: dict[str, Any] = get_group_vars(groups)
        for more in (
            get_vars_from_inventory_sources(self.loader, sources, groups, "all"),
            host.get_vars(),
            get_vars_from_inventory_sources(self.loader, sources, [host], "all"),
        ):
            variables = combine_vars(variables, more)
        return variables

    def _declared(self, host: str, variables: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The jails that a host should have."""
        if not variables.get("jails"):
            return
        self.templar.available_variables = {**variables, "inventory_hostname": host}
        jails, common, root = (
            self.templar.template(variables.get(name, default))
            for name, default in (("jails", []), ("jails_common", {}), ("jail_root", _ROOT))
        )
        for item in jails:
            jail = {**common, **item} if isinstance(item, Mapping) else {}
            if "name" not in jail:
                raise AnsibleParserError(
                    f"Cannot read the jails of {host}: {item!r} is no declaration with a name."
                )
            if jail.get("state", "present") == "present":
                yield {"path": f"{root}/{jail['name']}", **jail}

    def _found(self, hosts: list[str], path: str, cache: bool) -> Mapping[str, list[Any]]:
        """The jails that hosts say they have, from the cache if that is wanted."""
        key, use = self.get_cache_key(path), self.get_option("cache")
        if use and cache and key in self._cache:
            return dict(self._cache[key])
        sources = [source for source in self.inventory.processed_sources if source != path]
        found = _discovery.ask(hosts, self.get_option("roots"), sources)
        if use:
            self._cache[key] = dict(found)
        return found

    def _add(self, host: str, way: Mapping[str, Any], jail: dict[str, Any]) -> None:
        """Add one jail as a host, with its groups and variables."""
        if not _hosts.is_name(str(jail["name"])):
            self.display.warning(
                f"Left out a jail of {host}: {jail['name']!r} is no name for a host."
            )
            return
        name = f"{jail['name']}.{host}"
        self.inventory.add_host(name)
        own = {
            **way,
            "ansible_jail_path": jail["path"],
            "jail": {**jail, "host": host},
            # A host's jails are not its jails' own.
            "jails": [],
        }
        for variable, value in own.items():
            self.inventory.set_variable(name, variable, value)
        groups = {"jails": "", "jails_on_": host}
        groups["jail_suite_"] = str(jail.get("suite") or "")
        groups["jail_arch_"] = str(jail.get("arch") or "")
        for prefix, value in groups.items():
            if value or prefix == "jails":
                group = self.inventory.add_group(self._sanitize_group_name(prefix + value))
                self.inventory.add_child(group, name)
        strict = self.get_option("strict")
        facts = {**own, "inventory_hostname": name}
        self._set_composite_vars(self.get_option("compose"), facts, name, strict=strict)
        facts.update(self.inventory.get_host(name).get_vars())
        self._add_host_to_composed_groups(self.get_option("groups"), facts, name, strict, False)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), facts, name, strict, False)

    def _evaluated(self, host: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The connection's variables with their templates evaluated for the host, not the jail."""
        self.templar.available_variables = {**variables, "inventory_hostname": host}
        found = {
            # What is no template stays what it is, above all a secret of a vault.
            name: self.templar.template(value) if self.templar.is_template(value) else value
            for name, value in variables.items()
            if _hosts.leads_there(name)
        }
        # Often one that only a play knows; then jails are entered with what the host has.
        with contextlib.suppress(AnsibleError):
            interpreter = variables.get("ansible_python_interpreter", "")
            found["ansible_python_interpreter"] = self.templar.template(interpreter)
        return found
