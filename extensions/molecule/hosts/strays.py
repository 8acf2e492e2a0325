# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was sent to where nobody of the tests is. The kernel counts it, for every network.

strays.py COMMAND... runs a command where there is no network but loopback and what it makes
itself, and fails if it, or one that it started there, tried to reach anything else.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

#: To an address that no route leads to; a datagram to loopback where nobody listens, as those are
#: that ask for an address by name. Of IPv4 and IPv6.
COUNTED = ("IpOutNoRoutes", "Ip6OutNoRoutes", "UdpNoPorts", "Udp6NoPorts")
FILES = ("/proc/net/snmp", "/proc/net/snmp6")


def strays(text: str) -> dict[str, int]:
    """What is counted in the text of the FILES and not zero."""
    lines = [line.split() for line in text.splitlines()]
    found = {words[0]: words[1] for words in lines if len(words) == 2}
    # Of IPv4 there is a line of names, and one of numbers that begins with the same word.
    for names, numbers in zip(lines, lines[1:]):
        if names[0] == numbers[0]:
            prefix = names[0].rstrip(":")
            found.update({prefix + name: number for name, number in zip(names[1:], numbers[1:])})
    return {name: int(found[name]) for name in COUNTED if int(found.get(name, 0))}


def main() -> int:
    """The command itself; it has to be in a network namespace of its own."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    status = subprocess.run(sys.argv[1:], check=False).returncode
    found = strays("".join(Path(name).read_text() for name in FILES))
    if found:
        print(f"Something tried to reach what is no test host: {found}", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
