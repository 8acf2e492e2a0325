# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packages of a jail: read from outside, changed by the jail's own apt."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _bootstrap,
    _dpkg,
    _rootfs,
    _session,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError
from ansible_collections.jaulas.chroot.plugins.module_utils._glob import glob
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import Root
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Operation, Plan, State
from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record

_LISTS = "/var/lib/apt/lists"
_TMP = "/tmp"
_STAMPS = ("/var/lib/apt/periodic/update-success-stamp", _LISTS)
_ENV = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
#: Without these, a simulation would write caches, a log and locks into the jail, and see nothing
#: where dpkg was cut short.
_NO_TRACES = (
    "-o",
    "Debug::NoLocking=true",
    "-o",
    "Dir::Cache::pkgcache=",
    "-o",
    "Dir::Cache::srcpkgcache=",
    "-o",
    "Dir::Log::Planner=/dev/null",
)
_APT = (
    "-y",
    "-q",
    "-o",
    "Dpkg::Options::=--force-confdef",
    "-o",
    "Dpkg::Options::=--force-confold",
    "-o",
    "DPkg::Use-Pty=0",
)
_UPDATE = ("apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update")
#: Fresh lists for one simulation: the arguments of both calls stay what they are, word by word.
_UPDATE_AND_RUN = ("sh", "-c", f'{" ".join((*_UPDATE, *_NO_TRACES))} >&2 && exec "$@"', "sh")
_STEP = re.compile(
    r"^(Inst|Conf|Remv|Purg) (\S+)(?: \[[^\]]*\])?(?: \((\S+)[^\[\n]*\[([a-z0-9-]+)\])?",
    re.MULTILINE,
)
#: dpkg's journal: there are files in it only while dpkg runs, or when it was cut short.
_JOURNAL = "/var/lib/dpkg/updates/[0-9]*"
_NAME = re.compile(r"\*|[a-z0-9][a-z0-9+.-]*(:[a-z0-9-]+)?(=[A-Za-z0-9.+:~-]+)?")


class Apt(Record):
    """One call of apt-get inside a jail."""

    jail: str
    argv: Sequence[str]
    what: str

    def describe(self) -> str:
        return f"{self.what} in {self.jail}"

    def apply(self) -> None:
        run(self.jail, self.argv, self.what)


def run(jail: str, argv: Sequence[str], what: str, scratch: Sequence[str] = ()) -> str:
    """Run apt in a session and return what it said; raises JailError with its reason.

    A run with scratch folders is a simulation: it installs nothing that services could hear of.
    """
    services = "allow" if scratch else "deny"
    outcome = _session.run(
        _session.Session(jail, argv, env=_ENV, services=services, scratch=scratch)
    )
    said = outcome.stdout.decode("utf-8", "replace")
    if outcome.rc != 0:
        log = said + outcome.stderr.decode("utf-8", "replace")
        cause, hint = _bootstrap.explain(log)
        raise JailError(
            f"Cannot {what} in {jail}: the package manager (exit {outcome.rc}) says that {cause}.",
            hint,
            rc=outcome.rc,
            log=_bootstrap.tail(log),
        )
    return said


def _wanted(params: Mapping[str, Any], packages: Sequence[_dpkg.Package]) -> list[str]:
    """The names that may need something done."""
    names = [str(name) for name in params["name"] or []]
    for name in names:
        if not _NAME.fullmatch(name):
            raise JailError(
                f"Cannot look for the package {name!r}: that is no package name.",
                "Write `name`, `name:arch` or `name=version`.",
            )
    if params["state"] == "latest":
        return names
    if params["state"] == "present":
        return [name for name in names if not _dpkg.satisfies(packages, name)]
    gone = ("not-installed", "config-files") if not params["purge"] else ("not-installed",)
    return [
        name
        for name in names
        if any(
            item.state not in gone and _dpkg.split_request(name)[2] in ("", item.version)
            for item in _dpkg.matching(packages, name)
        )
    ]


def _argv(params: Mapping[str, Any], names: Sequence[str], damaged: Sequence[str]) -> list[str]:
    options = [
        "--install-recommends" if params["install_recommends"] else "--no-install-recommends",
    ]
    if params["default_release"]:
        options.append(f"--default-release={params['default_release']}")
    if params["purge"]:
        options.append("--purge")
    if params["autoremove"]:
        options.append("--auto-remove")
    if params["state"] == "absent":
        return ["apt-get", *_APT, *options, "remove", "--", *names]
    if "*" in names:
        others = [name for name in names if name != "*"]
        return ["apt-get", *_APT, *options, "dist-upgrade", *(["--", *others] if others else [])]
    if damaged:
        options.append("--reinstall")
    wanted = dict.fromkeys([*names, *damaged])
    verb = ["install", "--", *wanted] if wanted else ["autoremove"]
    return ["apt-get", *_APT, *options, *verb]


def _lists_age(root: Root) -> float:
    """Seconds since the package lists were fetched; without any lists, for ever."""
    if not glob(root, f"{_LISTS}/*_Packages*"):
        return float("inf")
    places = [root.find(stamp) for stamp in _STAMPS]
    return time.time() - max(place.status.st_mtime for place in places if place)


def _simulate(jail: str, argv: Sequence[str], what: str, fresh_lists: bool) -> str:
    dry = [argv[0], "-s", *_NO_TRACES, *argv[1:]]
    if fresh_lists:
        return run(jail, [*_UPDATE_AND_RUN, *dry], what, scratch=(_LISTS, _TMP))
    return run(jail, dry, what, scratch=(_TMP,))


