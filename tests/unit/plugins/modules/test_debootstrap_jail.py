# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _marker, _recipe
from ansible_collections.jaulas.chroot.plugins.modules import debootstrap_jail
from ansible_collections.jaulas.chroot.tests.unit.plugins.modules.conftest import (
    BARE,
    WHOLE,
    Call,
    Install,
    Run,
)


@pytest.mark.parametrize("name", ["debootstrap", "mmdebstrap"])
def test_a_jail_is_made_once(engine: Install, make: Call, spot: Path, name: str) -> None:
    engine(name)
    first = make(engine=name)
    assert first["changed"], first
    assert first["actions"] == [f"bootstrap {spot} with trixie by {name}"]
    marker = _marker.parse((spot / ".jail.json").read_bytes())
    assert marker is not None
    assert marker.engine == {"name": name, "version": "1.2.3"}
    assert first["jail"]["digest"] == _marker.digest(marker.parameters)
    assert os.listdir(spot.parent) == ["j"]
    assert sorted(os.listdir(spot)) == [".jail.json", "bin", "etc", "var"]

    inode = spot.stat().st_ino
    for check in (True, False):
        again = make(engine=name, check=check)
        assert (again["changed"], again["actions"]) == (False, [])
        assert again["reasons"] == [f"{spot} is complete"]
    assert spot.stat().st_ino == inode


def test_the_engine_is_called_as_planned(
    engine: Install, make: Call, spot: Path, tmp_path: Path
) -> None:
    engine()
    make(variant="minbase", include=["dpkg"], components=["main", "contrib"], script="trixie")
    *options, suite, target, mirror, script = (tmp_path / "argv").read_text().split("\n")[:-1]
    assert options == [
        f"--arch={_recipe.recipe({'suite': 'x', 'arch': None}).arch}",
        "--variant=minbase",
        "--include=dpkg",
        "--components=main,contrib",
        "--force-check-gpg",
    ]
    assert (suite, mirror, script) == ("trixie", "", "trixie")
    assert target.startswith(f"{spot}.partial-")


def test_a_system_without_apt(engine: Install, make: Call, spot: Path) -> None:
    """There is no trace of the bootstrap to take out of folders that are not there."""
    engine(script=BARE)
    assert make().get("changed")
    assert (spot / ".jail.json").exists()


def test_traces_of_the_bootstrap_are_taken_out(engine: Install, make: Call, spot: Path) -> None:
    lists = "$target/var/lib/apt/lists"
    conf = "$target/etc/apt/apt.conf.d"
    release = "Suite: stable\\nCodename: trixie\\n"
    traces = (
        f"mkdir -p {lists}; printf '{release}' > {lists}/m_InRelease; touch {conf}/99mmdebstrap"
    )
    engine("mmdebstrap", f"{WHOLE} {traces}; touch {conf}/50own")
    result = make(engine="mmdebstrap")
    assert result["jail"]["release"] == {"suite": "stable", "codename": "trixie"}
    assert os.listdir(spot / "etc/apt/apt.conf.d") == ["50own"]
    assert os.listdir(spot / "var/lib/apt/lists") == []


def test_it_appears_when_it_is_whole(
    engine: Install, make: Call, spot: Path, tmp_path: Path
) -> None:
    engine(script=f"ls -a {spot.parent} > {tmp_path / 'seen'}\n{WHOLE}")
    assert make()["changed"]
    seen = (tmp_path / "seen").read_text().split()
    assert "j" not in seen
    assert [name for name in seen if name.startswith("j.partial-")]


def test_check_mode_changes_nothing(
    engine: Install, make: Call, spot: Path, tmp_path: Path
) -> None:
    engine()
    result = make(check=True, diff=True)
    assert result["changed"]
    assert os.listdir(spot.parent) == []
    assert not (tmp_path / "argv").exists()
    (difference,) = result["diff"]
    assert (difference["before_header"], difference["before"]) == (str(spot), "")
    assert json.loads(difference["after"])["suite"] == "trixie"


def test_the_diff_of_the_real_run_is_the_foreseen_one(engine: Install, make: Call) -> None:
    engine()
    foreseen = make(check=True, diff=True)["diff"]
    assert make(diff=True)["diff"] == foreseen


LOG = "log=$target/debootstrap; mkdir -p $log;"
BROKEN = WHOLE.replace("ok installed", "ok half-configured")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "echo 'E: Couldn'\\''t find these debs: nosuch'; exit 1",
            "the archive has no package nosuch",
        ),
        (f"{WHOLE} exit 7", "debootstrap (exit 7) says that it gave no reason"),
        (f"{WHOLE} kill -9 $$", "was killed (signal 9)"),
        ("mkdir -p $target/etc", "not whole (no packages in it)"),
        (BROKEN, "not whole (dpkg)"),
        (f"{WHOLE} rm $target/bin/sh", "not whole"),
        (f"{WHOLE} ln -sf /nowhere $target/bin/sh", "not whole"),
        (f"{WHOLE} echo forged > $target/.jail.json", "File exists"),
        (f"{LOG} echo 'x: No space left on device' > $log/debootstrap.log; exit 1", "disk is full"),
    ],
)
def test_a_failure_leaves_nothing(
    engine: Install, spot: Path, run: Run, script: str, said: str
) -> None:
    engine(script=script)
    deep = spot.parent / "not/yet/there"
    for path in (spot, deep):
        result = run(debootstrap_jail, path=str(path), suite="trixie", engine="debootstrap")
        assert result["failed"], result
        assert said in result["msg"]
        assert os.listdir(spot.parent) == []


