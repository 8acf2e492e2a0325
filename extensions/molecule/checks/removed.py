# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nothing is left of the jails on their hosts."""

from __future__ import annotations

from typing import Any


def test_nothing_is_left(host: Any) -> None:
    assert host.check_output("find /srv/jails -mindepth 1") == ""
    assert host.run("findmnt --raw --noheadings --output TARGET | grep ^/srv/jails").rc == 1
    assert host.run("grep /srv/jails /etc/fstab").rc == 1
    # Those that end meanwhile are none of a jail's.
    assert host.run("find /proc/[0-9]*/root -lname '/srv/jails/*'").stdout == ""


def test_the_host_is_unharmed(host: Any) -> None:
    assert host.process.filter(user="root", comm="sshd")
    assert host.file("/dev/null").exists
    assert host.run("findmnt --verify").rc == 0
    assert host.run("ls /dev/pts/ptmx /proc/self/root /sys/kernel").rc == 0
