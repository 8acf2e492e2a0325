# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way to the host, which is left to core's ssh, and how a login becomes root there."""

from __future__ import annotations

import contextlib
import itertools
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PASSWORD, USER, Controller, Sshd, Variant, must

ROOT_BY_SSH = Variant("ssh", True, "root")
USER_BY_SSH = Variant("ssh", False, USER)
WORK: list[dict[str, Any]] = [
    {"ansible.builtin.copy": {"content": "x", "dest": "/srv/x"}, "check_mode": True},
    {"ansible.builtin.command": "id -un", "register": "me"},
    must("me.stdout == 'root'"),
]
PING = [{"ansible.builtin.ping": {}}]
ALONE = "-o ControlMaster=no"


def logins(sshd: Sshd, user: str) -> int:
    """How often a user has logged in."""
    return sshd.log.read_text().count(f"Accepted publickey for {user} ")


class Lossy(socketserver.ThreadingTCPServer):
    """A port on loopback that leads to another; the first of every two connections breaks."""

    daemon_threads = True

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), Passage)
        self.target = target
        self.numbers = itertools.count()

    @property
    def seen(self) -> int:
        """How many connections there were. To be asked once, at the end."""
        return next(self.numbers)


class Passage(socketserver.BaseRequestHandler):
    """One connection to a Lossy port."""

    def handle(self) -> None:
        if next(self.server.numbers) % 2 == 0:
            return
        with socket.create_connection(("127.0.0.1", self.server.target)) as far:
            back = threading.Thread(target=pass_on, args=(far, self.request))
            back.start()
            pass_on(self.request, far)
            back.join()


def pass_on(source: socket.socket, target: socket.socket) -> None:
    """Hand on what comes from one side until it ends."""
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def lossy(sshd: Sshd) -> Iterator[Lossy]:
    with Lossy(sshd.port) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("variant", [ROOT_BY_SSH, USER_BY_SSH], ids=str)
def test_what_is_lost_is_tried_again(
    controller: Controller, jail: Path, place: Path, lossy: Lossy, variant: Variant
) -> None:
    """Every command, and every file, needs two tries, and is done once."""
    words = "\n".join(str(number) for number in range(100_000))
    (place / "file").write_text(words)
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.command": "sh -c 'echo once >>/srv/log'"},
        {"ansible.builtin.copy": {"src": str(place / "file"), "dest": "/srv/file"}},
        {"ansible.builtin.fetch": {"src": "/srv/file", "dest": f"{place}/back", "flat": True}},
    ]
    port = lossy.server_address[1]
    changes = {"ansible_port": port, "ansible_ssh_args": ALONE, "ansible_ssh_retries": 1}
    controller.play(tasks, variant, jail, vars=changes)
    assert (jail / "srv/log").read_text() == "once\n"
    assert (jail / "srv/file").read_text() == words
    assert (place / "back").read_text() == words
    seen = lossy.seen
    assert seen >= 2 * len(tasks)
    assert seen % 2 == 0


def test_without_tries_what_is_lost_is_lost(
    controller: Controller, base: Path, lossy: Lossy
) -> None:
    changes = {"ansible_port": lossy.server_address[1], "ansible_ssh_args": ALONE}
    said = controller.refused(PING, ROOT_BY_SSH, base, vars=changes)
    assert "UNREACHABLE" in said
    assert lossy.seen == 1