def _versions(packages: Sequence[_dpkg.Package]) -> dict[str, str]:
    """The versions that are there; what is begun and not ended has its state behind it."""
    return {
        f"{item.name}:{item.arch}": item.version
        if item.installed
        else f"{item.version} ({'damaged' if item.damaged else item.state})"
        for item in packages
        if item.state not in ("not-installed", "config-files")
    }


def _whole(versions: dict[str, str]) -> dict[str, str]:
    """Those without what is begun and not ended."""
    return {name: version for name, version in versions.items() if " " not in version}


def _unfinished(jail: str, versions: dict[str, str]) -> list[str]:
    """A warning of what is begun and not ended, if there is any."""
    rows = [f"{name} {versions[name]}" for name in sorted(versions.keys() - _whole(versions))]
    return [f"In {jail} dpkg has begun and not ended: {', '.join(rows)}"] if rows else []


def _foresee(versions: dict[str, str], simulation: str, arch: str) -> dict[str, str]:
    """Apply a simulation's steps to the versions that are installed."""
    after = dict(versions)
    for step, full_name, new, new_arch in _STEP.findall(simulation):
        name, _colon, own_arch = full_name.partition(":")
        archs = dict.fromkeys((own_arch or arch, "all"))
        keys = [key for key in (f"{name}:{item}" for item in archs) if key in after]
        if step in ("Inst", "Conf"):
            after[keys[0] if keys else f"{name}:{new_arch}"] = new
        elif keys:
            del after[keys[0]]
    return after


def _state(jail: str, versions: dict[str, str]) -> State:
    rows = sorted(f"{name.partition(':')[0]} {version}" for name, version in versions.items())
    return {f"packages in {jail}": "".join(f"{row}\n" for row in rows)}


def _read(jail: str) -> list[_dpkg.Package]:
    with Root(jail) as root:
        if not _rootfs.has_dpkg(root):
            raise JailError(
                f"Cannot manage the packages of {jail}: it has no dpkg.",
                "Use chroot_exec with the package manager that it has.",
            )
        packages = {(item.name, item.arch): item for item in _rootfs.packages(root)}
        # What one that was cut short has noted last.
        for path in glob(root, _JOURNAL):
            for item in _dpkg.parse(_rootfs.read_text(root, path)):
                packages[item.name, item.arch] = item
        return list(packages.values())


def _changes(before: dict[str, str], after: dict[str, str]) -> dict[str, object]:
    old, new = _whole(before), _whole(after)
    gone = {name: before[name].partition(" ")[0] for name in before.keys() - after.keys()}
    return {
        "installed": sorted(f"{name}={new[name]}" for name in new.keys() - old.keys()),
        "removed": sorted(f"{name}={version}" for name, version in gone.items()),
        "upgraded": sorted(
            f"{name}={new[name]}" for name in new.keys() & old.keys() if new[name] != old[name]
        ),
    }


def plan(jail: str, params: Mapping[str, Any], check_mode: bool) -> Plan:
    """Plan a jail's packages. The lists are refreshed first where something depends on them."""
    packages = _read(jail)
    before = _versions(packages)
    names = _wanted(params, packages)
    only_lists = not params["name"] and not params["autoremove"]
    acts = bool(names) or (bool(params["autoremove"]) and not params["name"])
    with Root(jail) as root:
        age, arch = _lists_age(root), _rootfs.architecture(root) or ""
        cut_short = bool(glob(root, _JOURNAL))
    stale = bool(params["update_cache"]) and age > float(params["cache_valid_time"])
    installs = acts and params["state"] != "absent" and bool(names)
    update = (stale and (installs or only_lists)) or (installs and age == float("inf"))

    def observe() -> State:
        return _state(jail, _versions(_read(jail)))

    if not acts and not update:
        reason = f"the packages of {jail} are as declared"
        return Plan(
            before=_state(jail, before),
            after=_state(jail, before),
            observe=observe,
            result={"cache_updated": False, **_changes(before, before)},
            reasons=[reason],
            warnings=_unfinished(jail, before),
        )
    refresh = Apt(jail, _UPDATE, "update the package lists")
    operations: list[Operation] = [refresh] if update and only_lists else []
    after = before
    if acts:
        damaged = [f"{item.name}:{item.arch}" for item in packages if item.damaged]
        if cut_short and not check_mode:
            # apt refuses to work where dpkg was cut short, until any call of dpkg that may write
            # has put its notes where they belong. Of packages this changes nothing.
            Apt(jail, ("dpkg", "--set-selections"), "take in the notes of dpkg").apply()
        if update and not check_mode:
            # What there is to do depends on the new lists, and fetching them twice is waste.
            refresh.apply()
        what = {"absent": "remove", "present": "install", "latest": "upgrade"}[params["state"]]
        what = f"{what} {' '.join(names)}" if names else "remove unused packages"
        change = Apt(jail, _argv(params, names, damaged), what)
        simulation = _simulate(jail, change.argv, what, update and check_mode)
        after = _foresee(before, simulation, arch)
        if _STEP.search(simulation):
            operations.append(change)
    return Plan(
        operations=operations,
        before=_state(jail, before),
        after=_state(jail, after),
        observe=observe,
        result={"cache_updated": update, **_changes(before, after)},
        outcome=lambda: _changes(before, _versions(_read(jail))),
        reasons=[] if operations else [f"apt finds nothing to do in {jail}"],
        warnings=_unfinished(jail, after),
    )
