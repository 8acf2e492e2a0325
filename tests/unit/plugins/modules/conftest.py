# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a module as Ansible does: its own process, its real main(), its JSON on stdout."""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.common.json import Direction, get_module_encoder
from ansible.module_utils.testing import patch_module_args

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _create,
    _debs,
    _engine,
    _images,
    _kernel,
)
from ansible_collections.jaulas.chroot.plugins.modules import debootstrap_jail

Result = dict[str, Any]
Run = Callable[..., Result]
#: A module with most of its options chosen already.
Call = Callable[..., Result]
#: Put a fake engine in place: its name, and what it does.
Install = Callable[..., None]
DPKG = "Package: dpkg\\nStatus: install ok installed\\nArchitecture: amd64\\nVersion: 1.22\\n\\n"
BARE = f"""mkdir -p "$target/bin" "$target/var/lib/dpkg"
printf '{DPKG}' > "$target/var/lib/dpkg/status"
echo 'jail' > "$target/bin/sh"
"""
WHOLE = f"""{BARE}
mkdir -p "$target/etc/apt/apt.conf.d" "$target/etc/dpkg/dpkg.cfg.d"
"""
FAKE = """#!/bin/sh
if [ "$1" = --version ]; then echo "{name} 1.2.3"; exit; fi
printf '%s\\n' "$@" > {record}
for word in "$@"; do
    case $word in -*) continue ;; esac
    if [ -z "$suite" ]; then suite=$word; elif [ -z "$target" ]; then target=$word; fi
done
{script}
"""
#: The programs of the jail that tests enter.
PROGRAMS = ("sh", "cat", "env", "id", "sleep", "ls", "uname", "mkdir", "touch")


def _call(plugin: ModuleType, uid: int) -> int:
    status = 99
    try:
        if uid:
            # Imported on demand otherwise, from where only root can read.
            get_module_encoder("legacy", Direction.MODULE_TO_CONTROLLER)
            os.setgid(uid)
            os.setuid(uid)
        plugin.main()
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        traceback.print_exc(file=sys.stdout)
    sys.stdout.flush()
    return status


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a module; `check`, `diff` and `uid` say how, the rest are its options."""
    output = tmp_path / "stdout"

    def module(
        plugin: ModuleType, check: bool = False, diff: bool = False, uid: int = 0, **options: object
    ) -> Result:
        name = f"jaulas.chroot.{plugin.__name__.rpartition('.')[2]}"
        args = {"_ansible_module_name": name, "_ansible_check_mode": check, "_ansible_diff": diff}
        output.write_text("")
        with patch_module_args({**args, **options}):
            child = os.fork()
            if child == 0:
                # pytest has put something of its own in the place of sys.stdout.
                with open(output, "w", encoding="utf-8") as sys.stdout:
                    os.dup2(sys.stdout.fileno(), 1)
                    os._exit(_call(plugin, uid))
            status = os.waitpid(child, 0)[1]
        said = output.read_text()
        assert os.WEXITSTATUS(status) in (0, 1), said
        result: Result = json.loads(said)
        assert bool(result.get("failed")) == bool(os.WEXITSTATUS(status))
        return result

    return module


@pytest.fixture
def jail(tmp_path: Path) -> Path:
    """A folder that holds a little of a system."""
    place = tmp_path / "jails" / "j"
    for name in ("bin", "usr/bin", "usr/sbin", "etc", "proc", "sys", "dev", "tmp", "root", "var"):
        (place / name).mkdir(parents=True)
    (place / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nana:x:1000:1000::/:/bin/sh\n")
    (place / "etc/group").write_text("ana:x:1000:\n")
    return place


@pytest.fixture
def enterable(jail: Path) -> Callable[[], None]:
    """Give the jail some programs of the host; to be called in a mount namespace."""

    def furnish() -> None:
        for program in PROGRAMS:
            shutil.copy(str(shutil.which(program)), jail / "bin" / program)
        for name in ("usr/lib", "usr/lib32", "usr/lib64", "lib", "lib32", "lib64"):
            host, place = Path("/", name), jail / name
            if host.is_symlink():
                place.symlink_to(os.readlink(host))
            elif host.is_dir():
                place.mkdir()
                _kernel.bind(str(host), str(place))

    return furnish


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put programs in the places of the engines; scripts see $suite and $target."""
    folder = tmp_path / "programs"
    folder.mkdir()
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "trixie").write_text("")
    monkeypatch.setitem(_engine.ENV, "PATH", f"{folder}:/usr/sbin:/usr/bin:/sbin:/bin")
    monkeypatch.setattr(_create, "_SCRIPTS", str(scripts))
    monkeypatch.setattr(_images, "STORE", str(tmp_path / "images/store"))
    monkeypatch.setattr(_debs, "FOLDER", str(tmp_path / "cache" / "debs"))

    def install(name: str = "debootstrap", script: str = WHOLE) -> None:
        program = folder / name
        program.write_text(FAKE.format(name=name, record=tmp_path / "argv", script=script))
        program.chmod(0o755)

    return install


@pytest.fixture
def only_ours(engine: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """As engine, where the host has none of its own."""
    monkeypatch.setitem(_engine.ENV, "PATH", str(tmp_path / "programs"))
    return engine


@pytest.fixture
def spot(tmp_path: Path) -> Path:
    """Where a jail is to be made."""
    (tmp_path / "jails").mkdir()
    return tmp_path / "jails" / "j"


@pytest.fixture
def make(run: Run, spot: Path) -> Call:
    def call(**options: object) -> Result:
        chosen = {"suite": "trixie", "engine": "debootstrap", **options}
        return run(debootstrap_jail, path=str(spot), **chosen)

    return call


@pytest.fixture
def remove(run: Run, spot: Path) -> Call:
    def call(**options: object) -> Result:
        return run(debootstrap_jail, path=str(spot), state="absent", **options)

    return call


@pytest.fixture
def made(engine: Install, make: Call, spot: Path) -> Path:
    """A jail that was made, with something old in it."""
    engine()
    assert make()["changed"]
    (spot / "old").write_text("")
    return spot