def test_a_host_that_does_not_answer(controller: Controller, base: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        changes = {"ansible_port": silent.getsockname()[1], "ansible_timeout": 1}
        said = controller.refused(PING, ROOT_BY_SSH, base, vars=changes)
    assert "UNREACHABLE" in said
    assert "timed out" in said


def test_a_password(controller: Controller, base: Path) -> None:
    changes = {"ansible_ssh_private_key_file": "/dev/null", "ansible_password": PASSWORD}
    said = controller.play(WORK, USER_BY_SSH, base, vars=changes)
    assert PASSWORD not in said
    wrong = {**changes, "ansible_password": f"not-{PASSWORD}", "ansible_ssh_args": ALONE}
    said = controller.refused(PING, USER_BY_SSH, base, vars=wrong)
    assert "UNREACHABLE" in said
    assert PASSWORD not in said


def test_a_command_on_the_way(controller: Controller, base: Path, sshd: Sshd) -> None:
    """A name that nobody knows: only the host on the way leads there."""
    way = controller.ways[USER]
    there = f"127.0.0.1:{sshd.port}"
    jump = f"ssh {way['ansible_ssh_common_args']} -i {sshd.key} -W {there} ssh://{USER}@{there}"
    changes = {
        "ansible_ssh_extra_args": f"-o ProxyCommand='{jump}'",
        "ansible_host": "far.invalid",
    }
    controller.play(WORK, USER_BY_SSH, base, vars=changes)


def test_a_jump_host(controller: Controller, base: Path, place: Path, sshd: Sshd) -> None:
    """ssh's own file of configuration names it; there the login is another one."""
    config = place / "ssh_config"
    config.write_text(
        f"Host far\nProxyJump way\nHost way\nUser {USER}\nHost far way\nHostName 127.0.0.1\n"
        f"Port {sshd.port}\nIdentityFile {sshd.key}\nStrictHostKeyChecking no\n"
        f"UserKnownHostsFile {place}/known\nLogLevel ERROR\n"
    )
    before = logins(sshd, USER)
    changes = {"ansible_host": "far", "ansible_ssh_common_args": f"-F {config}"}
    controller.play(WORK, ROOT_BY_SSH, base, vars=changes)
    assert logins(sshd, USER) == before + 1


def test_commands_share_a_connection(controller: Controller, base: Path, sshd: Sshd) -> None:
    """With ControlPersist there is one login, and another one after a reset."""
    before = logins(sshd, "root")
    tasks: list[dict[str, Any]] = [*WORK, {"ansible.builtin.meta": "reset_connection"}, *WORK]
    changes = {"ansible_control_path": f"{controller.sockets}/shared"}
    controller.play(tasks, Variant("ssh", False, "root"), base, vars=changes)
    assert logins(sshd, "root") == before + 2


@contextlib.contextmanager
def rights(path: str, text: str, mode: int) -> Iterator[None]:
    """Another text in a file of /etc, which is the tests' own, for a while."""
    file = Path(path)
    before = file.read_text() if file.exists() else None
    file.write_text(text)
    file.chmod(mode)
    try:
        yield
    finally:
        if before is None:
            file.unlink()
        else:
            file.write_text(before)


def test_a_login_that_cannot_become_root(controller: Controller, base: Path) -> None:
    none = {"ansible_jail_escalation": "none"}
    said = controller.refused(PING, USER_BY_SSH, base, vars=none)
    assert f"Cannot enter {base}: the login is not root on the host" in said
    with rights("/etc/sudoers.d/jaulas-probe", "", 0o440):
        said = controller.refused(PING, USER_BY_SSH, base)
        assert f"Cannot enter {base}: the login is not root on the host" in said
        assert "ansible_jail_escalation" in said
    controller.play(PING, USER_BY_SSH, base, vars={"ansible_jail_escalation": "sudo"})


@pytest.mark.parametrize("pipelining", [True, False])
def test_doas(controller: Controller, base: Path, pipelining: bool) -> None:
    variant = Variant("ssh", pipelining, USER)
    doas = {"ansible_jail_escalation": "doas"}
    as_builder = {"become": True, "become_user": "builder", "become_method": "su"}
    tasks: list[dict[str, Any]] = [
        *WORK,
        {"ansible.builtin.command": "id -un", "register": "me", **as_builder},
        must("me.stdout == 'builder'"),
    ]
    # Nothing but doas leads to root.
    with rights("/etc/sudoers.d/jaulas-probe", "", 0o440):
        with rights("/etc/doas.conf", f"permit nopass {USER} as root\n", 0o400):
            controller.play(tasks, variant, base, vars=doas)
        for text in (f"permit {USER} as root\n", f"deny {USER}\n"):
            with rights("/etc/doas.conf", text, 0o400):
                said = controller.refused(PING, variant, base, vars=doas)
            assert f"Cannot enter {base}: the login is not root on the host" in said
            assert "doas: " in said
