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
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.common.json import Direction, get_module_encoder
from ansible.module_utils.testing import patch_module_args

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _debs,
    _engine,
    _images,
    _kernel,
    _obstacles,
    _offer,
    _serve,
)
from ansible_collections.jaulas.chroot.plugins.modules import debootstrap_jail, jail_image

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
#: Of all that tar could lose: modes, owners, times, links, devices, attributes and odd names.
ODD = """
chmod 4755 "$target/bin/sh"
ln "$target/bin/sh" "$target/bin/hard"
ln -s /etc/passwd "$target/absolute"
ln -s ../../nowhere "$target/etc/relative"
mknod "$target/null" c 1 3
mkfifo "$target/pipe"
mkdir "$target/closed"; chmod 0 "$target/closed"; chown 1234:5678 "$target/closed"
printf x > "$target/a b$(printf '\\n\\377')"
touch -d @1000000000 "$target/etc/old"
head -c 1000000 /dev/urandom > "$target/etc/large"
python3 -c "import os, sys; os.setxattr(sys.argv[1], 'user.x', b'y')" "$target/etc/old"
mkdir "$target/listed"
python3 - "$target/listed" <<'PYTHON'
import os, struct, sys
# One user more may write, here and in what is made here.
ids = ((1, 7, -1), (2, 7, 1234), (4, 5, -1), (16, 7, -1), (32, 5, -1))
text = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *one) for one in ids)
os.makedirs(f"{sys.argv[1]}/plain")
for kind in ("access", "default"):
    os.setxattr(sys.argv[1], f"system.posix_acl_{kind}", text)
PYTHON
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
    monkeypatch.setattr(_obstacles, "_SCRIPTS", str(scripts))
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


@pytest.fixture
def image(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    """Call the module; whatever serves at the end of the test is ended."""
    offered = tmp_path / "offer/offered"
    monkeypatch.setattr(_offer, "OFFERED", str(offered))

    def call(state: str, **options: object) -> Result:
        return run(jail_image, state=state, **options)

    yield call
    if offered.exists():
        _serve.stop(str(offered))


@pytest.fixture
def seed(engine: Install, make: Call, spot: Path, image: Call) -> Callable[..., Result]:
    """A host with a jail and its image, which it offers."""
    engine(script=f"{WHOLE}{ODD}")
    assert make(image_max_age=3600)["changed"]

    def offer(*paths: Path, **options: object) -> Result:
        return image("offered", paths=[str(path) for path in paths or [spot]], **options)

    return offer


@pytest.fixture
def receive(
    image: Call, spot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Become the other host, where the jail lies elsewhere, and receive what was offered."""

    def call(offer: Result, **options: Any) -> Result:
        monkeypatch.setattr(_images, "STORE", str(tmp_path / "other/store"))
        sent = {
            key: options.pop(key) for key in ("name", "file", "sha256", "size") if key in options
        }
        images = [{**item, "path": str(spot.with_name("k")), **sent} for item in offer["images"]]
        if "folder" not in options:
            options = {"from": "127.0.0.1", "port": offer.get("port", 0), **options}
        return image("received", images=images, **options)

    return call


@pytest.fixture
def other(run: Run, spot: Path) -> Call:
    """Make one more jail, beside the first."""

    def call(name: str, **options: object) -> Result:
        chosen = {"suite": "trixie", "engine": "debootstrap", "image_max_age": 3600, **options}
        return run(debootstrap_jail, path=str(spot.with_name(name)), **chosen)

    return call
