# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the connection's tests: jails with Python, an sshd of our own, an ordinary user."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fault_tools
import pytest
from fault_runs import Host
from fault_tools import bootstrap, copy, eventually

# After everything else, so that the path of `ansible_collections` itself changes nothing.
sys.path.extend(path for path in os.environ.get("ANSIBLE_COLLECTIONS_PATH", "").split(":") if path)

USER = "jaulas-probe"
PASSWORD = secrets.token_hex(8)
#: An ordinary user who may read what lies in root's home, where the Python of the tests may be.
AS_USER = (
    "setpriv",
    f"--reuid={USER}",
    f"--regid={USER}",
    "--init-groups",
    "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
)


@dataclass(frozen=True)
class Variant:
    """One way into a jail."""

    connection: str
    pipelining: bool
    user: str

    def __str__(self) -> str:
        return f"{self.connection}-{'pipe' if self.pipelining else 'nopipe'}-{self.user}"


VARIANTS = [
    Variant(connection, pipelining, user)
    for connection in ("ssh", "local")
    for pipelining in (True, False)
    for user in ("root", USER)
]


def must(*that: str) -> dict[str, Any]:
    """A task that sees that something is so."""
    return {"ansible.builtin.assert": {"that": list(that)}}


class Controller:
    """The machine as Ansible's controller: inventories, plays, and what they said."""

    def __init__(self, folder: Path, ways: dict[str, dict[str, Any]]) -> None:
        self.folder = folder
        self.ways = ways
        # The name of a socket may be 107 bytes long.
        self.sockets = Path(tempfile.mkdtemp(prefix="cp-"))
        self.started: list[subprocess.Popen[bytes]] = []

    def variables(self, variant: Variant, jail: Path) -> dict[str, Any]:
        """What an inventory says of a jail that is a host."""
        return {
            **(self.ways[variant.user] if variant.connection == "ssh" else {}),
            "ansible_connection": f"jaulas.chroot.{variant.connection}",
            "ansible_pipelining": variant.pipelining,
            "ansible_jail_path": str(jail),
            "ansible_python_interpreter": "/usr/bin/python3",
        }

    def inventory(self, hosts: dict[str, dict[str, Any]]) -> Path:
        path = self.folder / f"inventory-{os.urandom(4).hex()}.json"
        path.write_text(json.dumps({"all": {"hosts": hosts}}))
        path.chmod(0o644)
        return path

    def start(
        self, argv: list[str], variant: Variant, folder: Path | None = None, **env: str
    ) -> subprocess.Popen[bytes]:
        """Start a program, as the variant's user where that is who runs Ansible."""
        as_user = AS_USER if variant.connection == "local" and variant.user == USER else ()
        home = self.folder / (USER if as_user else "root")
        process = subprocess.Popen(
            [*as_user, *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=folder or self.folder,
            env={
                **os.environ,
                "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}",
                "HOME": str(home),
                "ANSIBLE_HOME": str(home),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.sockets),
                **env,
            },
        )
        self.started.append(process)
        return process

    def run(self, argv: list[str], variant: Variant, seconds: float = 900, **changes: Any) -> str:
        """Run a program that must succeed; what it said."""
        rc, said = self.ended(self.start(argv, variant, **changes), seconds)
        assert rc == 0, said
        return said

    @staticmethod
    def ended(process: subprocess.Popen[bytes], seconds: float = 900) -> tuple[int, str]:
        """Wait for the end, which has to come in time."""
        try:
            said = process.communicate(timeout=seconds)[0].decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said = process.communicate()[0].decode("utf-8", "replace")
            raise AssertionError(f"{process.args} hangs; it said: {said}") from None
        return process.returncode, said

    def end_all(self) -> None:
        """End what is still there, with what it began in jails."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.started.clear()

    def close(self) -> None:
        """End all, also the masters of shared connections."""
        self.end_all()
        for path in self.sockets.iterdir():
            argv = ["ssh", "-o", f"ControlPath={path}", "-O", "exit", "none"]
            subprocess.run(argv, capture_output=True, check=False)
        # They take their sockets away themselves, perhaps just now.
        shutil.rmtree(self.sockets, ignore_errors=True)

    def play(
        self,
        tasks: list[dict[str, Any]],
        variant: Variant,
        jail: Path,
        seconds: float = 900,
        **play: Any,
    ) -> str:
        """Run tasks in a jail; every one of them must succeed."""
        return self.run(self.book(tasks, variant, jail, **play), variant, seconds)

    def refused(
        self, tasks: list[dict[str, Any]], variant: Variant, jail: Path, **play: Any
    ) -> str:
        """Run tasks in a jail that must not succeed; what was said."""
        rc, said = self.ended(self.start(self.book(tasks, variant, jail, **play), variant))
        assert rc != 0, said
        assert "Traceback" not in said, said
        return said

    def book(
        self, tasks: list[dict[str, Any]], variant: Variant, jail: Path, **play: Any
    ) -> list[str]:
        """The command line that plays tasks in a jail; the host beside it is called `host`."""
        book = self.folder / f"play-{os.urandom(4).hex()}.json"
        content = {"hosts": "jail", "gather_facts": False, "tasks": tasks, **play}
        book.write_text(json.dumps([content]))
        book.chmod(0o644)
        host = {**self.variables(variant, jail), "ansible_connection": variant.connection}
        host["ansible_python_interpreter"] = "/usr/bin/python3"
        hosts = {"jail": self.variables(variant, jail), "host": host}
        return ["ansible-playbook", "-v", "-i", str(self.inventory(hosts)), str(book)]


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    """The machine, with a scratch folder of its own for this session."""
    fault_tools.become_a_host()
    folder = Path(tempfile.mkdtemp(prefix="connection-", dir=os.environ["JAILS_ROOT"])).resolve()
    folder.chmod(0o755)
    try:
        yield Host(folder)
    finally:
        subprocess.run(["rm", "-rf", "--one-file-system", folder], check=True)


@pytest.fixture(scope="session")
def user(host: Host) -> str:
    """An ordinary user of this machine who may become root without a password.

    /etc is the tests' own: scripts/test.d/connection has seen to that.
    """
    home = host.folder / "home"
    add = ["useradd", "--create-home", "--home-dir", home, "--shell", "/bin/sh"]
    subprocess.run([*add, USER], check=True)
    subprocess.run(["chpasswd"], input=f"{USER}:{PASSWORD}", text=True, check=True)
    rights = Path("/etc/sudoers.d/jaulas-probe")
    rights.write_text(f"{USER} ALL=(root) NOPASSWD: ALL\n")
    rights.chmod(0o440)
    return USER


@dataclass(frozen=True)
class Sshd:
    """An sshd of the tests' own on loopback."""

    pid: int
    port: int
    key: Path
    log: Path


