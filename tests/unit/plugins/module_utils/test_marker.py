# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _marker

PARAMETERS: dict[str, object] = {
    "suite": "trixie",
    "mirror": None,
    "arch": "amd64",
    "variant": "minbase",
    "include": ["locales"],
    "exclude": [],
    "components": ["main"],
    "extra_suites": [],
    "script": None,
    "merged_usr": None,
    "storage": "directory",
    "check_gpg": True,
    "keyring": None,
    "engine": "auto",
}
MARKER = _marker.Marker(
    PARAMETERS,
    {"name": "mmdebstrap", "version": "1.3.5"},
    {"suite": "stable", "codename": "trixie"},
    "2026-11-23T16:00:00Z",
)


def test_a_marker_comes_back() -> None:
    assert _marker.parse(MARKER.render().encode()) == MARKER


def test_a_jail_from_before_there_were_overlays() -> None:
    old = {key: value for key, value in PARAMETERS.items() if key != "storage"}
    assert _marker.drift(PARAMETERS, MARKER._replace(parameters=old)) == []
    changed = _marker.drift({**PARAMETERS, "storage": "overlay"}, MARKER._replace(parameters=old))
    assert changed == ['storage: "directory" -> "overlay"']


def test_the_text_carries_the_digest() -> None:
    assert json.loads(MARKER.render())["digest"] == _marker.digest(PARAMETERS)


def test_the_digest_does_not_depend_on_order() -> None:
    turned = dict(reversed(PARAMETERS.items()))
    assert list(turned) != list(PARAMETERS)
    assert _marker.digest(turned) == _marker.digest(PARAMETERS)
    assert _marker.digest({**PARAMETERS, "arch": "i386"}) != _marker.digest(PARAMETERS)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        b"[1, 2]",
        b'"text"',
        b"7",
        b"\xff\xfe",
        b"{" * 60_000,
        b"[" * 60_000,
        b"9" * 60_000,
        MARKER.render().replace('"format": 1', '"format": 2').encode(),
        MARKER.render().encode()[:-9],
        b'{"format": 1, "parameters": [], "engine": {}, "release": {}}',
        b'{"format": 1, "parameters": {}, "engine": "x", "release": {}}',
    ],
    ids=range(15),
)
def test_what_is_no_marker(raw: bytes) -> None:
    assert _marker.parse(raw) is None


def test_no_drift() -> None:
    assert _marker.drift(dict(PARAMETERS), MARKER) == []


@pytest.mark.parametrize("name", _marker.DECIDING)
def test_every_deciding_parameter_is_drift(name: str) -> None:
    (line,) = _marker.drift({**PARAMETERS, name: "other"}, MARKER)
    assert line == f'{name}: {json.dumps(PARAMETERS[name])} -> "other"'


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"engine": "mmdebstrap"}, []),
        ({"engine": "debootstrap"}, ['engine: "mmdebstrap" -> "debootstrap"']),
        ({"check_gpg": False}, []),
        ({"keyring": "/k.gpg"}, []),
        (
            {"arch": "i386", "include": []},
            ['arch: "amd64" -> "i386"', 'include: ["locales"] -> []'],
        ),
    ],
)
def test_drift(changes: dict[str, object], lines: list[str]) -> None:
    assert _marker.drift({**PARAMETERS, **changes}, MARKER) == lines


def test_an_unverified_jail_does_not_serve_who_wants_a_verified_one() -> None:
    made = _marker.Marker({**PARAMETERS, "check_gpg": False}, MARKER.engine, {}, "")
    assert _marker.drift(PARAMETERS, made) == ["check_gpg: false -> true"]
