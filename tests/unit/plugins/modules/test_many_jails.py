# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One call for several jails, with every module that has it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _files,
    _kernel,
    _mountinfo,
    _specs,
)
from ansible_collections.jaulas.chroot.plugins.modules import (
    bind_mounts,
    debootstrap_jail,
    jail_files,
    jail_packages,
)
from ansible_collections.jaulas.chroot.tests.unit.plugins.modules.conftest import (
    DPKG,
    Install,
    Result,
    Run,
)

InNamespace = Callable[..., None]
MODULES: dict[str, tuple[ModuleType, dict[str, object]]] = {
    "bind_mounts": (bind_mounts, {"profile": "none"}),
    "debootstrap_jail": (debootstrap_jail, {"suite": "trixie", "engine": "debootstrap"}),
    "jail_files": (jail_files, {"files": [{"dest": "/etc/new", "content": "x"}]}),
    "jail_packages": (jail_packages, {"name": ["dpkg"]}),
}
every_module = pytest.mark.parametrize("name", sorted(MODULES))


@pytest.fixture
def jails(tmp_path: Path) -> list[Path]:
    """Three folders that dpkg manages."""
    places = [tmp_path / "jails" / name for name in ("one", "two", "three")]
    for place in places:
        for folder in ("etc", "srv", "proc", "var/lib/dpkg"):
            (place / folder).mkdir(parents=True)
        (place / "var/lib/dpkg/status").write_text(DPKG.replace("\\n", "\n"))
    return places


@pytest.fixture
def fstab(tmp_path: Path) -> Path:
    place = tmp_path / "fstab"
    place.write_text("# by hand\n/dev/vda1\t/ ext4 defaults 0 1\n")
    return place


@pytest.fixture
def source(tmp_path: Path) -> Path:
    place = tmp_path / "source"
    (place / "inner").mkdir(parents=True)
    return place


@pytest.fixture
def mount(run: Run, fstab: Path) -> Callable[..., Result]:
    def call(*jails: dict[str, Any], **options: object) -> Result:
        chosen = {"profile": "none", "fstab": str(fstab), **options}
        named = [{**jail, "path": str(jail["path"])} for jail in jails]
        return run(bind_mounts, jails=named, **chosen)

    return call


def bind(source: Path | str, dest: str, *opts: str) -> dict[str, object]:
    return {"src": str(source), "dest": dest, "opts": list(opts)}


def points(*jails: Path) -> list[str]:
    table = _mountinfo.parse(Path("/proc/self/mountinfo").read_text())
    return [item.point for item in table if any(item.point.startswith(f"{j}/") for j in jails)]


@every_module
def test_either_a_path_or_a_list(run: Run, jails: list[Path], name: str) -> None:
    plugin, options = MODULES[name]
    both = run(plugin, path=str(jails[0]), jails=[{"path": str(jails[1])}], **options)
    assert "mutually exclusive" in both["msg"]
    assert "one of the following is required: path, jails" in run(plugin, **options)["msg"]
    nothing = run(plugin, jails=[], **options)
    assert (nothing["changed"], nothing["results"]) == (False, [])


@every_module
def test_only_root_may(run: Run, jails: list[Path], name: str) -> None:
    plugin, options = MODULES[name]
    result = run(plugin, uid=65534, jails=[{"path": str(jail)} for jail in jails], **options)
    assert f"Cannot start {name} on 3 jails as the user 65534" in result["msg"]


@every_module
def test_twice_is_refused_before_anything(
    run: Run, engine: Install, tmp_path: Path, jails: list[Path], name: str
) -> None:
    engine()
    plugin, options = MODULES[name]
    (tmp_path / "link").symlink_to(tmp_path / "jails")
    one, other = str(jails[0] / "new"), f"{tmp_path}/link/one/new/"
    if name != "debootstrap_jail":
        one, other = str(jails[0]), f"{tmp_path}/link/one/"
    named = [{"path": path} for path in (str(jails[1]), one, other)]
    result = run(plugin, jails=named, **options)
    assert f"names that jail twice, as {one} and as {other}" in result["msg"]
    assert "results" not in result
    assert not (jails[1] / "etc/new").exists()


@every_module
def test_entries_have_the_options_of_the_task(run: Run, jails: list[Path], name: str) -> None:
    """What the task has is what an entry has, by the same name and with the same type."""
    plugin, options = MODULES[name]
    wrong = run(plugin, jails=[{"path": str(jails[0]), "nosuch": 1}], **options)
    assert "jails.nosuch" in wrong["msg"]
    own = _specs.SPECS[name]["argument_spec"]["jails"]["options"]
    assert all(option in wrong["msg"] for option in own)
    assert "jails.fstab" in run(bind_mounts, jails=[{"path": "/x", "fstab": "/y"}])["msg"]