@pytest.fixture(scope="session")
def sshd(host: Host, user: str) -> Iterator[Sshd]:
    """An sshd with keys and configuration of its own."""
    folder = Path(tempfile.mkdtemp(prefix="sshd-", dir="/var/tmp"))
    folder.chmod(0o755)
    for name in ("host", "login"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True
        )
    (folder / "login.pub").chmod(0o644)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "login.pub",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "yes",
        "PermitRootLogin": "prohibit-password",
        "Subsystem": "sftp internal-sftp",
        "MaxStartups": 100,
        "MaxSessions": 100,
    }
    (folder / "config").write_text("".join(f"{key} {value}\n" for key, value in config.items()))
    os.makedirs("/run/sshd", 0o755, exist_ok=True)
    argv = ["/usr/sbin/sshd", "-D", "-f", str(folder / "config"), "-E", str(folder / "log")]
    try:
        with host.service(argv) as process:

            def answers() -> bool:
                assert process.poll() is None, (folder / "log").read_text()
                with socket.socket() as probe:
                    return probe.connect_ex(("127.0.0.1", port)) == 0

            eventually(answers, "an answer of sshd")
            yield Sshd(process.pid, port, folder / "login", folder / "log")
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def controller(host: Host, sshd: Sshd) -> Iterator[Controller]:
    """Ansible, with a way to this machine by ssh for each user."""
    folder = host.folder / "controller"
    for name in ("root", USER):
        (folder / name).mkdir(parents=True)
    shutil.chown(folder / USER, USER)
    known = f"-o StrictHostKeyChecking=no -o UserKnownHostsFile={folder}/known -o LogLevel=ERROR"
    ways = {
        name: {
            "ansible_host": "127.0.0.1",
            "ansible_port": sshd.port,
            "ansible_user": name,
            "ansible_ssh_private_key_file": str(sshd.key),
            "ansible_ssh_common_args": known,
        }
        for name in ("root", USER)
    }
    made = Controller(folder, ways)
    yield made
    made.close()


def _base(host: Host, name: str, **changes: Any) -> Path:
    path = host.folder / name
    host.done("debootstrap_jail", 600, **bootstrap(path, **changes))
    # Who asks for the machine's own name, as sudo does, must not depend on a name server.
    (path / "etc/hosts").write_text(f"127.0.0.1 localhost {os.uname().nodename}\n")
    return path


@pytest.fixture(scope="session")
def base(host: Host) -> Path:
    """A jail with Python and sudo, made once; tests that change it work on copies."""
    path = _base(host, "base", include=["procps", "python3", "sudo"])
    host.done("chroot_exec", path=str(path), cmd="useradd --create-home builder")
    return path


@pytest.fixture(scope="session")
def base_i386(host: Host) -> Path:
    """The same for another architecture."""
    return _base(host, "base-i386", include=["python3"], arch="i386")


@pytest.fixture(scope="session")
def bare(host: Host) -> Path:
    """A jail without Python."""
    return _base(host, "bare")


@pytest.fixture
def place(host: Host) -> Iterator[Path]:
    """A new folder for one test."""
    folder = Path(tempfile.mkdtemp(prefix="test-", dir=host.folder))
    folder.chmod(0o755)
    yield folder
    subprocess.run(["rm", "-rf", "--one-file-system", folder], check=True)


@pytest.fixture
def jail(base: Path, place: Path) -> Path:
    """A jail of the test's own."""
    return copy(base, place / "jail")


#: What lists the processes of sessions: those in PID namespaces of their own.
Sessions = Callable[[], list[fault_tools.Seen]]


@pytest.fixture
def sessions(controller: Controller, base: Path) -> Iterator[Sessions]:
    """A look at sessions. None is left afterwards, and the mounts are what they were."""

    def inside() -> list[fault_tools.Seen]:
        found = []
        for item in fault_tools.descendants(os.getpid()):
            if item.state == "Z":
                continue
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{item.pid}/ns/pid") != os.readlink("/proc/self/ns/pid"):
                    found.append(item)
        return found

    before = fault_tools.mount_table()
    yield inside
    # A test that failed may have left its play at work: no reason for the next to fail.
    controller.end_all()
    eventually(lambda: not inside(), "the end of all sessions")
    assert fault_tools.mount_table() == before
