# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module's work in a Python that knows nothing of Ansible, and so starts in no time.

AnsibleModule and what it brings along is compiled anew for every task: that takes several times
as long as to enter a jail. The options have been read where Ansible runs.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import syslog
from typing import NoReturn

from ansible_collections.jaulas.chroot.plugins.module_utils._call import Call


def _log(call: Call) -> None:
    """Leave a line in the host's log as AnsibleModule does, with no more than which jails it was.

    Commands, variables and files may hold secrets.
    """
    named = {key: call.params.get(key) for key in ("path", "paths", "jails")}
    jails = named["jails"] and [jail["path"] for jail in named["jails"]]
    syslog.openlog(f"ansible-jaulas.chroot.{call.name}", 0, syslog.LOG_USER)
    syslog.syslog(f"Invoked on {named['path'] or jails or named['paths'] or 'the host'}")


def main(arguments: list[str]) -> NoReturn:
    """Read a call from stdin, do it, write a sign when it begins and the answer behind it.

    arguments are the sign, and a name for whoever looks through the host's processes.
    """
    sign = arguments[0]
    asked = json.load(sys.stdin)
    call = Call(asked["name"], asked["params"], asked["check_mode"], asked["diff"])
    package = __name__.rpartition(".")[0]
    work = importlib.import_module(f"{package}._{call.name}").work
    if asked["log"]:
        _log(call)
    sys.stdout.write(f"{sign}\n")
    sys.stdout.flush()
    json.dump(work(call), sys.stdout)
    # There is nothing to tidy up, and the interpreter would take its time for that.
    sys.stdout.flush()
    os._exit(0)