def test_an_entry_goes_before_the_task(run: Run, jails: list[Path]) -> None:
    own = [{"dest": "/etc/own", "content": "own"}]
    named = [{"path": str(jails[0])}, {"path": str(jails[1]), "files": own}]
    common = [{"dest": "/etc/common", "content": "common"}]
    for check in (True, False):
        result = run(jail_files, check=check, diff=True, jails=named, files=common)
        assert result["changed"], result
        assert [record["path"] for record in result["results"]] == [str(j) for j in jails[:2]]
        assert [record["actions"] for record in result["results"]] == [
            [f"write {jails[0]}/etc/common"],
            [f"write {jails[1]}/etc/own"],
        ]
        headings = [part["after_header"] for part in result["diff"]]
        assert headings == [f"{jails[0]}/etc/common", f"{jails[1]}/etc/own"]
        assert (jails[0] / "etc/common").exists() is not check
    again = run(jail_files, jails=named, files=common)
    assert not again["changed"]
    assert not any(record["changed"] for record in again["results"])
    assert "none are named" in run(jail_files, jails=named)["results"][0]["msg"]


@every_module
def test_one_that_fails_stops_no_other(
    run: Run, engine: Install, tmp_path: Path, jails: list[Path], name: str
) -> None:
    engine()
    plugin, options = MODULES[name]
    places = jails
    if name == "debootstrap_jail":
        places = [jails[0] / "new", jails[1], jails[2] / "new"]
    else:
        places[1] = tmp_path / "nowhere"
    result = run(plugin, jails=[{"path": str(place)} for place in places], **options)
    assert result["failed"]
    first, failed, last = result["results"]
    assert result["msg"] == (f"Cannot finish {name} on {places[1]} (1 of 3 jails): {failed['msg']}")
    assert (failed["failed"], failed["changed"], failed["path"]) == (True, False, str(places[1]))
    assert "failed" not in first
    assert first["actions"] == [
        action.replace(str(places[2]), str(places[0])) for action in last["actions"]
    ]
    assert result["changed"] == first["changed"] == last["changed"]


def test_jails_that_are_made_removed_and_kept(
    run: Run, engine: Install, tmp_path: Path, spot: Path
) -> None:
    engine()
    old = spot.with_name("old")
    options: dict[str, Any] = {"suite": "trixie", "engine": "debootstrap"}
    assert run(debootstrap_jail, path=str(old), **options)["changed"]
    named = [{"path": str(old), "state": "absent"}, {"path": str(spot)}]
    for check in (True, False):
        result = run(debootstrap_jail, check=check, diff=True, jails=named, **options)
        assert [record["changed"] for record in result["results"]] == [True, True]
        assert [part["before_header"] for part in result["diff"]] == [str(old), str(spot)]
        assert (old.exists(), spot.exists()) == (check, not check)
    single = run(debootstrap_jail, path=str(spot), **options)
    again = run(debootstrap_jail, jails=named, **options)
    assert not again["changed"]
    told = again["results"][1]
    assert told == {key: single[key] for key in told}
    assert {"actions", "reasons", "jail", "drift"} < set(told)


def test_mounts_of_several_jails(
    mount: Callable[..., Result],
    jails: list[Path],
    fstab: Path,
    source: Path,
    in_namespace: InNamespace,
) -> None:
    before = fstab.read_text()
    one, two, three = jails
    item = bind(source, "/srv")

    def deeds() -> None:
        assert mount({"path": three, "mounts": [item]})["changed"]
        named = (
            {"path": one, "mounts": [item, bind(source / "inner", "/etc")]},
            {"path": two, "mounts": [item], "state": "present"},
            {"path": three, "state": "absent"},
        )
        foreseen = mount(*named, check=True, diff=True)
        done = mount(*named, diff=True)
        assert done["diff"] == foreseen["diff"]
        parts = [part["after_header"] for part in done["diff"]]
        assert parts == [f"mounts below {one}", str(fstab), f"mounts below {three}"]
        assert [record["actions"] for record in done["results"]] == [
            [
                f"mount {source} on {one}/srv",
                f"mount {source}/inner on {one}/etc",
                f"write {fstab}",
            ],
            [f"write {fstab}"],
            [f"write {fstab}", f"unmount {three}/srv"],
        ]
        assert sorted(points(*jails)) == [f"{one}/etc", f"{one}/srv"]
        lines = [line.split()[1] for line in fstab.read_text().splitlines()[2:]]
        assert lines == [f"{one}/srv", f"{one}/etc", f"{two}/srv"]
        assert len(done["results"][0]["mounts"]) == 2
        for check in (True, False):
            again = mount(*named, check=check)
            assert not again["changed"]
            assert [record["actions"] for record in again["results"]] == [[], [], []]
        gone = mount(*({"path": jail, "state": "absent"} for jail in jails))
        assert gone["changed"]

    in_namespace(deeds)
    assert fstab.read_text() == before


