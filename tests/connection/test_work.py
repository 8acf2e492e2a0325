# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people do with hosts, done with jails."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import USER, VARIANTS, Controller, Sessions, Sshd, Variant, must
from fault_tools import eventually

ROOT_BY_SSH = Variant("ssh", True, "root")
USER_BY_SSH = Variant("ssh", False, USER)
NAMES = ("plain", "two words", 'it\'s "quoted"', "汉语", "-dash", "$(touch x);&", "tab\there")


#: Each connection with and without pipelining, each as either user.
@pytest.mark.parametrize("variant", [VARIANTS[0], VARIANTS[3], VARIANTS[5], VARIANTS[6]], ids=str)
def test_modules_become_and_background(
    controller: Controller, jail: Path, place: Path, variant: Variant, sessions: Sessions
) -> None:
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.setup": {"gather_subset": ["!all", "min", "chroot", "distribution"]}},
        must(
            "ansible_facts.distribution_release == 'bookworm'",
            "ansible_facts.is_chroot",
            "ansible_facts.user_id == 'root'",
        ),
        # Login and path of the host are nothing to the jail.
        {"ansible.builtin.command": "sh -c 'id -un; echo ~; pwd'", "register": "me"},
        must("me.stdout_lines == ['root', '/root', '/']"),
        {"ansible.builtin.file": {"path": "/srv/file", "state": "touch", "mode": "0600"}},
        {"ansible.builtin.slurp": {"path": "/etc/passwd"}, "register": "passwd"},
        must("(passwd.content | b64decode) is search('builder')"),
    ]
    for method in ("sudo", "su"):
        as_builder = {"become": True, "become_user": "builder", "become_method": method}
        tasks += [
            {"ansible.builtin.command": "id -un", "register": "me", **as_builder},
            must("me.stdout == 'builder'"),
            {
                "ansible.builtin.copy": {"content": method, "dest": f"/home/builder/{method}"},
                **as_builder,
            },
            {"ansible.builtin.stat": {"path": f"/home/builder/{method}"}, "register": "made"},
            must("made.stat.pw_name == 'builder'"),
        ]
    background = "sh -c 'sleep 1; touch /srv/done'"
    tasks += [
        {"ansible.builtin.setup": {"gather_subset": ["!all", "!min", "chroot"]}, "become": True},
        must("ansible_facts.is_chroot"),
        {"ansible.builtin.command": background, "async": 60, "poll": 1, "register": "ended"},
        must("ended.rc == 0"),
        # What began it has ended long before, and the policy is still there.
        {
            "ansible.builtin.command": "sh -c 'sleep 2; /usr/sbin/policy-rc.d; echo $?'",
            "async": 60,
            "poll": 0,
            "register": "job",
        },
        {
            "ansible.builtin.async_status": {"jid": "{{ job.ansible_job_id }}"},
            "register": "ended",
            "until": "ended is finished",
            "retries": 60,
            "delay": 1,
        },
        must("ended.stdout == '101'"),
        {"ansible.builtin.command": "id -u", "delegate_to": "host", "register": "there"},
        must(f"there.stdout {'==' if variant.user == 'root' else '!='} '0'"),
        {"ansible.builtin.stat": {"path": str(jail)}, "delegate_to": "host", "register": "there"},
        must("there.stat.exists"),
        {"ansible.builtin.meta": "reset_connection"},
        {"ansible.builtin.wait_for_connection": {"timeout": 60}},
        {"ansible.builtin.raw": "exit 7", "register": "code", "failed_when": "code.rc != 7"},
    ]
    controller.play(tasks, variant, jail)
    assert (jail / "srv/done").is_file()
    policy = jail / "usr/sbin/policy-rc.d"
    eventually(lambda: not policy.exists(), "the end of the policy")


@pytest.mark.parametrize("variant", [VARIANTS[3], VARIANTS[4]], ids=str)
def test_files(controller: Controller, jail: Path, place: Path, variant: Variant) -> None:
    place.chmod(0o777)
    for name in NAMES:
        (place / name).write_bytes(os.urandom(70000) + name.encode())
    (place / "empty").touch()
    files = [{"name": name} for name in (*NAMES, "empty")]
    here, there, back = (
        f"{folder}/{{{{ item.name }}}}" for folder in (place, "/srv", place / "back")
    )
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.copy": {"src": here, "dest": there}, "loop": files},
        {"ansible.builtin.fetch": {"src": there, "dest": back, "flat": True}, "loop": files},
    ]
    controller.play(tasks, variant, jail)
    for name in (*NAMES, "empty"):
        content = (place / name).read_bytes()
        assert (jail / "srv" / name).read_bytes() == content, name
        assert (place / "back" / name).read_bytes() == content, name


