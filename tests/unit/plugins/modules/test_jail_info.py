# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _files, _kernel, _marker
from ansible_collections.jaulas.chroot.plugins.modules import jail_info
from ansible_collections.jaulas.chroot.tests.unit.plugins.modules.conftest import Run

STATUS = """Package: dpkg
Status: install ok installed
Architecture: amd64
Version: 1.22.6

Package: nano
Status: install ok {state}
Architecture: amd64
Version: 8.4
"""
Info = Callable[..., dict[str, Any]]


@pytest.fixture
def info(run: Run, jail: Path) -> Info:
    def call(**options: object) -> dict[str, Any]:
        result = run(jail_info, **(options or {"paths": [str(jail)]}))
        assert not result["changed"]
        (found,) = result["jails"]
        return dict(found)

    return call


def furnish(jail: Path, state: str = "installed", marked: bool = True) -> None:
    (jail / "var/lib/dpkg").mkdir(parents=True)
    (jail / "var/lib/dpkg/status").write_text(STATUS.format(state=state))
    (jail / "bin/sh").write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\xb7\x00")
    (jail / "etc/os-release").write_text('ID=debian\nNAME="{{ 7 * 7 }} $(id)"\n')
    if marked:
        marker = _marker.Marker({"suite": "trixie"}, {"name": "debootstrap"}, {}, "now")
        (jail / ".jail.json").write_text(marker.render())


def test_a_jail_of_ours(info: Info, jail: Path) -> None:
    furnish(jail)
    found = info()
    expected = {
        "path": str(jail),
        "exists": True,
        "managed": True,
        "complete": True,
        "parameters": {"suite": "trixie"},
        "engine": {"name": "debootstrap"},
        "created": "now",
        "architecture": "arm64",
        "packages": {"dpkg": "1.22.6", "nano": "8.4"},
        "leftovers": [],
        "mounts": [],
        "processes": [],
        "stale": [],
    }
    assert {name: found[name] for name in expected} == expected
    assert found["os_release"] == {"id": "debian", "name": "{{ 7 * 7 }} $(id)"}
    assert found["size"] > 0


@pytest.mark.parametrize(
    ("state", "complete", "stale"),
    [("installed", True, []), ("half-configured", False, ["nano is half-configured"])],
)
def test_a_system_of_somebody_elses(
    info: Info, jail: Path, state: str, complete: bool, stale: list[str]
) -> None:
    furnish(jail, state, marked=False)
    found = info()
    assert (found["managed"], found["complete"], found["stale"]) == (False, complete, stale)
    assert found["parameters"] is None


def test_what_is_left_of_one(info: Info, jail: Path) -> None:
    furnish(jail)
    place = jail.with_name("j.partial-0123abcd")
    place.mkdir()
    (place / ".jail-partial").write_text("{}")
    found = info()
    assert found["leftovers"] == [str(place)]
    assert found["stale"] == [f"{place} was left by a run that was cut short"]


def test_mounts_and_processes(info: Info, jail: Path, in_namespace: Callable[..., None]) -> None:
    furnish(jail)

    def deed() -> None:
        _kernel.mount("tmpfs", str(jail / "tmp"), "tmpfs", frozenset(("nosuid",)))
        with subprocess.Popen(["sleep", "1000"], cwd=jail / "tmp") as process:
            found = info()
            process.kill()
        assert found["mounts"] == [f"{jail}/tmp tmpfs tmpfs nosuid"]
        assert found["mounts_elsewhere"] == []
        assert found["processes"] == [
            {"pid": process.pid, "name": "sleep", "reason": f"cwd {jail}/tmp"}
        ]

    in_namespace(deed)


def test_roots_are_searched(run: Run, jail: Path) -> None:
    furnish(jail)
    (jail.parent / "nothing").mkdir()
    (jail.parent / "link").symlink_to(jail)
    (jail.parent / "file").write_text("")
    result = run(jail_info, roots=[str(jail.parent), "/nowhere"], paths=[str(jail)])
    assert [found["path"] for found in result["jails"]] == [str(jail)]


def test_many_jails_cost_one_look_at_the_host(
    run: Run, jail: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mount tables, fstab and /proc are read as often for many jails as for one."""
    record = jail.with_name("looks")
    read, listdir, readlink = _files.read_text, os.listdir, os.readlink

    def noting(call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(what: Any, *rest: Any, **named: Any) -> Any:
            if str(what).startswith(("/proc", "/etc/fstab")):
                # Processes come and go, and read_text is only called for those with a namespace.
                kind = re.sub(r"/[0-9]+/", "/PID/", str(what))
                with record.open("a") as handle:
                    handle.write(f"{call.__name__} {kind}\n")
            return call(what, *rest, **named)

        return noted

    monkeypatch.setattr(_files, "read_text", noting(read))
    monkeypatch.setattr(os, "listdir", noting(listdir))
    monkeypatch.setattr(os, "readlink", noting(readlink))
    places = [jail, *(jail.with_name(f"j{number}") for number in range(9))]
    for place in places[1:]:
        shutil.copytree(jail, place, symlinks=True)

    def looks(count: int) -> Counter[str]:
        record.write_text("")
        result = run(jail_info, paths=[str(place) for place in places[:count]])
        assert len(result["jails"]) == count
        counted = Counter(record.read_text().splitlines())
        # Of a process that has ended meanwhile less is read; one look is one look.
        return Counter({look: number for look, number in counted.items() if "/PID/" not in look})

    one = looks(1)
    assert one["read_text /proc/self/mountinfo"] == 1
    assert one["read_text /etc/fstab"] == 1
    assert looks(10) == one


@pytest.mark.parametrize("name", [".jail.json", "etc/os-release", "var/lib/dpkg/status", "bin/sh"])
@pytest.mark.parametrize("kind", ["garbage", "pipe", "loop", "out", "folder", "zeros"])
def test_hostile_files_are_only_data(
    info: Info, jail: Path, tmp_path: Path, name: str, kind: str
) -> None:
    (jail / "var/lib/dpkg").mkdir(parents=True)
    secret = tmp_path / "secret"
    secret.write_text(json.dumps({"format": 1, "ID": "HOST"}) + "\nID=HOST\n")
    place = jail / name
    if kind == "pipe":
        subprocess.run(["mkfifo", place], check=True)
    elif kind == "loop":
        place.symlink_to(place.name)
    elif kind == "out":
        place.symlink_to(secret)
    elif kind == "folder":
        place.mkdir()
    else:
        place.write_bytes(
            b"\0" * 300_000 if kind == "zeros" else b'{"format": 1e999, [\xff"ID=\n' * 999
        )
    found = info()
    assert not found["managed"]
    assert "HOST" not in json.dumps(found)
