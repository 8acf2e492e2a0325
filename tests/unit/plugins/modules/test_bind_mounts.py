# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _kernel, _mountinfo
from ansible_collections.jaulas.chroot.plugins.modules import bind_mounts
from ansible_collections.jaulas.chroot.tests.unit.plugins.modules.conftest import Result, Run

Mount = Callable[..., Result]
InNamespace = Callable[..., None]


@pytest.fixture
def fstab(tmp_path: Path) -> Path:
    place = tmp_path / "fstab"
    place.write_text("# by hand\n/dev/vda1\t/ ext4 defaults 0 1\n")
    return place


@pytest.fixture
def mount(run: Run, jail: Path, fstab: Path) -> Mount:
    (jail / ".jail.json").touch()

    def call(*mounts: dict[str, object], **options: object) -> Result:
        chosen = {"profile": "none", "fstab": str(fstab), **options}
        return run(bind_mounts, path=str(jail), mounts=list(mounts), **chosen)

    return call


@pytest.fixture
def source(tmp_path: Path) -> Path:
    place = tmp_path / "source"
    (place / "inner").mkdir(parents=True)
    (place / "file").write_text("source")
    return place


def below(jail: Path) -> list[str]:
    table = _mountinfo.parse(Path("/proc/self/mountinfo").read_text())
    return [mount.point for mount in table if mount.point.startswith(f"{jail}/")]


def test_check_real_again_and_gone(
    mount: Mount, jail: Path, fstab: Path, source: Path, in_namespace: InNamespace
) -> None:
    before = fstab.read_text()
    item = {"src": str(source), "dest": "/srv/new", "opts": ["ro"]}

    def deeds() -> None:
        foreseen = mount(item, check=True, diff=True)
        assert foreseen["changed"], foreseen
        assert not (jail / "srv").exists()
        assert fstab.read_text() == before
        done = mount(item, diff=True)
        assert done["changed"], done
        assert done["diff"] == foreseen["diff"]
        assert (jail / "srv/new/file").read_text() == "source"
        with pytest.raises(OSError, match="Read-only"):
            (jail / "srv/new/file").write_text("")
        text = fstab.read_text()
        assert text.startswith(before)
        assert f"{source} {jail}/srv/new none bind,ro" in text
        assert "nofail,x-jaulas.chroot" in text
        for check in (True, False):
            again = mount(item, check=check)
            assert (again["changed"], again["actions"]) == (False, [])
        assert fstab.read_text() == text
        gone = mount(state="absent")
        assert gone["actions"] == [f"write {fstab}", f"unmount {jail}/srv/new"]
        assert not mount(state="absent")["changed"]
        assert below(jail) == []

    in_namespace(deeds)
    assert fstab.read_text() == before


@pytest.mark.parametrize("profile", ["default", "isolated", "build", "desktop"])
def test_every_profile_on_a_real_kernel(
    mount: Mount, jail: Path, in_namespace: InNamespace, profile: str
) -> None:
    (jail / "dev/pts").mkdir()
    (jail / "dev/shm").mkdir()

    def deeds() -> None:
        assert mount(profile=profile)["changed"]
        assert not mount(profile=profile)["changed"]
        assert mount(state="unmounted")["changed"]
        assert below(jail) == []
        assert not mount(state="unmounted")["changed"]

    in_namespace(deeds)


def test_present_only_writes(mount: Mount, jail: Path, fstab: Path, source: Path) -> None:
    item = {"src": str(source), "dest": "/var"}
    assert mount(item, state="present")["actions"] == [f"write {fstab}"]
    assert not mount(item, state="present")["changed"]
    assert below(jail) == []


def test_a_stack_and_another_source_are_put_right(
    mount: Mount, jail: Path, source: Path, in_namespace: InNamespace
) -> None:
    item = {"src": str(source), "dest": "/var"}

    def deeds() -> None:
        for other in (source, source / "inner", source):
            _kernel.bind(str(other), str(jail / "var"))
        _kernel.mount("tmpfs", str(jail / "etc"), "tmpfs", frozenset())
        assert mount(item)["changed"]
        assert below(jail) == [f"{jail}/var"]
        assert not mount(item)["changed"]

    in_namespace(deeds)


@pytest.mark.parametrize("name", ["a b", "tab\there", "hash#", "back\\slash", "ñandú", "040\\040"])
def test_odd_names_settle(
    mount: Mount, jail: Path, source: Path, in_namespace: InNamespace, name: str
) -> None:
    place = source / name
    place.mkdir()
    item = {"src": str(place), "dest": f"/srv/{name}/"}

    def deeds() -> None:
        assert mount(item)["changed"]
        assert not mount(item)["changed"]
        assert below(jail) == [f"{jail}/srv/{name}"]
        assert mount(state="absent")["changed"]

    in_namespace(deeds)
    assert (jail / "srv" / name).is_dir()


def test_a_busy_mount_stays_and_says_who(
    mount: Mount, jail: Path, source: Path, in_namespace: InNamespace
) -> None:
    item = {"src": str(source), "dest": "/var"}

    def deeds() -> None:
        mount(item)
        os.chdir(jail / "var")
        result = mount(state="unmounted")
        assert "it is busy" in result["msg"]
        assert f"pid {os.getpid()}" in result["msg"]
        assert below(jail) == [f"{jail}/var"]

    in_namespace(deeds)


