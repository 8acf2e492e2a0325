# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A jail that wants out, and lines that break: nothing outside is touched, nothing is left."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from conftest import USER, VARIANTS, Controller, Sessions, Sshd, Variant
from fault_tools import descendants, digest, eventually

# After every test here no session is left, and no mount.
pytestmark = pytest.mark.usefixtures("sessions")
WAYS = (Variant("ssh", False, USER), Variant("local", True, "root"))
#: Ways that seem to lead to a folder of the host.
LINKS = ("{up}{target}", "{target}", "/proc/1/root{target}", "/proc/1/cwd/{up}{target}")


@pytest.fixture
def outside(place: Path) -> Path:
    """A folder of the host with a secret in it."""
    folder = place / "outside"
    folder.mkdir()
    (folder / "secret").write_text("the host's own")
    return folder


def lead(link: Path, way: str, target: Path) -> None:
    """Put a link in the place of whatever is there."""
    if link.is_dir() and not link.is_symlink():
        shutil.rmtree(link)
    link.unlink(missing_ok=True)
    link.symlink_to(way.format(up="../" * 20, target=target))


@pytest.mark.parametrize("variant", WAYS, ids=str)
@pytest.mark.parametrize("way", LINKS)
def test_links_lead_nowhere(
    controller: Controller, jail: Path, outside: Path, variant: Variant, way: str
) -> None:
    before = digest(outside)
    back = outside.parent / "back"
    lead(jail / "srv", way, outside)
    lead(jail / "opt", way, outside / "secret")
    for name in ("tmp", "root/.ansible"):
        lead(jail / name, way, outside)
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.copy": {"content": "jail", "dest": "/srv/new"}, "ignore_errors": True},
        {"ansible.builtin.copy": {"content": "jail", "dest": "/opt"}, "ignore_errors": True},
        {"ansible.builtin.copy": {"content": "jail", "dest": "/srv/../../new"}},
        *(
            {
                "ansible.builtin.fetch": {"src": source, "dest": f"{back}/", "flat": True},
                "ignore_errors": True,
            }
            for source in ("/srv/secret", "/opt")
        ),
        {"ansible.builtin.raw": "cat /srv/secret /opt; true", "register": "seen"},
        {"ansible.builtin.assert": {"that": "'own' not in seen.stdout"}},
    ]
    # Whatever Ansible makes of it, it ends, and the host is as it was.
    process = controller.start(controller.book(tasks, variant, jail), variant)
    rc, said = controller.ended(process)
    assert rc in (0, 2, 4), said
    assert digest(outside) == before, said
    assert "the host's own" not in said
    assert not (back / "secret").exists(), said
    assert not (back / "opt").exists(), said


@pytest.mark.parametrize("variant", WAYS, ids=str)
@pytest.mark.parametrize("name", ["dev", "proc", "bin/sh"])
def test_links_in_place_of_what_a_session_needs(
    controller: Controller,
    jail: Path,
    outside: Path,
    variant: Variant,
    name: str,
) -> None:
    program = outside / "sh"
    program.write_text(f"#!/bin/sh\ntouch {outside}/run\n")
    program.chmod(0o755)
    before = digest(outside)
    if name == "bin/sh":
        lead(jail / "usr/bin/sh", "{target}", program)
    else:
        lead(jail / name, "{target}", outside)
    said = controller.refused([{"ansible.builtin.raw": "true"}], variant, jail)
    assert digest(outside) == before, said


def test_what_a_jail_says_is_no_template(controller: Controller, jail: Path, place: Path) -> None:
    proof = place / "proof"
    words = f"{{{{ lookup('pipe', 'touch {proof}') }}}}"
    (jail / "etc/os-release").unlink()
    (jail / "etc/os-release").write_text(f'NAME="{words}"\nID="{words}"\nVERSION_ID="{words}"\n')
    (jail / "usr/lib/os-release").write_text("")
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.setup": {"gather_subset": ["!all", "min", "distribution"]}},
        {"ansible.builtin.command": "cat /etc/os-release", "register": "text"},
        {"ansible.builtin.debug": {"msg": "{{ ansible_facts }} {{ text.stdout }}"}},
    ]
    said = controller.play(tasks, WAYS[1], jail)
    assert "lookup('pipe'" in said
    assert not proof.exists()


def _sleeping(controller: Controller, variant: Variant, jail: Path, sessions: Sessions) -> Any:
    """Start a play whose task sleeps in a jail, and wait until it does."""
    task = {"ansible.builtin.command": "sleep 3600"}
    process = controller.start(controller.book([task], variant, jail), variant)

    def sleeps() -> bool:
        assert process.poll() is None, process.communicate()[0]
        return any(item.runs("sleep") for item in sessions())

    eventually(sleeps, "a command that sleeps")
    return process


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_line_that_breaks(
    controller: Controller, base: Path, sshd: Sshd, sessions: Sessions, pipelining: bool
) -> None:
    """SIGKILL of sshd's child: nobody hears how it ends, and it is ended."""
    process = _sleeping(controller, Variant("ssh", pipelining, "root"), base, sessions)
    for item in descendants(sshd.pid):
        if item.words[0].startswith("sshd"):
            os.kill(item.pid, signal.SIGKILL)
    eventually(lambda: not sessions(), "the end of the session")
    rc, said = controller.ended(process)
    assert rc == 4, said


@pytest.mark.parametrize("variant", [VARIANTS[0], VARIANTS[3], VARIANTS[4], VARIANTS[7]], ids=str)
def test_a_killed_play(
    controller: Controller, base: Path, sessions: Sessions, variant: Variant
) -> None:
    """SIGKILL of ansible-playbook: its workers and clients end, and with them the command."""
    process = _sleeping(controller, variant, base, sessions)
    process.kill()
    eventually(lambda: not sessions(), "the end of the session")
    process.wait()


def test_a_host_that_is_not_there(controller: Controller, base: Path, sessions: Sessions) -> None:
    said = controller.refused(
        [{"ansible.builtin.ping": {}}], WAYS[0], base, vars={"ansible_port": 1}
    )
    assert "UNREACHABLE" in said
    assert not sessions()
