# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask hosts what jails they have, from within an inventory that is still being made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible import context
from ansible.utils.display import Display

display = Display()


def _play(hosts: Sequence[str], roots: Sequence[str], folder: Path) -> list[dict[str, Any]]:
    """A play that writes what a host answers to a file of the controller's."""
    return [
        {
            "name": "Ask the hosts for their jails",
            "hosts": list(hosts),
            "gather_facts": False,
            "tasks": [
                {
                    "name": "Look for jails",
                    "jaulas.chroot.jail_info": {"roots": list(roots)},
                    "become": True,
                    "register": "found",
                    "ignore_errors": True,
                    "ignore_unreachable": True,
                },
                {
                    "name": "Keep what was found",
                    "ansible.builtin.copy": {
                        "content": "{{ found }}",
                        "dest": str(
                            folder / "{{ ansible_play_hosts_all.index(inventory_hostname) }}"
                        ),
                        "mode": "0600",
                    },
                    "delegate_to": "localhost",
                    "vars": {"ansible_connection": "local", "ansible_become": False},
                    "check_mode": False,
                },
            ],
        }
    ]


def ask(
    hosts: Sequence[str], roots: Sequence[str], sources: Sequence[str]
) -> Mapping[str, list[dict[str, Any]]]:
    """Run jail_info on hosts and return what each of those says that can be reached.

    sources are the inventory's other sources; what the user said of vaults and variables on the
    command line counts for this as well. Nothing can be asked of the user. A host that gives no
    answer is left out with a warning.
    """
    if not hosts:
        return {}
    with tempfile.TemporaryDirectory(prefix="jails-") as name:
        folder = Path(name)
        play = folder / "play.json"
        play.write_text(json.dumps(_play(hosts, roots, folder)), encoding="utf-8")
        argv = [sys.executable, "-m", "ansible", "playbook"]
        for option, key in (
            ("--vault-id", "vault_ids"),
            ("--vault-password-file", "vault_password_files"),
            ("--extra-vars", "extra_vars"),
        ):
            for value in context.CLIARGS.get(key) or ():
                argv += [option, str(value)]
        for source in sources:
            argv += ["--inventory", source]
        outcome = subprocess.run(
            [*argv, str(play)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_STDOUT_CALLBACK": "default"},
        )
        answers = {}
        for number, host in enumerate(hosts):
            answer = folder / str(number)
            found = json.loads(answer.read_text(encoding="utf-8")) if answer.is_file() else {}
            if "jails" in found:
                answers[host] = found["jails"]
            else:
                why = found.get("msg") or outcome.stderr.strip() or "Nothing was said."
                display.warning(f"The host {host} does not tell what jails it has: {why}")
    return answers
