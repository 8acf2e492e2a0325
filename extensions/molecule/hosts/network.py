# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The network of the test hosts: a bridge, and for each host a namespace with a link to it."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

import strays

PREFIX = "198.18.88"
NETWORK = f"{PREFIX}.0/24"
GATEWAY = f"{PREFIX}.1"
BRIDGE = "jaulas-hosts"
#: Namespaces and links are called by the host's name with this before it.
MARK = "jh-"


def ip(*argv: str, lines: list[str] | None = None) -> str:
    """Run ip, with lines as the commands of a batch."""
    batch = [] if lines is None else ["-batch", "-"]
    done = subprocess.run(
        ["ip", *argv, *batch],
        input="\n".join(lines or []),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"ip {' '.join(argv)} failed ({done.returncode}): {done.stderr.strip()}")
    return done.stdout


def space(name: str) -> Path:
    """Where a host's network namespace is, if it has one."""
    return Path("/run/netns", MARK + name)


def names() -> list[str]:
    """The hosts that have a network."""
    found = json.loads(ip("-json", "netns", "list") or "[]")
    return [item["name"][len(MARK) :] for item in found if item["name"].startswith(MARK)]


def has_bridge() -> bool:
    # Not by /sys, which may be that of another network than the one that we are in.
    return BRIDGE in [name for _number, name in socket.if_nameindex()]


def prepare() -> None:
    """Make the bridge; tries at an address that no host has end on this machine."""
    if has_bridge():
        return
    ip(
        lines=[
            f"route add unreachable {NETWORK} metric 9999",
            f"link add {BRIDGE} type bridge",
            f"address add {GATEWAY}/24 dev {BRIDGE}",
            f"link set {BRIDGE} up",
        ]
    )


def connect(name: str, address: str) -> None:
    """Give a host its network; one that was cut off has its link again."""
    own = MARK + name
    if space(name).exists():
        ip("link", "set", own, "up")
        return
    ip(
        lines=[
            f"netns add {own}",
            f"link add {own} type veth peer name eth0 netns {own}",
            f"link set {own} master {BRIDGE} up",
        ]
    )
    inside = [f"address add {address}/24 dev eth0", "link set eth0 up", "link set lo up"]
    ip("-netns", own, lines=inside)


def cut(name: str) -> None:
    """Take a host's link away: nobody reaches it, and it goes on."""
    ip("link", "set", MARK + name, "down")


def processes(name: str) -> list[int]:
    """The processes of a host's network, which are those of the host."""
    if not space(name).exists():
        return []
    return [int(pid) for pid in ip("netns", "pids", MARK + name).split()]


def strays_of(name: str) -> dict[str, int]:
    """What a host has sent to where nobody is, since it has its network."""
    argv = ["nsenter", f"--net={space(name)}", "cat", *strays.FILES]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True)
    return strays.strays(done.stdout)


def remove() -> bool:
    """Take all of it away. True if there was something."""
    # A link goes with its namespace too, but some time later, or just now.
    for _number, name in socket.if_nameindex():
        if name.startswith(MARK):
            subprocess.run(["ip", "link", "delete", name], capture_output=True, check=False)
    found = [f"netns delete {MARK}{name}" for name in names()]
    if has_bridge():
        found.append(f"link delete {BRIDGE}")
    if ip("route", "show", "type", "unreachable", NETWORK):
        found.append(f"route delete unreachable {NETWORK} metric 9999")
    if found:
        ip(lines=found)
    return bool(found)


def answers(address: str) -> bool:
    """Tell whether a host's sshd says who it is."""
    try:
        with socket.create_connection((address, 22), timeout=5) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
