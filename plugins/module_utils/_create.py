# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decide what makes a jail present: nothing, a bootstrap, a rebuild, or a clear refusal."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _arch,
    _archive,
    _build,
    _files,
    _jail,
    _marker,
    _proof,
    _rootfs,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._bootstrap import (
    ENGINES,
    Engine,
    Recipe,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import (
    JailError,
    Refused,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Operation, Plan

_BINFMT = "/proc/sys/fs/binfmt_misc"
#: Words that reach an engine's command line: never an option, never a separator.
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._:~/=-]*")
_SCRIPTS = "/usr/share/debootstrap/scripts"


def recipe(params: Mapping[str, Any]) -> Recipe:
    """Turn a module's options into a recipe; check every word of it."""
    if not params["suite"]:
        raise JailError("Cannot bootstrap: no suite is named.", "Name the release in `suite`.")
    arch = str(params["arch"] or _arch.of_machine(os.uname().machine))
    if arch not in _arch.ARCHITECTURES:
        raise JailError(
            f"Cannot bootstrap for the architecture {arch}: Debian has none of that name.",
            f"Known ones: {', '.join(sorted(_arch.ARCHITECTURES))}.",
        )
    fields = Recipe._fields
    values = {name: params[name] for name in fields if params.get(name) is not None}
    made = Recipe(**{**values, "arch": arch})
    words = [
        made.suite,
        *made.include,
        *made.exclude,
        *made.components,
        *made.extra_suites,
    ]
    for word in words:
        if not _WORD.fullmatch(word):
            raise JailError(
                f"Cannot bootstrap: {word!r} is no name of a suite, component or package.",
                "Use letters, digits and `+._:~/=-`, one name for each list item.",
            )
    if made.mirror and not re.fullmatch(r"[a-z+]+:[^\s]+", made.mirror):
        raise JailError(f"Cannot bootstrap from {made.mirror!r}: a mirror is a URL without blanks.")
    if made.script and not re.fullmatch(r"[A-Za-z0-9/][A-Za-z0-9+._/-]*", made.script):
        raise JailError(f"Cannot bootstrap with the script {made.script!r}: it is no name or path.")
    return made


def parameters(made: Recipe, engine: str) -> dict[str, object]:
    """What the marker records of a recipe. Lists whose order means nothing are sorted."""
    return {
        "suite": made.suite,
        "mirror": made.mirror,
        "arch": made.arch,
        "variant": made.variant,
        "include": sorted(made.include),
        "exclude": sorted(made.exclude),
        "components": sorted(made.components),
        "extra_suites": sorted(made.extra_suites),
        "script": made.script,
        "merged_usr": made.merged_usr,
        "check_gpg": made.check_gpg,
        "keyring": made.keyring,
        "engine": engine,
    }


def choose_engine(name: str, made: Recipe) -> Engine:
    """Take the engine asked for, or the fastest that the host has and that can."""
    names = list(ENGINES) if name == "auto" else [name]
    obstacles = []
    for candidate in names:
        engine = ENGINES[candidate]
        if _build.find_engine(candidate) is None:
            obstacles.append(f"{candidate} is not installed")
        elif engine.cannot(made):
            obstacles.append(f"{candidate} is of no use: {engine.cannot(made)}")
        else:
            return engine
    raise JailError(
        f"Cannot bootstrap {made.suite}: {'; '.join(obstacles)}.",
        "Install debootstrap on the host (the role jail_host does), or change the options.",
    )


def _check_host(path: str, made: Recipe, engine: Engine) -> None:
    """Find out beforehand what would stop the engine after minutes."""
    what = f"Cannot bootstrap {path}:"
    if made.keyring and not os.path.isfile(made.keyring):
        raise JailError(
            f"{what} the keyring {made.keyring} is missing on the host.",
            "Copy it there first; the archive cannot be verified without it.",
        )
    if engine.name == "debootstrap":
        script = made.script or made.suite
        if not os.path.exists(os.path.join(_SCRIPTS, script)):
            raise JailError(
                f"{what} debootstrap has no script for {script}.",
                "Check the spelling, or name a suite like it in `script`.",
            )
    obstacle = _arch.obstacle(made.arch, os.uname().machine, _handlers())
    if obstacle:
        raise JailError(
            f"{what} {obstacle}.",
            "Install qemu-user-static (or enable its handler) on the host.",
        )
    folder = os.path.dirname(path)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    flags = os.statvfs(folder).f_flag
    for flag, name in (
        (os.ST_NOEXEC, "noexec"),
        (os.ST_NODEV, "nodev"),
        (os.ST_RDONLY, "ro"),
    ):
        if flags & flag:
            raise JailError(
                f"{what} the file system at {folder} is mounted {name}.",
                "Remount it without that option, or choose another folder.",
            )


def _handlers() -> list[_arch.Handler]:
    try:
        names = sorted(set(os.listdir(_BINFMT)) - {"register", "status"})
    except OSError:
        return []
    return [_arch.parse_handler(_files.read_text(f"{_BINFMT}/{name}")) for name in names]


def _result(path: str) -> dict[str, object]:
    marker = _jail.inspect(path)[1]
    return {"jail": describe(marker) if marker else None}


def describe(marker: _marker.Marker) -> dict[str, object]:
    """A marker as a module returns it."""
    return {
        "parameters": marker.parameters,
        "engine": marker.engine,
        "release": marker.release,
        "created": marker.created,
        "digest": _marker.digest(marker.parameters),
    }


def plan(path: str, params: Mapping[str, Any]) -> Plan:
    """Plan a jail's presence."""
    made = recipe(params)
    kind, marker = _jail.inspect(path)
    if kind == "foreign":
        raise Refused(
            f"Cannot bootstrap {path}: something that is not ours is there (no {_rootfs.MARKER}).",
            "Move it away or choose another path; it is left as it is.",
        )
    leftovers: list[Operation] = [_build.ClearLeftover(name) for name in _jail.leftovers(path)]
    before = _jail.observe(path)
    declared = parameters(made, str(params["engine"]))
    warnings: list[str] = []
    if marker:
        differences = _marker.drift(declared, marker)
        if not differences or params["on_drift"] == "warn":
            if differences:
                warnings.append(f"{path} differs from its declaration: {'; '.join(differences)}")
            return Plan(
                operations=leftovers,
                before=before,
                after=before,
                observe=lambda: _jail.observe(path),
                result={"path": path, "drift": differences, **_result(path)},
                reasons=[f"{path} is complete"],
                warnings=warnings,
            )
        if params["on_drift"] == "fail":
            raise JailError(
                f"Cannot keep {path} as it is: it differs from its declaration "
                f"({'; '.join(differences)}).",
                "Set on_drift: rebuild to replace it, or on_drift: warn to leave it.",
                drift=differences,
            )
        _proof.prove_unused(path, "replace", kill=False)
    engine = choose_engine(str(params["engine"]), made)
    _check_host(path, made, engine)
    request = _build.archive_request(made)
    if request:
        _archive.judge(request, _archive.fetch_release(request))
    if not made.check_gpg:
        warnings.append(f"{path} is bootstrapped from an archive that is not verified")
    bootstrap = _build.Bootstrap(path, made, engine, declared, replace=marker is not None)
    return Plan(
        operations=[*leftovers, bootstrap],
        before=before,
        after=_jail.state(path, declared),
        observe=lambda: _jail.observe(path),
        result={"path": path, "engine": engine.name},
        outcome=lambda: _result(path),
        warnings=warnings,
    )
