# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test hosts on one machine: each with processes, mounts, files, a name and a network of its own.

A host is an overlay on an image, the root folder of a Debian system. It is called h1 to h200, and
its address is 198.18.88.11 and so on, of the network that RFC 2544 keeps for tests. There is no
way from there to any other machine.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import machine
import network
from machine import STATE, Host

#: What asks for a restart: reboot(2) in a PID namespace, handed on by unshare; nspawn's status.
RESTARTS = (-signal.SIGHUP, 128 + signal.SIGHUP, 133)

PROGRAM = Path(__file__).resolve()
SECONDS = 60


@dataclass(frozen=True)
class Wanted:
    """A host as it is named on the command line: NAME=IMAGE or NAME=IMAGE:systemd."""

    host: Host
    image: Path

    @classmethod
    def parse(cls, text: str) -> Wanted:
        name, _sign, rest = text.partition("=")
        image, _sign, init = rest.partition(":")
        if not Path(image).is_dir() or init not in ("", "systemd"):
            raise argparse.ArgumentTypeError(f"{text} is not NAME=IMAGE[:systemd] with a folder")
        return cls(Host(name, systemd=bool(init)), Path(image))


def supervise(name: str, argv: list[str]) -> None:
    """Keep a program in the background that outlives this one and starts again when it reboots."""
    own = [sys.executable, str(PROGRAM), "supervise", name, *argv]
    with open(STATE / f"{name}.log", "ab") as log:
        process = subprocess.Popen(
            own, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )
    machine.write(STATE / f"{name}.pid", f"{process.pid}\n")


def run_again(argv: list[str]) -> int:
    """The supervisor itself."""
    while True:
        process = subprocess.Popen(argv)
        signal.signal(signal.SIGTERM, lambda *_, child=process: child.kill())
        status = process.wait()
        if status not in RESTARTS:
            return status


def supervisor(name: str, ending: bool = False) -> int | None:
    """A descriptor of the supervisor, or of one that is just ending and has no words any more.

    Its number alone would not prove whose it is.
    """
    try:
        pid = int((STATE / f"{name}.pid").read_text())
        fd = os.pidfd_open(pid)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if words[2:4] == [b"supervise", name.encode()] or (ending and words == [b""]):
            return fd
    os.close(fd)
    return None


def is_supervised(name: str) -> bool:
    fd = supervisor(name)
    if fd is None:
        return False
    os.close(fd)
    return True


def ended(fd: int, what: str) -> None:
    """Wait for the end of a process, and close its descriptor.

    Its command line is gone before its files are, and those would keep STATE mounted.
    """
    if not select.select([fd], [], [], SECONDS)[0]:
        sys.exit(f"Waited {SECONDS} s for the end of {what}; see {STATE}")
    os.close(fd)


