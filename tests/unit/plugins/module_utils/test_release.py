# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _release

INRELEASE = """-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA512

Origin: Canaima
Label: Canaima
Suite: stable
Version: 8.1
Codename: kerepakupai
Date: Sat, 14 Mar 2026 09:14:31 UTC
Valid-Until: Sat, 21 Mar 2026 09:14:31 UTC
Acquire-By-Hash: yes
Architectures: all amd64 i386
Components: main contrib
Description: Canaima 8.1
MD5Sum:
 0ed6d4c8891eb86358b94bb35d9e4da4  1484322 contrib/Contents-all
 Codename: smuggled
-----BEGIN PGP SIGNATURE-----
Suite: forged-behind-the-signature

iQIzBAEBCgAdFiEE
-----END PGP SIGNATURE-----
"""
OS_RELEASE = """PRETTY_NAME="Debian GNU/Linux 13 (trixie)"
NAME="Debian GNU/Linux"
VERSION_ID="13"
VERSION_CODENAME=trixie
# a comment
ID=debian
SINGLE='one $two `three`'
ESCAPED="a \\"b\\" \\\\c"
HOME_URL=https://www.debian.org/
"""


def test_inrelease() -> None:
    assert _release.parse_release(INRELEASE) == {
        "origin": "Canaima",
        "label": "Canaima",
        "suite": "stable",
        "version": "8.1",
        "codename": "kerepakupai",
        "date": "Sat, 14 Mar 2026 09:14:31 UTC",
        "valid_until": "Sat, 21 Mar 2026 09:14:31 UTC",
        "architectures": "all amd64 i386",
        "components": "main contrib",
    }


@pytest.mark.parametrize(
    "text",
    ["", "<html><body>Codename: x</body></html>", "Suite\n", "Suite:\n", "Suite:   \n", "\0" * 999],
)
def test_no_release(text: str) -> None:
    assert _release.parse_release(text) == {}


def test_a_long_field_is_cut() -> None:
    assert len(_release.parse_release("Suite: " + "x" * 100_000)["suite"]) == 512


def test_os_release() -> None:
    assert _release.parse_os_release(OS_RELEASE) == {
        "pretty_name": "Debian GNU/Linux 13 (trixie)",
        "name": "Debian GNU/Linux",
        "version_id": "13",
        "version_codename": "trixie",
        "id": "debian",
        "single": "one $two `three`",
        "escaped": 'a "b" \\c',
        "home_url": "https://www.debian.org/",
    }


@pytest.mark.parametrize("sign", ["$", "`"])
def test_os_release_undoes_every_escape_of_the_shell(sign: str) -> None:
    assert _release.parse_os_release(f'NAME="a\\{sign}b"\n') == {"name": f"a{sign}b"}


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("ID=$(touch /tmp/x)\n", {"id": "$(touch /tmp/x)"}),
        ("ID=`id`\n", {"id": "`id`"}),
        ('ID="unbalanced\nNAME=next\n', {"name": "next"}),
        ("id=lower\n9X=1\n=\nA B=1\n", {}),
        ("ID=\n", {"id": ""}),
        ("ID={{ lookup('pipe', 'id') }}\n", {"id": "{{ lookup(pipe, id) }}"}),
    ],
)
def test_hostile_os_release_is_only_text(text: str, fields: dict[str, str]) -> None:
    assert _release.parse_os_release(text) == fields


def test_a_long_os_release_is_cut() -> None:
    assert len(_release.parse_os_release("ID=" + "x" * 60_000)["id"]) == 512
