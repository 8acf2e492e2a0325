# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A test host's files, and how it boots."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import network

#: All that hosts have, in memory. Tests look at a host's files from outside by way of it.
STATE = Path("/run/jaulas-hosts")
#: The sockets of ssh's shared connections, as the inventory names it.
SHARED = STATE / "ssh"

BOOT = Path(__file__).with_name("boot")
SHUTDOWN = Path(__file__).with_name("shutdown")

#: After this a host's processes see its own files only, and its init is process 1.
ENTER = (
    'cd "$1" && mount -t proc proc proc && pivot_root . mnt && umount --lazy /mnt && '
    "exec /usr/local/sbin/boot"
)

#: nspawn without its manager, which this machine may not run.
NSPAWN = (
    "systemd-nspawn",
    "--quiet",
    "--register=no",
    "--keep-unit",
    "--console=read-only",
    "--resolv-conf=off",
    "--timezone=off",
    "--link-journal=no",
    "--boot",
)

SSH_CONFIG = f"""\
IdentityFile {STATE}/key
IdentitiesOnly yes
UserKnownHostsFile {STATE}/known_hosts
"""


@dataclass(frozen=True)
class Host:
    """One host: its name says its address."""

    name: str
    systemd: bool

    @property
    def address(self) -> str:
        return f"{network.PREFIX}.{self.number + 10}"

    @property
    def number(self) -> int:
        found = re.fullmatch(r"h([1-9]\d{0,2})", self.name)
        if not found or int(found[1]) > 200:
            raise SystemExit(f"A test host is called h1 to h200, not {self.name}")
        return int(found[1])

    @property
    def root(self) -> Path:
        return STATE / self.name / "root"

    def boot(self) -> list[str]:
        """The program that is the host while it runs."""
        space = network.space(self.name)
        if self.systemd:
            return [
                "sh",
                "-c",
                f'{own_cgroups(self.name)}exec "$@"',
                "sh",
                *NSPAWN,
                f"--directory={self.root}",
                f"--machine={self.name}",
                f"--network-namespace-path={space}",
                f"--bind={STATE / self.name / 'srv'}:/srv",
            ]
        spaces = ["--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
        inside = ["unshare", *spaces, "sh", "-c", ENTER, "sh", str(self.root)]
        return ["nsenter", f"--net={space}", *inside]


def own_cgroups(name: str) -> str:
    """Shell text that moves to a cgroup of the host's own: two systemds in one would collide."""
    text = "export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_LOCK=0; "
    for folder in cgroups(name):
        text += f"mkdir -p {folder} && echo $$ >{folder}/cgroup.procs; "
    return text


def cgroups(name: str) -> list[Path]:
    """The folders of a host's cgroup, whether the machine has one hierarchy or several."""
    top = Path("/sys/fs/cgroup")
    tops = [top] if (top / "cgroup.procs").exists() else [top / "unified", top / "systemd"]
    return [item / f"{network.MARK}{name}" for item in tops if item.is_dir()]


def without_cgroups(name: str) -> bool:
    """Take a host's cgroups away; false as long as a process that ends is in one."""
    for group in cgroups(name):
        for folder in [*sorted(group.glob("**/"), reverse=True), group]:
            try:
                folder.rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                return False
    return True


def write(path: Path, text: str) -> None:
    """Write a file that is never seen half-written."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text)
    partial.chmod(0o644)
    partial.rename(path)


def prepare(hosts: list[Host]) -> None:
    """Make the place of the hosts' files, a key to log in with, and what ssh must know of them."""
    STATE.mkdir(exist_ok=True)
    if not STATE.is_mount():
        run("mount", "-t", "tmpfs", "-o", "mode=755,size=75%", "jaulas-hosts", str(STATE))
    key = STATE / "key"
    if not key.exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test hosts", "-f", str(key))
        host_key = STATE / "host_key"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a test host", "-f", str(host_key))
        public = host_key.with_suffix(".pub").read_text()
        write(STATE / "known_hosts", f"{network.PREFIX}.* {public}")
    config = ""
    for host in hosts:
        config += f"Host {host.name}\nHostName {host.address}\n{SSH_CONFIG}"
    write(STATE / "ssh_config", config)


def furnish(host: Host, image: Path, keyring: Path | None) -> None:
    """Give a host its root, unless it has it: the image below, its own files on top."""
    folder = STATE / host.name
    if host.root.is_mount():
        return
    for name in ("upper", "work", "root", "srv"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    layers = f"lowerdir={image},upperdir={folder}/upper,workdir={folder}/work"
    run("mount", "-t", "overlay", "-o", layers, "overlay", str(host.root))
    # An upper layer for jails that are overlays themselves cannot lie on an overlay.
    if not host.systemd:
        run("mount", "--bind", str(folder / "srv"), str(host.root / "srv"))

    write(host.root / "etc/hostname", f"{host.name}\n")
    write(host.root / "etc/hosts", f"127.0.0.1 localhost\n{host.address} {host.name}\n")
    write(host.root / "etc/fstab", "")
    (host.root / "etc/machine-id").unlink(missing_ok=True)
    for old in (host.root / "etc/ssh").glob("ssh_host_*"):
        old.unlink()
    shutil.copy(STATE / "host_key", host.root / "etc/ssh/ssh_host_ed25519_key")
    for home in (host.root / "root", host.root / "home/admin"):
        keys = home / ".ssh/authorized_keys"
        keys.parent.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(STATE / "key.pub", keys)
        for path in (keys.parent, keys):
            os.chown(path, home.stat().st_uid, home.stat().st_gid)
    if keyring:
        shutil.copy(keyring, host.root / "usr/share/keyrings/test-archive.gpg")
    if not host.systemd:
        shutil.copy(BOOT, host.root / "usr/local/sbin/boot")
        # By the name that Ansible's module for reboots looks for.
        (host.root / "usr/sbin/shutdown").unlink(missing_ok=True)
        shutil.copy(SHUTDOWN, host.root / "usr/sbin/shutdown")


def remove() -> bool:
    """Take the files of all hosts away. True if there was something."""
    if not STATE.exists():
        return False
    for folder in [item for item in STATE.iterdir() if item.is_dir()]:
        if (folder / "root").is_mount():
            run("umount", "--recursive", str(folder / "root"))
    if STATE.is_mount():
        run("umount", str(STATE))
    # Ansible makes the folder of its connections anew, hosts or not.
    shutil.rmtree(STATE)
    return True


def run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)} failed ({done.returncode}): {done.stderr.strip()}")