def test_a_file_is_mounted_on_a_file(
    mount: Mount, jail: Path, source: Path, in_namespace: InNamespace
) -> None:
    item = {"src": str(source / "file"), "dest": "/etc/new"}

    def deeds() -> None:
        assert mount(item)["changed"]
        assert (jail / "etc/new").read_text() == "source"
        assert not mount(item)["changed"]

    in_namespace(deeds)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"src": "/nowhere", "dest": "/x"}, "the source says No such file"),
        ({"src": "relative", "dest": "/x"}, "absolute path of the host"),
        ({"src": "/", "dest": "/"}, "below its root"),
        ({"src": "/etc", "dest": "/a/../../x"}, "without `..`"),
        ({"src": "/etc", "dest": "/x", "opts": ["shared"]}, "with shared propagation"),
        ({"src": "/etc", "dest": "/x", "opts": ["rbind,rshared"]}, "with shared propagation"),
        ({"src": "/etc", "dest": "/link"}, "it is a symbolic link"),
        ({"src": "/etc", "dest": "/etc/passwd/x"}, ""),
        ({"src": "/etc", "dest": "/a\0b"}, ""),
        ({"src": "/a\0b", "dest": "/x"}, ""),
        ({"src": "tmpfs", "dest": "/x", "fstype": "tmpfs", "opts": ["mode=\0"]}, ""),
    ],
)
def test_refusals(
    mount: Mount, jail: Path, fstab: Path, item: dict[str, object], said: str
) -> None:
    (jail / "link").symlink_to("/")
    before = fstab.read_text()
    result = mount(item)
    assert said in result["msg"]
    assert fstab.read_text() == before
    assert below(jail) == []


def test_a_link_above_leads_back_inside(
    mount: Mount, jail: Path, source: Path, in_namespace: InNamespace
) -> None:
    (jail / "up").symlink_to("../../../../var")

    def deeds() -> None:
        item = {"src": str(source), "dest": "/up/x"}
        assert mount(item)["changed"]
        assert below(jail) == [f"{jail}/var/x"]
        assert not mount(item)["changed"]

    in_namespace(deeds)


@pytest.mark.parametrize("state", ["mounted", "absent"])
def test_what_was_mounted_by_hand_goes_without_the_host(
    mount: Mount, jail: Path, source: Path, in_namespace: InNamespace, state: str
) -> None:
    """`mount --rbind` shares with its source: unmounting there would unmount the host's own."""

    def deeds() -> None:
        _kernel.mount("tmpfs", str(source), "tmpfs", frozenset())
        for name in ("shm", "shm/inner", "mqueue"):
            (source / name).mkdir()
            _kernel.mount("tmpfs", str(source / name), "tmpfs", frozenset())
        _kernel.set_propagation(str(source), "rshared")
        host = [point for point in below(source.parent) if point.startswith(f"{source}/")]
        (jail / "dev").mkdir(exist_ok=True)
        _kernel.bind(str(source), str(jail / "dev"), recursive=True)
        items = [{"src": str(source), "dest": "/dev"}] if state == "mounted" else []
        done = mount(*items, state=state)
        assert done["changed"], done
        assert below(jail) == ([f"{jail}/dev"] if items else [])
        assert [point for point in below(source.parent) if point.startswith(f"{source}/")] == host
        assert not mount(*items, state=state)["changed"]

    in_namespace(deeds)


@pytest.mark.parametrize("state", ["mounted", "absent", "unmounted"])
@pytest.mark.parametrize("live", [True, False])
def test_the_folder_that_jails_are_in_is_none(
    run: Run,
    mount: Mount,
    jail: Path,
    fstab: Path,
    *,
    in_namespace: InNamespace,
    state: str,
    live: bool,
) -> None:
    line = f"tmpfs {jail}/proc tmpfs defaults 0 0\n"
    fstab.write_text(line)

    def deeds() -> None:
        if live:
            fstab.write_text("")
            _kernel.mount("tmpfs", f"{jail}/proc", "tmpfs", frozenset())
        options = {"profile": "none", "state": state, "fstab": str(fstab)}
        said = run(bind_mounts, path=str(jail.parent), **options)
        assert f"it is no system, and {jail} in it is a jail" in said["msg"]
        assert below(jail) == [f"{jail}/proc"] * live
        assert fstab.read_text() == line * (not live)
        assert mount(state="absent")["changed"]
        assert below(jail) == []

    in_namespace(deeds)


@pytest.mark.parametrize("word", ["defaults", "sync", "comment=x", "x-y", "_netdev", "relatime"])
def test_an_option_that_any_mount_takes(mount: Mount, source: Path, word: str) -> None:
    said = mount({"src": str(source), "dest": "/srv", "opts": [word]}, check=True)
    assert said["changed"], said


@pytest.mark.parametrize("word", ["readonly", "RO", "ro ", "mode=755"])
def test_an_option_that_no_bind_has(mount: Mount, source: Path, word: str) -> None:
    said = mount({"src": str(source), "dest": "/srv", "opts": [word]}, check=True)
    assert f"a bind mount has no option {word!r}" in said["msg"]