def test_entries_without_pipelining(controller: Controller, base: Path) -> None:
    """A module costs five: home, folder, the module with its rights, its run, the folder's end."""
    variant = Variant("ssh", False, "root")
    argv = controller.book([{"ansible.builtin.command": "true"}], variant, base)
    said = controller.run([*argv, "-vv"], variant)
    assert said.count("> PUT ") == 1
    # The first one of all finds nothing on the host to enter with, and comes again.
    assert said.count("> SSH: EXEC ") == 5 + 2 * said.count("> INSTALL "), said


def test_a_big_file(controller: Controller, jail: Path, place: Path) -> None:
    # A GiB is much for a machine that does other things: with the first ansible-core only.
    parts = 64 if os.environ["CORES"].split()[0] == os.environ["JAULAS_CORE"] else 4
    big, back = place / "big", place / "back"
    with open(big, "wb") as file:
        file.writelines(os.urandom(1 << 20) * 16 for _part in range(parts))
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.copy": {"src": str(big), "dest": "/srv/big"}},
        {"ansible.builtin.fetch": {"src": "/srv/big", "dest": str(back), "flat": True}},
    ]
    # What cannot be compressed is not tried.
    args = {"ansible_ssh_args": "-o ControlMaster=auto -o ControlPersist=60s"}
    controller.play(tasks, ROOT_BY_SSH, jail, 3600, vars=args)
    assert big.stat().st_size == parts << 24
    for other in (jail / "srv/big", back):
        subprocess.run(["cmp", big, other], check=True)
        other.unlink()


def test_options_are_read_for_every_item(
    controller: Controller, base: Path, base_i386: Path
) -> None:
    """A loop that delegates to another jail for each item goes to each of them."""
    hosts = {
        name: controller.variables(ROOT_BY_SSH, path)
        for name, path in (("jail", base), ("other", base_i386))
    }
    tasks: list[dict[str, Any]] = [
        {
            "ansible.builtin.command": "uname -m",
            "delegate_to": "{{ item }}",
            "loop": ["jail", "other", "jail"],
            "register": "machines",
        },
        must("machines.results | map(attribute='stdout') | list == ['x86_64', 'i686', 'x86_64']"),
        {
            "ansible.builtin.command": "uname -m",
            "loop": [str(base), str(base_i386)],
            "vars": {"ansible_jail_path": "{{ item }}"},
            "register": "machines",
        },
        must("machines.results | map(attribute='stdout') | list == ['x86_64', 'i686']"),
    ]
    argv = controller.book(tasks, ROOT_BY_SSH, base)
    argv[argv.index("-i") + 1] = str(controller.inventory(hosts))
    controller.run(argv, ROOT_BY_SSH)


def test_facts_of_another_architecture(controller: Controller, base_i386: Path) -> None:
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.setup": {"gather_subset": ["!all", "min", "chroot"]}},
        must("ansible_facts.architecture == 'i386'", "ansible_facts.machine == 'i686'"),
        must("ansible_facts.is_chroot"),
    ]
    controller.play(tasks, ROOT_BY_SSH, base_i386)


def test_services_of_the_host_are_left_alone(
    controller: Controller, jail: Path, sshd: Sshd
) -> None:
    """A service is stopped in the jail, by a script that would end every sshd that it can see."""
    init = jail / "etc/init.d/ssh"
    init.write_text(
        "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: ssh\n# Required-Start:\n# Required-Stop:\n"
        "# Default-Start: 2 3 4 5\n# Default-Stop:\n### END INIT INFO\n"
        'for comm in /proc/[0-9]*/comm; do read -r name <"$comm"\n'
        '[ "$name" != sshd ] || { pid=${comm#/proc/}; kill "${pid%/comm}"; }\ndone\n'
        '[ "$1" != start ] || touch /srv/started\n'
    )
    init.chmod(0o755)
    stop = {"name": "ssh", "state": "stopped", "pattern": "sh"}
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.service": stop},
        {"ansible.builtin.command": "invoke-rc.d ssh start"},
        {"ansible.builtin.command": "env", "register": "env"},
        must("env.stdout is search('SYSTEMD_OFFLINE=1')", "env.stdout is search('debian_chroot=')"),
    ]
    controller.play(tasks, ROOT_BY_SSH, jail)
    os.kill(sshd.pid, 0)
    assert not (jail / "srv/started").exists()


def test_a_jail_without_python(controller: Controller, bare: Path) -> None:
    for variant in (ROOT_BY_SSH, USER_BY_SSH, Variant("local", False, "root")):
        controller.play([{"ansible.builtin.raw": "cat /etc/os-release"}], variant, bare)
        said = controller.refused([{"ansible.builtin.ping": {}}], variant, bare)
        assert f"Cannot run a module in {bare}: the jail has no Python" in said
        assert "jail_python: true" in said


