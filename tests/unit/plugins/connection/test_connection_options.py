# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connections' options: all of core's and the jail's, known without reading documentation."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

#: What Ansible knows of a connection's options, in a process of its own as for a worker.
LOAD = """
import json, os, sys
from ansible import constants
from ansible.plugins import loader

loader.init_plugin_loader(os.environ["ANSIBLE_COLLECTIONS_PATH"].split(":"))
core = loader.connection_loader.get(sys.argv[1], class_only=True)
# From here on, nothing is to be read.
loader.add_fragments = None
ours = loader.connection_loader.get("jaulas.chroot." + sys.argv[1], class_only=True)
known = constants.config.get_configuration_definitions
print(json.dumps([
    sorted(known("connection", core._load_name)),
    sorted(known("connection", ours._load_name)),
]))
"""
JAIL = ["jail_escalation", "jail_host_python", "jail_path", "jail_profile", "jail_services"]


def said(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", ["ssh", "local"])
def test_options_are_those_of_core_and_of_the_jail(name: str) -> None:
    core, ours = json.loads(said(sys.executable, "-c", LOAD, name))
    assert ours == sorted([*core, *JAIL])
    program = os.path.join(os.path.dirname(sys.executable), "ansible-doc")
    shown = json.loads(said(program, "--json", "--type=connection", f"jaulas.chroot.{name}"))
    assert sorted(shown[f"jaulas.chroot.{name}"]["doc"]["options"]) == ours