def test_lines_of_those_that_succeeded(
    mount: Callable[..., Result],
    jails: list[Path],
    fstab: Path,
    source: Path,
    in_namespace: InNamespace,
) -> None:
    """What could not be mounted gets no line; what could not be unmounted has none any more."""
    one, two, three = jails
    item = bind(source, "/srv")

    def deeds() -> None:
        assert mount({"path": three, "mounts": [item]})["changed"]
        wrong = {"src": "tmpfs", "dest": "/etc", "fstype": "nosuchfs"}
        os.chdir(three / "srv")
        result = mount(
            {"path": one, "mounts": [item, wrong]},
            {"path": two, "mounts": [item]},
            {"path": three, "state": "absent"},
        )
        os.chdir("/")
        assert [record.get("failed") for record in result["results"]] == [True, None, True]
        assert f"on {one}, {three} (2 of 3 jails): Cannot mount tmpfs" in result["msg"]
        assert "it is busy" in result["results"][2]["msg"]
        assert result["changed"]
        lines = [line.split()[1] for line in fstab.read_text().splitlines()[2:]]
        assert lines == [f"{two}/srv"]

    in_namespace(deeds)


def test_fstab_that_cannot_be_written(
    mount: Callable[..., Result],
    jails: list[Path],
    fstab: Path,
    source: Path,
    in_namespace: InNamespace,
) -> None:
    one, two, three = jails

    def deeds() -> None:
        _kernel.bind(str(source), str(three / "srv"))
        fstab.unlink()
        fstab.mkdir()
        result = mount({"path": one, "mounts": [bind(source, "/srv")]}, {"path": two})
        assert [record["failed"] for record in result["results"]] == [True, True]
        assert points(one) == []

    in_namespace(deeds)


@pytest.fixture(params=["nested", "source", "recursive"])
def touching(request: Any, jails: list[Path], source: Path) -> list[dict[str, Any]]:
    """Two jails of which one's mounts have to do with the other's."""
    outer, other, _three = jails
    cases: dict[str, list[dict[str, Any]]] = {
        # The inner jail's mounts are the outer one's too, and undeclared there.
        "nested": ({"path": outer}, {"path": outer / "srv", "mounts": [bind(source, "/x")]}),
        # What the second one shows is the mount that the first one gets.
        "source": [
            {"path": outer, "mounts": [bind(source, "/srv", "ro")]},
            {"path": other, "mounts": [bind(outer / "srv", "/srv")]},
        ],
        "recursive": [
            {"path": outer, "mounts": [bind(source, "/srv")]},
            {"path": other, "mounts": [bind(outer.parent, "/srv", "rbind")]},
        ],
    }
    return cases[request.param]


def test_jails_that_touch_each_other_are_as_in_calls_of_their_own(
    mount: Callable[..., Result],
    touching: list[dict[str, Any]],
    tmp_path: Path,
    fstab: Path,
    in_namespace: InNamespace,
) -> None:
    def table() -> list[str]:
        mounts = _mountinfo.parse(Path("/proc/self/mountinfo").read_text())
        return sorted(
            f"{item.point} {item.root} {item.options}"
            for item in mounts
            if str(tmp_path) in item.point
        )

    def apart() -> None:
        seen = []
        for _time in range(2):
            results = [mount(entry) for entry in touching]
            seen.append([[result["changed"] for result in results], table(), fstab.read_text()])
        told.write_text(json.dumps(seen))

    def together() -> None:
        for seen in json.loads(told.read_text()):
            changed = [record["changed"] for record in mount(*touching)["results"]]
            assert [changed, table(), fstab.read_text()] == seen

    told = fstab.with_name("told")
    before = fstab.read_text()
    in_namespace(apart)
    fstab.write_text(before)
    in_namespace(together)


def test_many_jails_cost_one_look(
    jails: list[Path],
    fstab: Path,
    in_namespace: InNamespace,
    monkeypatch: pytest.MonkeyPatch,
    mount: Callable[..., Result],
) -> None:
    """The mount table and fstab are read as often for three jails as for one, and fstab is
    written once."""
    record = fstab.with_name("calls")
    read, replace = _files.read_text, _files.replace_text

    def reading(path: str) -> str:
        with record.open("a") as handle:
            handle.write(f"read {path}\n")
        return read(path)

    def replacing(path: str, text: str) -> None:
        with record.open("a") as handle:
            handle.write(f"write {path}\n")
        replace(path, text)

    def calls(*named: dict[str, Any], **options: object) -> list[str]:
        record.write_text("")
        assert mount(*named, **options)["changed"]
        return record.read_text().splitlines()

    def deeds() -> None:
        monkeypatch.setattr(_files, "read_text", reading)
        monkeypatch.setattr(_files, "replace_text", replacing)
        named = [{"path": jail, "mounts": [bind("/etc", "/srv")]} for jail in jails]
        one = calls(named[0], check=True)
        assert sorted(one) == sorted(["read /proc/self/mountinfo", f"read {fstab}"])
        assert calls(*named, check=True) == one
        many = calls(*named)
        assert many.count(f"write {fstab}") == 1
        assert many.count("read /proc/self/mountinfo") == 2

    in_namespace(deeds)
