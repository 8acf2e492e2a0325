# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.modules import jail_packages
from ansible_collections.jaulas.chroot.tests.unit.plugins.modules.conftest import Result, Run

STATUS = """Package: dpkg
Status: install ok installed
Architecture: amd64
Version: 1.22.6

Package: nano
Status: install ok installed
Architecture: amd64
Version: 8.4

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

"""
HELLO = "Package: hello\\nStatus: install ok installed\\nArchitecture: amd64\\nVersion: 2.10\\n\\n"
APT = f"""#!/bin/sh
echo "$@" >> /var/calls
case " $* " in
    *" -s "*" install "*) echo 'Inst hello (2.10 Made-up:1 [amd64])' ;;
    *" -s "*" remove "*) echo 'Remv nano [8.4]' ;;
    *" install "*) printf '{HELLO}' >> /var/lib/dpkg/status ;;
    *" remove "*) : > /var/lib/dpkg/status ;;
    *" update "*) mkdir -p /var/lib/apt/lists; touch /var/lib/apt/lists/m_Packages ;;
esac
"""
Packages = Callable[..., None]


@pytest.fixture
def calls(jail: Path) -> Callable[[], list[str]]:
    """What apt was called for, a verb each; a simulation has a star."""

    def read() -> list[str]:
        place = jail / "var/calls"
        lines = place.read_text().splitlines() if place.exists() else []
        verbs = ("update", "install", "remove", "dist-upgrade", "autoremove")
        return [
            next(word for word in line.split() if word in verbs)
            + ("*" if "-s" in line.split() else "")
            for line in lines
        ]

    return read


@pytest.fixture
def system(
    jail: Path, run: Run, enterable: Callable[[], None], in_namespace: Callable[..., None]
) -> Packages:
    """Call the module some times, one after the other, on a jail whose apt is a fake."""
    (jail / "var/lib/dpkg").mkdir(parents=True)
    (jail / "var/lib/dpkg/status").write_text(STATUS)
    (jail / "var/lib/apt/lists").mkdir(parents=True)
    (jail / "var/lib/apt/lists/m_Packages").write_text("")
    (jail / "usr/bin/apt-get").write_text(APT)
    (jail / "usr/bin/apt-get").chmod(0o755)

    def call(*steps: tuple[dict[str, object], Callable[[Result], object]]) -> None:
        def deed() -> None:
            enterable()
            for options, judge in steps:
                judge(run(jail_packages, path=str(jail), **options))

        in_namespace(deed)

    return call


def expect(**expected: object) -> Callable[[Result], None]:
    def judge(result: Result) -> None:
        assert {name: result.get(name) for name in expected} == expected, result

    return judge


def test_install(system: Packages, calls: Callable[[], list[str]], jail: Path) -> None:
    foreseen = expect(
        changed=True,
        installed=["hello:amd64=2.10"],
        upgraded=[],
        removed=[],
        actions=[f"install hello in {jail}"],
        diff=[
            {
                "before_header": f"packages in {jail}",
                "after_header": f"packages in {jail}",
                "before": "dpkg 1.22.6\nnano 8.4\n",
                "after": "dpkg 1.22.6\nhello 2.10\nnano 8.4\n",
            }
        ],
    )
    options: dict[str, object] = {"name": ["hello", "nano"], "diff": True}
    again = expect(changed=False, actions=[], installed=[])
    system(
        ({**options, "check": True}, foreseen),
        (options, foreseen),
        (options, again),
        ({**options, "check": True}, again),
    )
    assert calls() == ["install*", "install*", "install"]


@pytest.mark.parametrize(
    "options",
    [
        {"name": ["nano", "dpkg:amd64", "nano=8.4"]},
        {"name": ["nothing"], "state": "absent"},
        {"name": ["gone"], "state": "absent"},
        {"name": ["nano"], "update_cache": True},
        {"name": []},
    ],
)
def test_nothing_to_do_starts_nothing(
    system: Packages, calls: Callable[[], list[str]], options: dict[str, object]
) -> None:
    system((options, expect(changed=False, cache_updated=False)))
    assert calls() == []


def test_remove(system: Packages, calls: Callable[[], list[str]]) -> None:
    options: dict[str, object] = {"name": ["nano"], "state": "absent"}
    system(({**options, "check": True}, expect(changed=True, removed=["nano:amd64=8.4"])))
    assert calls() == ["remove*"]


def test_lists_only(system: Packages, calls: Callable[[], list[str]]) -> None:
    system(
        ({"update_cache": True}, expect(changed=True, cache_updated=True)),
        ({"update_cache": True, "cache_valid_time": 3600}, expect(changed=False)),
    )
    assert calls() == ["update"]


def test_a_jail_without_lists_gets_them(
    system: Packages, calls: Callable[[], list[str]], jail: Path
) -> None:
    (jail / "var/lib/apt/lists/m_Packages").unlink()
    system(({"name": ["hello"]}, expect(changed=True, cache_updated=True)))
    assert calls() == ["update", "install*", "install"]


@pytest.mark.parametrize("name", ["-o", "a b", "A", "$(id)", "a;b", "../a", ""])
def test_names_that_are_none(system: Packages, calls: Callable[[], list[str]], name: str) -> None:
    system(({"name": [name, "x"]}, expect(failed=True)))
    assert calls() == []


def test_what_apt_says_is_explained(system: Packages, jail: Path) -> None:
    apt = "#!/bin/sh\necho 'E: Unable to locate package hello' >&2\nexit 100\n"
    (jail / "usr/bin/apt-get").write_text(apt)

    def judge(result: Result) -> None:
        assert "the archive has no package hello" in result["msg"]
        assert result["rc"] == 100
        assert result["log"] == ["E: Unable to locate package hello"]

    system(({"name": ["hello"]}, judge))


def test_a_jail_without_dpkg(run: Run, jail: Path) -> None:
    assert "it has no dpkg" in run(jail_packages, path=str(jail), name=["x"])["msg"]
