# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Base images of real jails: the same as what an engine makes, nobody's twin, never half of one."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
from pathlib import Path

import pytest
from fault_runs import Host
from fault_tools import bootstrap, comparable, eventually, leftovers

from ansible_collections.jaulas.chroot.plugins.module_utils import _image, _recipe
from ansible_collections.jaulas.chroot.plugins.module_utils._bootstrap import ENGINES

STORE = Path("/var/lib/jaulas.chroot/images")


def links(tree: Path) -> set[frozenset[str]]:
    """The names in a tree that are one file."""
    same: dict[int, set[str]] = {}
    for base, _folders, files in os.walk(tree):
        for name in files:
            status = os.lstat(os.path.join(base, name))
            if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
                same.setdefault(status.st_ino, set()).add(
                    os.path.join(base, name)[len(str(tree)) :]
                )
    return set(map(frozenset, same.values()))


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    """What other tests have kept is no image for these."""
    shutil.rmtree(STORE, ignore_errors=True)


def kept() -> set[str]:
    return set(os.listdir(STORE)) if STORE.is_dir() else set()


@pytest.mark.parametrize("engine", ["mmdebstrap", "debootstrap"])
def test_the_same_as_the_engine_makes(host: Host, place: Path, engine: str) -> None:
    """Same packages, same files, same modes: in the first jail, and in its copy."""
    wanted = bootstrap(place / "first", engine=engine, image=True)
    recipe = _recipe.recipe(wanted)
    plain = place / "plain"
    argv = ENGINES[engine].argv(recipe, str(plain))
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    before = kept()
    host.done("debootstrap_jail", **wanted)
    assert len(kept() - before) == 1
    again = host.done("debootstrap_jail", **{**wanted, "path": str(place / "second")})
    assert "from a base image" in again["actions"][0]
    expected = comparable(plain)
    for jail in (place / "first", place / "second"):
        found = comparable(jail)
        differences = {
            name: (expected.get(name), found.get(name))
            for name in expected.keys() | found.keys()
            if expected.get(name) != found.get(name)
        }
        assert differences == {}
        assert links(jail) == links(plain)


def test_a_copy_is_not_its_twin(host: Host, place: Path) -> None:
    """Host keys are made anew, by the copy's own program: in a copy and in an overlay."""
    wanted = bootstrap(place / "first", image=True, include=["tzdata"])
    before = kept()
    host.done("debootstrap_jail", **wanted)
    (name,) = kept() - before
    # As if openssh-server had been among the packages.
    root = STORE / name / "root"
    program = root / "usr/bin/ssh-keygen"
    program.write_text(
        '#!/bin/sh\n[ "$*" = -A ] || exit 1\ncd /etc/ssh\n'
        "od -An -tx1 -N16 /dev/urandom > ssh_host_ed25519_key\n: > ssh_host_ed25519_key.pub\n"
    )
    program.chmod(0o755)
    (root / "etc/ssh").mkdir()
    for key in ("rsa", "ed25519"):
        (root / f"etc/ssh/ssh_host_{key}_key").write_text("the original's")
        (root / f"etc/ssh/ssh_host_{key}_key.pub").write_text("the original's")
    image = _image.read(str(STORE / name))
    assert image
    _image.seal(image)
    keys = {"the original's"}
    for name, storage in (("copy", "directory"), ("overlay", "overlay")):
        changes = {"path": str(place / name), "storage": storage, "fstab": str(place / "fstab")}
        assert "image" in host.done("debootstrap_jail", **{**wanted, **changes})["actions"][0]
        folder = place / name / "etc/ssh"
        assert sorted(os.listdir(folder)) == ["ssh_host_ed25519_key", "ssh_host_ed25519_key.pub"]
        keys.add((folder / "ssh_host_ed25519_key").read_text())
    assert len(keys) == 3
    fstab = str(place / "fstab")
    host.done("debootstrap_jail", path=str(place / "overlay"), state="absent", fstab=fstab)


def test_killed_while_an_image_is_kept(host: Host, place: Path) -> None:
    """Whatever is there of it, it is no image, and the next run clears it."""
    wanted = bootstrap(place / "jail", image=True, include=["tree"])
    before = kept()
    run = host.start("debootstrap_jail", **wanted)
    eventually(lambda: run.ended() or bool(kept() - before), "the first of the image", 600)
    run.kill("module")
    run.wait(60)
    assert leftovers(place / "jail")
    assert all(".partial-" in name for name in kept() - before)
    host.done("debootstrap_jail", **wanted)
    assert leftovers(place / "jail") == []
    (image,) = kept() - before
    assert ".partial-" not in image
    copy = host.done("debootstrap_jail", **{**wanted, "path": str(place / "copy")})
    assert copy["jail"]["image"] == image
    assert comparable(place / "copy") == comparable(place / "jail")


def signal_all(pids: list[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@pytest.mark.parametrize("half", ["image", "jail"])
def test_killed_while_an_image_is_received(host: Host, place: Path, half: str) -> None:
    """Neither it nor the jail is ever half of one, and nobody has to clear up."""
    first, second = place / "first", place / "second"
    host.done("debootstrap_jail", **bootstrap(first, image=True))
    offer = host.done("jail_image", state="offered", paths=[str(first)])
    (sent,) = offer["images"]
    image = STORE / sent["name"]
    # From here on this machine is the one that receives.
    shutil.rmtree(image)
    source = {"host": "127.0.0.1", "port": offer["port"], "images": [{**sent, "path": str(second)}]}
    wanted = bootstrap(second, image=True, image_from=source)
    beside = {"image": image, "jail": second}[half]
    servers = [item.pid for item in host.strays()]
    # Whoever serves waits until somebody looks.
    signal_all(servers, signal.SIGSTOP)

    def reached() -> list[str]:
        if half == "jail":
            signal_all(servers, signal.SIGCONT)
        return leftovers(beside)

    host.start("debootstrap_jail", **wanted).kill_when(reached, f"half of the {half}")
    signal_all(servers, signal.SIGCONT)
    assert not second.exists()
    assert image.exists() == (half == "jail")
    made = host.done("debootstrap_jail", **wanted)
    host.done("jail_image", state="withdrawn")
    assert made["jail"]["image"] == sent["name"]
    assert leftovers(second) == leftovers(image) == []
    assert comparable(second) == comparable(first)