def test_synchronize_is_refused(controller: Controller, bare: Path, place: Path) -> None:
    """rsync knows no way into a jail, and would write to the host beside it."""
    (place / "file").touch()
    task = {"ansible.posix.synchronize": {"src": f"{place}/file", "dest": "/srv/"}}
    said = controller.refused([task], ROOT_BY_SSH, bare)
    assert "This remote host is being accessed via jaulas.chroot.ssh instead" in said


@pytest.mark.parametrize("variant", [ROOT_BY_SSH, Variant("local", True, "root")], ids=str)
def test_what_stands_in_the_way(
    controller: Controller, place: Path, base: Path, variant: Variant
) -> None:
    ping = [{"ansible.builtin.ping": {}}]
    for path, words in (
        (place / "none", "No such file or directory"),
        (Path("/"), "that is the host itself"),
        (Path("relative"), "the path is not absolute"),
    ):
        said = controller.refused(ping, variant, path)
        assert f"Cannot enter {path}: " in said
        assert words in said
        assert "UNREACHABLE" in said
    for name, value, words in (
        ("ansible_jail_host_python", "no-such-python", "the host has no no-such-python"),
        ("ansible_jail_profile", "nonsense", "nonsense"),
    ):
        said = controller.refused(ping, variant, base, vars={name: value})
        assert words in said


def test_profile_and_services(controller: Controller, jail: Path) -> None:
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.raw": "findmnt -no FSTYPE /tmp; env", "register": "seen"},
        must("seen.stdout is match('tmpfs')", "seen.stdout is not search('SYSTEMD_OFFLINE')"),
    ]
    extra = {"ansible_jail_profile": "build", "ansible_jail_services": "allow"}
    controller.play(tasks, ROOT_BY_SSH, jail, vars=extra)


def test_discovered_jails(controller: Controller, base: Path, place: Path) -> None:
    """Jails that nobody declared, and what a host says is no template."""
    roots = place / "roots"
    for name in ("made", "{{ 7 * 7 }}"):
        (roots / name / "bin").mkdir(parents=True)
        (roots / name / "bin/sh").touch()
    (roots / "made/etc").mkdir()
    (roots / "made/etc/os-release").write_text("VERSION_CODENAME={{ 1 + 1 }}\n")
    folder = place / "inventory"
    folder.mkdir()
    way = {**controller.ways["root"], "ansible_python_interpreter": "/usr/bin/python3"}
    hosts = {"web": way, "off": {**way, "ansible_port": 1}}
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    plugin = {"plugin": "jaulas.chroot.jails", "discover": True, "roots": [str(roots)]}
    (folder / "jails.yml").write_text(json.dumps(plugin))
    said = controller.run(["ansible-inventory", "-i", str(folder), "--list"], ROOT_BY_SSH)
    assert "The host off does not tell what jails it has" in said
    assert "'{{ 7 * 7 }}' is no name for a host" in said
    found = json.loads(said[said.index("\n{") :])
    assert found["jails"]["hosts"] == ["made.web"]
    assert found["jails_on_web"]["hosts"] == ["made.web"]
    variables = found["_meta"]["hostvars"]["made.web"]
    # This is how Ansible writes down what is never to be a template.
    assert variables["ansible_jail_path"] == {"__ansible_unsafe": str(roots / "made")}
    assert variables["ansible_connection"] == {"__ansible_unsafe": "jaulas.chroot.ssh"}
    assert "suite" not in variables["jail"]


def test_the_three_tasks_of_the_readme(controller: Controller, base: Path, place: Path) -> None:
    """Declared jails, by the inventory of the README."""
    folder = place / "inventory"
    folder.mkdir()
    hosts = {"web1": controller.ways["root"], "web2": controller.ways[USER]}
    everywhere = {
        "jail_root": str(base.parent),
        "jails": [{"name": "base", "suite": "kerepakupai"}],
    }
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": everywhere}}))
    (folder / "jails.yml").write_text(json.dumps({"plugin": "jaulas.chroot.jails"}))
    argv = ["ansible", "-i", str(folder), "jail_suite_kerepakupai", "-m", "ansible.builtin.command"]
    said = controller.run([*argv, "-a", "cat /etc/debian_version"], ROOT_BY_SSH)
    assert "base.web1 | CHANGED" in said
    assert "base.web2 | CHANGED" in said


def test_a_lasting_job_ends_its_session(
    controller: Controller, base: Path, sessions: Sessions
) -> None:
    """By its limit; where Ansible was slow to make a group of its processes, by itself."""
    job = {"ansible.builtin.command": "sleep 30", "async": 20, "poll": 0}
    controller.play([job], ROOT_BY_SSH, base)
    assert sessions()
    eventually(lambda: not sessions(), "the end of the job")
