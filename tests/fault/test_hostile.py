# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A jail whose root user means harm: every module stays inside, ends in time and says so."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_runs import Host, clear
from fault_tools import digest, marker, mounts_below

Task = tuple[str, dict[str, Any]]
LINKED = ("dev", "proc", "etc", "usr/sbin", "run")
#: A run that hangs on a pipe or reads without end is ended and fails.
SECONDS = 120


def everything(jail: Path, fstab: Path, folder: str = "etc") -> list[Task]:
    """Every module but the removal, on one jail; a file is written to one of its folders."""
    path, file = str(jail), {"dest": f"/{folder}/file", "content": "jail\n"}
    mounts = {"path": path, "fstab": str(fstab)}
    return [
        *(("bind_mounts", {**mounts, "profile": name}) for name in ("default", "isolated")),
        ("bind_mounts", {**mounts, "state": "absent"}),
        ("chroot_exec", {"path": path, "argv": ["true"]}),
        ("jail_packages", {"path": path, "name": ["jaula-probe"]}),
        ("jail_files", {"path": path, "files": [file]}),
        ("jail_info", {"paths": [path]}),
    ]


def ended_well(tasks: list[Task], results: list[dict[str, Any]]) -> None:
    """Each task worked, or says in one sentence why not."""
    assert len(tasks) == len(results)
    for task, found in zip(tasks, results):
        if found.get("failed") and found["msg"] != "non-zero return code":
            assert clear(found), (task, found)


@contextlib.contextmanager
def replaced(place: Path) -> Iterator[Path]:
    """Move something of a jail aside while the block puts something else there."""
    real = place.with_name(f"{place.name}.real")
    place.rename(real)
    try:
        yield place
    finally:
        place.unlink()
        real.rename(place)


@pytest.mark.parametrize("kind", ["absolute", "relative"])
def test_links_in_place_of_folders(
    host: Host, jail: Path, canary: Path, place: Path, kind: str
) -> None:
    before = digest(canary)
    for name in LINKED:
        up = "../" * (len(jail.parts) + len(Path(name).parts) + 2)
        target = str(canary / name)
        with replaced(jail / name) as link:
            link.symlink_to(target if kind == "absolute" else up + target.lstrip("/"))
            tasks = everything(jail, place / "fstab", name)
            if kind == "relative":
                # How the tasks get there is the same; the two that mount and write are enough.
                tasks = [tasks[1], tasks[2], tasks[5]]
            ended_well(tasks, host.play(tasks, SECONDS))
            assert digest(canary) == before, name
            assert not mounts_below(place), name
            assert link.is_symlink(), name
    host.done("debootstrap_jail", path=str(jail), state="absent")


def test_pipes_and_devices_in_place_of_files(host: Host, jail: Path, place: Path) -> None:
    odd: list[tuple[str, int]] = [
        ("etc/passwd", stat.S_IFIFO),
        ("etc/group", stat.S_IFIFO),
        ("usr/bin/sh", stat.S_IFIFO),
        ("usr/bin/dash", stat.S_IFCHR),
        ("usr/lib/os-release", stat.S_IFIFO),
        ("etc/motd", stat.S_IFIFO),
    ]
    with contextlib.ExitStack() as stack:
        for name, kind in odd:
            file = stack.enter_context(replaced(jail / name))
            # The character device is /dev/zero: whoever reads it never comes to an end.
            os.mknod(file, kind | 0o755, os.makedev(1, 5))
        policy = jail / "usr/sbin/policy-rc.d"
        os.mkfifo(policy)
        new = {"dest": "/etc/motd", "content": "new\n"}
        tasks = [item for item in everything(jail, place / "fstab") if item[0] != "jail_packages"]
        # The jail's own apt would wait for its own pipes; what is installed is read from outside.
        tasks.append(("jail_packages", {"path": str(jail), "name": ["dpkg", "apt"]}))
        tasks.append(("jail_files", {"path": str(jail), "files": [new]}))
        results = host.play(tasks, SECONDS)
        ended_well(tasks, results)
        assert not results[-2].get("failed"), results[-2]
        assert "it is no regular file" in results[-1]["msg"]
        assert stat.S_ISFIFO(os.lstat(jail / "etc/motd").st_mode)
        assert stat.S_ISFIFO(os.lstat(policy).st_mode)
        policy.unlink()
    host.done("debootstrap_jail", path=str(jail), state="absent")


