# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The text of dpkg's status file as packages (deb-control(5), dpkg-query(1)). Pure.

The file comes from inside a jail: nothing in it is trusted, a broken stanza is passed over.
"""

from __future__ import annotations

from ansible_collections.jaulas.chroot.plugins.module_utils._record import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FIELDS = ("Package", "Status", "Version", "Architecture")


class Package(Record):
    """One stanza. `state` is dpkg's last word: installed, config-files, half-configured, ...

    A damaged one must be reinstalled, whatever its state: its unpacking was cut short.
    """

    name: str
    arch: str
    version: str
    want: str
    state: str
    damaged: bool = False

    @property
    def installed(self) -> bool:
        return self.state == "installed" and not self.damaged


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """Read the single-line fields that matter here, stanza by stanza."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip():
            if fields:
                yield fields
            fields = {}
            continue
        name, colon, value = line.partition(":")
        if colon and name in _FIELDS:
            fields[name] = value.strip()
    if fields:
        yield fields


def parse(text: str) -> list[Package]:
    """Read every package that dpkg knows, whatever its state."""
    packages = []
    for fields in stanzas(text):
        status = fields.get("Status", "").split()
        if "Package" in fields and len(status) == 3:
            packages.append(
                Package(
                    name=fields["Package"],
                    arch=fields.get("Architecture", ""),
                    version=fields.get("Version", ""),
                    want=status[0],
                    state=status[2],
                    damaged=status[2] == "half-installed" or "reinstreq" in status[1],
                )
            )
    return packages


def split_request(request: str) -> tuple[str, str, str]:
    """Split `name:arch=version` as apt-get(8) spells it into name, architecture and version."""
    name, _equals, version = request.partition("=")
    name, _colon, arch = name.partition(":")
    return name, arch, version


def matching(packages: Iterable[Package], request: str) -> list[Package]:
    """Find the packages that a request means, in any state and any version."""
    name, arch, _version = split_request(request)
    return [item for item in packages if item.name == name and arch in ("", "any", item.arch)]


def satisfies(packages: Iterable[Package], request: str) -> bool:
    """Tell whether what a request asks for is installed, in the version that it names."""
    version = split_request(request)[2]
    return any(
        item.installed and version in ("", item.version) for item in matching(packages, request)
    )


def unfinished(packages: Iterable[Package]) -> list[Package]:
    """Find what dpkg has begun and not ended: proof that a tree is not whole."""
    ended = ("installed", "config-files", "not-installed")
    return [item for item in packages if item.damaged or item.state not in ended]
