# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cache whose files are wrong: never in a jail, and not for long in the way of one."""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import urllib.request
from pathlib import Path

from fault_runs import Host
from fault_tools import bootstrap, leftovers

CACHE = Path("/var/cache/jaulas.chroot/debs")
INDEX = "dists/kerepakupai/main/binary-amd64/Packages.xz"


def entries(package: str) -> list[Path]:
    """What the cache has of a package of the archive."""
    with urllib.request.urlopen(f"{os.environ['ARCHIVE_URL']}/{INDEX}") as answer:
        index = lzma.decompress(answer.read()).decode()
    (name,) = re.findall(rf"^Filename: (\S+/{package}_\S+)$", index, re.MULTILINE)
    key = hashlib.sha256(f"{os.environ['ARCHIVE_URL']}/{name}".encode()).hexdigest()
    return list(CACHE.glob(f"{key}-*"))


def poison() -> Path:
    """Change a byte in a package that is kept, and have the cache believe that it is right."""
    (entry,) = entries("dash")
    data = bytearray(entry.read_bytes())
    data[len(data) // 2] ^= 1
    entry.unlink()
    wrong = entry.with_name(f"{entry.name.partition('-')[0]}-{hashlib.sha256(data).hexdigest()}")
    wrong.write_bytes(data)
    return wrong


def test_apt_refuses_a_wrong_package_once(host: Host, base: Path, place: Path) -> None:
    wrong, path = poison(), place / "jail"
    sentence = host.refused("debootstrap_jail", **bootstrap(path, engine="mmdebstrap"))
    assert "mirror" in sentence
    assert not path.exists()
    assert leftovers(path) == []
    assert entries("dash") == []
    host.done("debootstrap_jail", **bootstrap(path, engine="mmdebstrap"))
    assert entries("dash") not in ([], [wrong])


def test_debootstrap_asks_again_for_a_wrong_package(host: Host, base: Path, place: Path) -> None:
    # Some jail before this one has filled the cache.
    wrong = poison()
    host.done("debootstrap_jail", **bootstrap(place / "jail", engine="debootstrap"))
    assert entries("dash") not in ([], [wrong])