def test_pipe_in_place_of_the_status(host: Host, jail: Path) -> None:
    with replaced(jail / "var/lib/dpkg/status") as status:
        os.mkfifo(status)
        tasks: list[Task] = [
            ("jail_info", {"paths": [str(jail)]}),
            ("chroot_exec", {"path": str(jail), "argv": ["true"]}),
            ("jail_packages", {"path": str(jail), "name": ["jaula-probe"]}),
        ]
        ended_well(tasks, host.play(tasks, SECONDS))


def test_texts_that_are_no_text(host: Host, jail: Path, place: Path) -> None:
    proof = place / "executed"
    template = "{{ lookup('pipe', 'touch " + str(proof) + "') }}"
    status, release = jail / "var/lib/dpkg/status", jail / "usr/lib/os-release"
    good = status.read_text()
    stanza = f"Package: {template}\nStatus: install ok installed\nVersion: {template}\n"
    said: Task = ("chroot_exec", {"path": str(jail), "argv": ["cat", "/usr/lib/os-release"]})
    release.unlink()
    release.write_text(f'ID="{template}"\nPRETTY_NAME={template}\n')
    status.write_text(f"{good}\n{stanza}Architecture: amd64\n")
    content = {**marker(), "parameters": {"suite": template}, "created": template}
    (jail / ".jail.json").write_text(json.dumps(content))
    results = host.play([("jail_info", {"paths": [str(jail)]}), said], SECONDS)
    info = results[0]["jails"][0]
    assert template in results[1]["stdout"]
    assert info["os_release"]["id"] == template
    assert info["parameters"]["suite"] == template
    assert template in json.dumps(info["packages"]).replace('\\"', '"')
    assert not proof.exists()
    readers = [item for item in everything(jail, place / "fstab") if "file" not in item[0]]
    readers = [item for item in readers if item[0] != "bind_mounts"]
    for noise in (os.urandom(1 << 20), b"Package: a\n" * (1 << 16)):
        status.write_bytes(noise)
        release.write_bytes(noise)
        ended_well(readers, host.play(readers, SECONDS))
    for huge in (status, release):
        # Sparse: it takes no room on the disk, whoever reads all of it takes 8 GiB.
        os.truncate(huge, 8 << 30)
    ended_well(readers, host.play(readers, SECONDS))
    assert not proof.exists()


def deep(levels: int) -> str:
    """A marker with lists in lists."""
    nested = "[" * levels + "]" * levels
    return json.dumps(marker()).replace('"parameters": {}', f'"parameters": {{"suite": {nested}}}')


def large(size: int) -> str:
    """A marker that is right, but for its size."""
    return json.dumps({**marker(), "created": "x" * size})


NO_MARKERS: dict[str, Callable[[Path, Path], object]] = {
    "link": lambda path, other: (other.write_text(deep(1)), path.symlink_to(other)),
    "pipe": lambda path, _other: os.mkfifo(path),
    "folder": lambda path, _other: path.mkdir(),
    "device": lambda path, _other: os.mknod(path, stat.S_IFCHR | 0o644, os.makedev(1, 5)),
    "no JSON": lambda path, _other: path.write_text("{"),
    "a list": lambda path, _other: path.write_text("[1]"),
    "a number": lambda path, _other: path.write_text("9" * 10000),
    "bytes": lambda path, _other: path.write_bytes(b"\xff\xfe\x00"),
    "100 MB": lambda path, _other: path.write_text(large(100 << 20)),
    "very deep": lambda path, _other: path.write_text(deep(30000)),
}


