# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Enter a jail on behalf of a connection: one command on the caller's own standard streams."""

from __future__ import annotations

import json
import os
import sys
from typing import NoReturn

from ansible_collections.jaulas.chroot.plugins.module_utils import _jail, _session
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError

#: The exit code of an entry that did not come about; the sentence is on stderr, after the sign.
REFUSED = 1


def main(request: str) -> NoReturn:
    """Do what a request says and end with the command's exit code, as a shell would.

    request is JSON: `jail`, `command` (for the jail's /bin/sh), `profile`, `services`, `lasting`,
    and `sign`, a word that only the two of us know: what the command prints cannot be taken for
    ours.
    """
    wanted = json.loads(request)
    try:
        _jail.require_root_user("a session")
        session = _session.Session(
            jail=_jail.real_root(wanted["jail"]),
            argv=["/bin/sh", "-c", wanted["command"]],
            profile=wanted["profile"],
            services=wanted["services"],
            attached=True,
            lasting=wanted["lasting"],
        )
        rc = _session.run(session).rc
    except (JailError, OSError) as error:
        sys.stderr.write(f"{wanted['sign']} {error}\n")
        rc = REFUSED
    # There is nothing to tidy up, and the interpreter would take its time for that.
    sys.stderr.flush()
    os._exit(rc if rc >= 0 else 128 - rc)
