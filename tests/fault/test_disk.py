# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A disk that fills up: the cause is told, nothing is left, and with more room it works."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fault_runs import Host
from fault_tools import bootstrap, mounts_below

FULL = ("the disk is full", "No space left on device")


@pytest.fixture
def memory(place: Path) -> Iterator[Callable[[str], Path]]:
    """Makes a file system of a given size, or gives it another size."""
    folder = place / "disk"
    folder.mkdir()

    def resize(size: str) -> Path:
        options = f"remount,size={size}" if folder.is_mount() else f"size={size},mode=755"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
        return folder

    yield resize
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize(
    ("engine", "size", "stage"),
    [
        ("mmdebstrap", "4k", "before the engine starts"),
        ("mmdebstrap", "24m", "while packages are downloaded"),
        ("debootstrap", "24m", "while packages are downloaded"),
        ("debootstrap", "150m", "while packages are unpacked or configured"),
    ],
)
def test_bootstrap_on_a_full_disk(
    host: Host, memory: Callable[[str], Path], engine: str, size: str, stage: str
) -> None:
    folder = memory(size)
    path = folder / "jails" / "jail"
    sentence = host.refused("debootstrap_jail", **bootstrap(path, engine=engine))
    assert any(words in sentence for words in FULL), (stage, sentence)
    assert str(path) in sentence
    assert not list(folder.iterdir()), stage


def test_enlarged_disk(host: Host, memory: Callable[[str], Path]) -> None:
    folder = memory("90m")
    path = folder / "jail"
    sentence = host.refused("debootstrap_jail", **bootstrap(path))
    # Enough for the packages, too little for what is in them.
    assert any(words in sentence for words in FULL), sentence
    assert not list(folder.iterdir())
    memory("1g")
    assert host.done("debootstrap_jail", **bootstrap(path))["changed"] is True
    assert host.done("chroot_exec", path=str(path), cmd="true")["rc"] == 0
    assert [item.name for item in folder.iterdir()] == ["jail"]


def test_fstab_on_a_full_disk(
    host: Host, memory: Callable[[str], Path], place: Path, sham: Callable[[], Path]
) -> None:
    folder, jail, source = memory("8k"), sham(), place / "source"
    source.mkdir()
    fstab = folder / "fstab"
    fstab.write_text("# kept, whatever happens\n")
    filler = folder / "filler"
    filler.write_bytes(b"x" * 4096)
    entry = {"src": str(source), "dest": "/srv", "opts": ["bind"]}
    args = {"path": str(jail), "profile": "none", "mounts": [entry], "fstab": str(fstab)}
    for state in ("present", "mounted"):
        sentence = host.refused("bind_mounts", state=state, **args)
        assert f"Cannot write {fstab}: No space left on device" in sentence
        assert fstab.read_text() == "# kept, whatever happens\n"
        assert sorted(item.name for item in folder.iterdir()) == ["filler", "fstab"]
    filler.unlink()
    host.done("bind_mounts", **args)
    assert mounts_below(jail) == [str(jail / "srv")]
    assert fstab.read_text().startswith("# kept, whatever happens\n")
    assert str(jail / "srv") in fstab.read_text()
    host.done("bind_mounts", **{**args, "state": "absent"})


def test_file_on_a_full_disk(host: Host, memory: Callable[[str], Path]) -> None:
    jail = memory("12k") / "jail"
    (jail / "etc").mkdir(parents=True)
    (jail / "etc/motd").write_text("old\n")
    new = {"dest": "/etc/motd", "content": "new " * 4096}
    sentence = host.refused("jail_files", path=str(jail), files=[new])
    assert "No space left on device" in sentence
    assert (jail / "etc/motd").read_text() == "old\n"
    assert [item.name for item in (jail / "etc").iterdir()] == ["motd"]