def test_no_marker_no_jail(host: Host, sham: Callable[[str], Path], place: Path) -> None:
    tasks: list[Task] = []
    for number, make in enumerate(NO_MARKERS.values()):
        path = sham(f"jails/{number}")
        (path / ".jail.json").unlink()
        make(path / ".jail.json", place / "marker-of-the-host")
        tasks.append(("debootstrap_jail", {"path": str(path), "state": "absent"}))
        tasks.append(("debootstrap_jail", {"path": str(path), "suite": "kerepakupai"}))
    tasks.append(("jail_info", {"roots": [str(place / "jails")]}))
    results = host.play(tasks, SECONDS)
    for (_module, args), found in zip(tasks[:-1], results):
        assert found["failed"], (args, found)
        assert "marker" in clear(found) or ".jail.json" in clear(found)
        assert (Path(args["path"]) / "home").is_dir()
    jails = results[-1]["jails"]
    assert not any(item["managed"] for item in jails)


ODD_MARKERS = {
    "deep": deep(40),
    "deeper": deep(900),
    "kinds": json.dumps({**marker(), "engine": {"name": {"a": []}}, "created": {"b": 1}}),
    "surrogates": json.dumps({**marker(), "parameters": {"suite": "\ud800", "\udfff": [1e308]}}),
    "numbers": json.dumps({**marker(), "parameters": {"suite": float("nan")}}),
}


def test_markers_of_odd_values(host: Host, sham: Callable[[str], Path]) -> None:
    problems = []
    for name, content in ODD_MARKERS.items():
        path = sham(name)
        (path / ".jail.json").write_text(content)
        present = {"path": str(path), "suite": "kerepakupai"}
        tasks: list[Task] = [
            ("jail_info", {"paths": [str(path)]}),
            ("debootstrap_jail", present),
            ("debootstrap_jail", {**present, "on_drift": "warn"}),
            ("debootstrap_jail", {"path": str(path), "state": "absent"}),
        ]
        info, kept, warned, removed = host.play(tasks, SECONDS)
        assert kept["failed"], kept
        assert path.exists() is bool(removed.get("failed")), removed
        for found in (info, kept, warned, removed):
            if found.get("failed") and not found["msg"].startswith("Cannot "):
                problems.append((name, found["msg"]))
    assert not problems


SWAP = """
import ctypes, os, sys
exchange = ctypes.CDLL(None).renameat2
first, second = map(os.fsencode, sys.argv[1:])
while True:
    exchange(-100, first, -100, second, 2)
"""


def test_a_folder_that_becomes_a_link(
    host: Host, sham: Callable[[], Path], canary: Path, place: Path
) -> None:
    jail, source = sham(), place / "source"
    source.mkdir()
    parent, link = jail / "srv/parent", jail / "srv/link"
    for folder in (parent, canary / "home"):
        (folder / "point").mkdir(parents=True)
    # Something of the host's is mounted where the link leads to: it has to stay.
    subprocess.run(["mount", "--bind", canary / "etc", canary / "home/point"], check=True)
    link.symlink_to(canary / "home")
    entry = {"src": str(source), "dest": "/srv/parent/point", "opts": ["bind"]}
    args = {"path": str(jail), "profile": "none", "mounts": [entry], "fstab": str(place / "fstab")}
    before, mounted = digest(canary), mounts_below(canary)
    tasks: list[Task] = [("bind_mounts", {**args, "state": s}) for s in ("mounted", "absent")] * 6
    with host.service([sys.executable, "-c", SWAP, str(parent), str(link)]) as swapper:
        results = host.play(tasks, SECONDS)
        assert swapper.poll() is None
    ended_well(tasks, results)
    assert digest(canary) == before
    assert mounts_below(canary) == mounted
    host.done("bind_mounts", **{**args, "state": "absent"})
    assert not mounts_below(jail)
    subprocess.run(["umount", canary / "home/point"], check=True)
    (canary / "home/point").rmdir()
