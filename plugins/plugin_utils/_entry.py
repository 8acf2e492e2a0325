# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command lines that our utilities run by on a host, and what the host must have. Pure.

On the host, the utilities of this collection lie in a folder named by their digest; what is sent
with each command only finds them there. Where they are missing, they are sent once.
"""

from __future__ import annotations

import functools
import hashlib
import json
import shlex
from pathlib import Path

from ansible_collections.jaulas.chroot.plugins.module_utils import _library

_UTILS = Path(__file__).parent.parent / "module_utils"
#: The only one that needs Ansible's own utilities; no connection does.
_NOT_SENT = ("_module.py", "__init__.py")
_PACKAGE = "ansible_collections.jaulas.chroot.plugins.module_utils"
#: Isolated from the environment, its locale too, and from what is installed: faster, and nobody's.
_PYTHON = ("-I", "-S", "-X", "utf8", "-c")
_FINDER = """\
import os, sys
if os.geteuid():
    sys.exit({refused!r})
# A package without the folders above it, as to look into each of them takes time.
package = type(sys)({package!r})
package.__path__ = [{folder!r}]
sys.modules.update({{{package!r}: package, {top!r}: package}})
try:
    from {package} import {program} as program
except ImportError:
    sys.exit({missing!r})
program.main(sys.argv[1:])
"""
#: $1 names the way to become root, $2 the Python of the host, $3 the sign; the rest is for Python.
_SCRIPT = """\
way=$1 python=$2 sign=$3; shift 3
if [ "$python" = auto ]; then
    python=/usr/bin/python3
    [ -x "$python" ] || python=python3
fi
command -v "$python" >/dev/null || {
    echo "$sign the host has no $python, which enters the jail" >&2; exit 1; }
if [ "$way" = auto ]; then
    way=none
    # Of / root is the owner; asking id would take another program each time.
    if [ ! -O / ]; then
        for way in sudo doas ''; do command -v "$way" >/dev/null && break; done
    fi
fi
case $way in
none) exec "$python" "$@" ;;
'') echo "$sign the host has neither sudo nor doas to become root" >&2; exit 1 ;;
*) exec "$way" -n "$python" "$@" ;;
esac
"""


@functools.cache
def utilities() -> dict[str, bytes]:
    """The files that a host needs: name to content."""
    return {
        path.name: path.read_bytes()
        for path in sorted(_UTILS.glob("_*.py"))
        if path.name not in _NOT_SENT
    }


@functools.cache
def library() -> str:
    """The name of the folder on the host, which changes with any of the files."""
    digest = hashlib.sha256()
    for name, content in utilities().items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return f"lib-{digest.hexdigest()[:24]}"


@functools.cache
def _library_program() -> str:
    return utilities()["_library.py"].decode()


def finder(sign: str, program: str, folder: str = _library.FOLDER) -> str:
    """What finds the library on the host and runs a program of it; sign begins its complaints."""
    return _FINDER.format(
        program=program,
        folder=f"{folder}/{library()}",
        package=_PACKAGE,
        top=_PACKAGE.partition(".")[0],
        missing=f"{sign} missing",
        refused=f"{sign} the login is not root on the host; "
        "ansible_jail_escalation says how it becomes root",
    )


class Way:
    """How to get from a login on the host to our utilities: escalation, Python, our own sign.

    The sign is a word that nobody else knows: with it begins what comes from the entry itself,
    and not from the command in the jail.
    """

    def __init__(self, escalation: str, python: str, sign: str) -> None:
        self.escalation = escalation
        self.python = python
        self.sign = sign

    def _line(self, *arguments: str) -> str:
        words = ["/bin/sh", "-c", _SCRIPT, "sh", self.escalation, self.python, self.sign]
        return shlex.join([*words, *_PYTHON, *arguments])

    def enter(self, jail: str, command: str, profile: str, services: str, lasting: bool) -> str:
        """A command line for the host that runs a command line in a jail."""
        may_last = "lasting" if lasting else ""
        request = (self.sign, jail, profile, services, may_last, command)
        return self._line(finder(self.sign, "_enter"), *request)

    def serve(self, module: str) -> str:
        """A command line that does a module's work on the host; the call is fed to it.

        Who looks through the host's processes finds it by the name that Ansible gives to modules.
        """
        return self._line(finder(self.sign, "_quick"), self.sign, f"AnsiballZ_{module}.py")

    def install(self) -> tuple[str, bytes]:
        """A command line that puts the library on a host, and what to feed it."""
        files = {name: content.decode() for name, content in utilities().items()}
        return self._line(_library_program(), library()), json.dumps(files).encode()

    def become(self) -> str:
        """A command line that does nothing as root on the host: to hear why it cannot be done."""
        return self._line("pass")

    def said(self, *outputs: bytes) -> str | None:
        """What the entry itself said in some outputs, or None if it said nothing."""
        sign = self.sign.encode()
        for output in outputs:
            if sign in output:
                words = output.split(sign, 1)[1].splitlines()
                return words[0].decode("utf-8", "replace").strip() if words else ""
        return None


# Whoever loads this needs it, and Ansible loads actions before it starts its workers: once, then,
# and not for every task.
library()