def end(name: str) -> None:
    """End a host, or the archive, at once: what runs for it, and what starts it again."""
    keeper = supervisor(name, ending=True)

    def tell(number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            if keeper is not None:
                signal.pidfd_send_signal(keeper, number)

    tell(signal.SIGSTOP)
    for victim in network.processes(name):
        kill(victim)
    tell(signal.SIGTERM)
    tell(signal.SIGCONT)
    if keeper is not None:
        ended(keeper, f"the supervisor of {name}")
    eventually(lambda: not network.processes(name), f"end of {name}")
    eventually(lambda: machine.without_cgroups(name), f"cgroups of {name}")
    (STATE / f"{name}.pid").unlink(missing_ok=True)


def end_shared(socket: Path) -> None:
    """End a connection of ssh that waits for Ansible to use it again: a minute, hosts or not."""
    argv = ["ssh", "-o", f"ControlPath={socket}", "-O", "check", "any"]
    said = subprocess.run(argv, capture_output=True, text=True, check=False).stderr
    if found := re.search(r"pid=(\d+)", said):
        with contextlib.suppress(ProcessLookupError):
            fd = os.pidfd_open(int(found[1]))
            kill(int(found[1]))
            ended(fd, " ".join(argv))


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def eventually(test, what: str, seconds: int = SECONDS) -> None:
    """Ask until something is so."""
    last = time.monotonic() + seconds
    while not test():
        if time.monotonic() > last:
            sys.exit(f"Waited {seconds} s for the {what}; see {STATE}")
        # What ends or starts is the child of another process, or a server in another network.
        time.sleep(0.02)


def start(wanted: Wanted, keyring: Path | None) -> bool:
    """Start a host, unless it runs; a host that was killed keeps its files. True if it was down."""
    host = wanted.host
    network.connect(host.name, host.address)
    if is_supervised(host.name):
        return False
    machine.furnish(host, wanted.image, keyring)
    supervise(host.name, host.boot())
    return True


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Let nobody else make or remove hosts meanwhile: what a killed run left may still do."""
    # A folder can be locked as it is: no file of a lock is left.
    fd = os.open(STATE.parent, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


@alone()
def up(options: argparse.Namespace) -> None:
    machine.prepare([item.host for item in options.hosts])
    network.prepare()
    if options.archive and not is_supervised("archive"):
        program = PROGRAM.parents[3] / "tests/archive/serve.py"
        how = [f"--address={network.GATEWAY}", f"--port={options.port}", "--verbose"]
        supervise("archive", [sys.executable, str(program), f"--root={options.archive}", *how])
    keyring = Path(options.archive, "keyring.gpg") if options.archive else None
    with ThreadPoolExecutor(8) as pool:
        started = list(pool.map(lambda item: start(item, keyring), options.hosts))
    for item in options.hosts:
        eventually(lambda address=item.host.address: network.answers(address), "sshd")
    for item, new in zip(options.hosts, started):
        if new:
            print(f"started {item.host.name}")


@alone()
def down(_options: argparse.Namespace) -> None:
    """Take all away, also what an interrupted run has left."""
    with ThreadPoolExecutor(8) as pool:
        names = {path.stem for path in STATE.glob("*.pid")} | set(network.names())
        list(pool.map(end, names))
    for path in machine.SHARED.glob("*"):
        end_shared(path)
    if machine.remove() | network.remove():
        print("removed")


def lose(options: argparse.Namespace) -> None:
    """Kill a host as a power cut does, or cut it off, as soon as it has a file that matches."""
    host = Host(options.name, systemd=False)
    if options.when:
        wanted = f"{options.when} in {host.name}"
        eventually(lambda: any(host.root.glob(options.when)), wanted, options.patience)
    if options.cut:
        network.cut(host.name)
    else:
        end(host.name)


def look_for_strays(_options: argparse.Namespace) -> None:
    """Fail if a host tried to reach anything but the hosts, the archive and itself."""
    found = {name: network.strays_of(name) for name in network.names()}
    told = [f"{name}: {what}" for name, what in sorted(found.items()) if what]
    if told or not found:
        sys.exit("\n".join(told) or "There is no host")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, dest="command")
    command = commands.add_parser(
        "up", help="start hosts that do not run, connect those that are cut off"
    )
    command.add_argument("--archive", help="folder of the test archive, to be served to the hosts")
    command.add_argument("--port", type=int, default=8088, help="where it is served")
    command.add_argument("hosts", nargs="+", type=Wanted.parse, metavar="NAME=IMAGE[:systemd]")
    command.set_defaults(function=up)
    command = commands.add_parser("down", help="remove all hosts with all that they have")
    command.set_defaults(function=down)
    command = commands.add_parser("lose", help="kill a host; 'up' repairs it")
    command.add_argument("name")
    command.add_argument("--cut", action="store_true", help="only take its link away")
    command.add_argument(
        "--when", help="wait for a file of the host, a pattern without first slash"
    )
    command.add_argument("--patience", type=int, default=600, help="seconds to wait for it")
    command.set_defaults(function=lose)
    command = commands.add_parser("strays", help="fail if a host tried to reach anything else")
    command.set_defaults(function=look_for_strays)
    if sys.argv[1:2] == ["supervise"]:
        return run_again(sys.argv[3:])
    options = parser.parse_args()
    options.function(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