def test_the_log_comes_with_the_failure(engine: Install, make: Call) -> None:
    engine(script="for i in $(seq 60); do echo line $i; done; echo end >&2; exit 3")
    result = make()
    assert result["rc"] == 3
    assert result["log"][-2:] == ["line 60", "end"]
    assert len(result["log"]) == 40


def test_a_package_that_was_left_out(engine: Install, make: Call, spot: Path) -> None:
    engine()
    assert "debootstrap left out nano" in make(include=["nano"])["msg"]
    assert not spot.exists()


@pytest.mark.parametrize("on_drift", ["fail", "warn", "rebuild"])
def test_what_is_not_ours_is_left_alone(
    engine: Install, make: Call, spot: Path, on_drift: str
) -> None:
    engine()
    spot.mkdir()
    (spot / "precious").write_text("precious")
    assert "something that is not ours is there" in make(on_drift=on_drift)["msg"]
    assert (spot / "precious").read_text() == "precious"
    assert os.listdir(spot.parent) == ["j"]


def test_an_empty_folder_is_taken(engine: Install, make: Call, spot: Path) -> None:
    engine()
    spot.mkdir()
    assert make()["changed"]
    assert (spot / ".jail.json").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"suite": "--help"}, "no name of a suite"),
        ({"suite": "a b"}, "no name of a suite"),
        ({"include": ["a;b"]}, "no name of a suite"),
        ({"include": ["a,b"]}, "no name of a suite"),
        ({"components": ["-o"]}, "no name of a suite"),
        ({"mirror": "http://m/ [trusted=yes]"}, "a URL without blanks"),
        ({"mirror": "/srv/mirror"}, "a URL without blanks"),
        ({"script": "-x"}, "no name or path"),
        ({"arch": "amd65"}, "Debian has none of that name"),
        ({"keyring": "/nowhere.gpg"}, "the keyring /nowhere.gpg is missing"),
        ({"suite": "nosuch"}, "no script for nosuch"),
        ({"engine": "mmdebstrap"}, "mmdebstrap is not installed"),
    ],
)
def test_what_stops_it_before_it_starts(
    only_ours: Install, make: Call, spot: Path, options: dict[str, object], said: str
) -> None:
    only_ours()
    for check in (True, False):
        assert said in make(check=check, **options)["msg"]
    assert not (spot.parent.parent / "argv").exists()
    assert os.listdir(spot.parent) == []


@pytest.mark.parametrize(
    ("installed", "options", "chosen"),
    [
        (["debootstrap", "mmdebstrap"], {}, "mmdebstrap"),
        (["debootstrap"], {}, "debootstrap"),
        (["debootstrap", "mmdebstrap"], {"exclude": ["nano"]}, "debootstrap"),
    ],
)
def test_the_engine_of_choice(
    only_ours: Install,
    make: Call,
    installed: list[str],
    options: dict[str, object],
    chosen: str,
) -> None:
    for name in installed:
        only_ours(name)
    assert make(engine="auto", check=True, **options)["engine"] == chosen


def test_an_unverified_archive_is_warned_of(engine: Install, make: Call) -> None:
    engine()
    assert "not verified" in str(make(check_gpg=False, check=True)["warnings"])


def test_a_dead_mirror_costs_no_bootstrap(engine: Install, make: Call, tmp_path: Path) -> None:
    engine()
    result = make(mirror="http://127.0.0.1:1/debian")
    assert "the mirror gives no answer" in result["msg"]
    assert not (tmp_path / "argv").exists()


def test_the_engine_is_told_of_the_cache(engine: Install, make: Call, tmp_path: Path) -> None:
    engine(script=f'echo "$http_proxy $https_proxy" > {tmp_path}/told; {WHOLE}')
    make(http_proxy="http://proxy:3128")
    ours, theirs = (tmp_path / "told").read_text().split()
    assert ours.startswith("http://jaulas:")
    assert theirs == "http://proxy:3128"
    assert (tmp_path / "cache" / "debs").is_dir()


@pytest.mark.parametrize("options", [{"deb_cache": False}, {"mirror": "https://127.0.0.1:1/"}])
def test_an_engine_without_a_cache(
    engine: Install, make: Call, tmp_path: Path, options: dict[str, object]
) -> None:
    engine(script=f'echo "{{$http_proxy}}" > {tmp_path}/told; {WHOLE}')
    make(**options)
    assert not (tmp_path / "cache").exists()
    assert options.get("mirror") or (tmp_path / "told").read_text() == "{}\n"


def test_a_cache_that_cannot_be_used_is_warned_of(
    engine: Install, make: Call, spot: Path, tmp_path: Path
) -> None:
    engine()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    for check in (True, False):
        result = make(check=check)
        assert result["changed"]
        assert f"{tmp_path}/cache is not a folder of root's alone" in str(result["warnings"])
    assert (spot / ".jail.json").exists()
    assert os.listdir(tmp_path / "cache") == []
