# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Enter a jail on behalf of a connection: one command on the caller's own standard streams."""

from __future__ import annotations

import os
import sys

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _rootfs,
    _session,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError
from ansible_collections.jaulas.chroot.plugins.module_utils._record import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NoReturn

#: The exit code of an entry that did not come about; the sentence is on stderr, after the sign.
REFUSED = 1


def main(arguments: list[str]) -> NoReturn:
    """Run a command of the jail's /bin/sh and end with its exit code, as a shell would.

    arguments are: a sign, which is a word that only the two of us know, so that what the command
    prints cannot be taken for ours; the jail; profile; services; something or nothing, for a
    command that may leave processes behind or may not; the command.
    """
    sign, jail, profile, services, lasting, command = arguments
    try:
        _rootfs.require_root_user("a session")
        session = _session.Session(
            jail=_rootfs.real_root(jail),
            argv=["/bin/sh", "-c", command],
            profile=profile,
            services=services,
            attached=True,
            lasting=bool(lasting),
        )
        rc = _session.run(session).rc
    except (JailError, OSError) as error:
        sys.stderr.write(f"{sign} {error}\n")
        rc = REFUSED
    # There is nothing to tidy up, and the interpreter would take its time for that.
    sys.stderr.flush()
    os._exit(rc if rc >= 0 else 128 - rc)
