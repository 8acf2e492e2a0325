# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The text of an archive's Release file and of os-release(5) as records. Pure.

Both come from strangers: they are data, bounded, and never evaluated.
"""

from __future__ import annotations

import hashlib
import re
import shlex

_FIELD = re.compile(r"([A-Za-z-]+):[ \t]*(\S.*)?")
_ASSIGNMENT = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")
_SOURCE = re.compile(r"deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)(?:\s.*)?")
_RELEASE_FIELDS = (
    "Origin",
    "Label",
    "Suite",
    "Codename",
    "Version",
    "Date",
    "Valid-Until",
    "Architectures",
    "Components",
)
_LONGEST = 512


def parse_release(text: str) -> dict[str, str]:
    """Read who made an archive and when, from Release or InRelease (deb-src Release format)."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        match = _FIELD.fullmatch(line)
        if match and match.group(1) in _RELEASE_FIELDS and match.group(2):
            fields.setdefault(match.group(1).lower().replace("-", "_"), match.group(2)[:_LONGEST])
    return fields


def digest(text: str) -> str:
    """Digest what a Release file says, be it alone or wrapped into its signature (RFC 9580, 7)."""
    if text.startswith("-----BEGIN PGP SIGNED MESSAGE-----"):
        signed = text.partition("\n\n")[2].partition("\n-----BEGIN PGP SIGNATURE-----")[0]
        text = re.sub(r"^- ", "", signed, flags=re.MULTILINE)
    return hashlib.sha256(text.strip().encode()).hexdigest()


def sources(text: str) -> list[tuple[str, str]]:
    """List the archives of a sources.list, one line each, as (address, suite) (sources.list(5))."""
    found = []
    for line in text.splitlines():
        match = _SOURCE.fullmatch(line.strip())
        if match:
            found.append((match.group(1).rstrip("/"), match.group(2)))
    return found


def parse_os_release(text: str) -> dict[str, str]:
    """Read os-release; quotes are undone as a shell would, nothing is expanded."""
    fields = {}
    for line in text.split("\n"):
        match = _ASSIGNMENT.fullmatch(line.strip())
        if not match:
            continue
        try:
            value = " ".join(shlex.split(match.group(2)))
        except ValueError:
            continue
        # Two escapes of the shell that shlex leaves alone between double quotes.
        fields[match.group(1).lower()] = re.sub(r"\\([$`])", r"\1", value)[:_LONGEST]
    return fields
