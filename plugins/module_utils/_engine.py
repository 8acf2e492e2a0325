# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run an engine: in namespaces of its own, and in memory where there is plenty of it."""

from __future__ import annotations

import contextlib
import os
import shutil

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _bootstrap,
    _copy,
    _deb_proxy,
    _files,
    _kernel,
    _operations,
    _process,
    _procs,
    _streams,
    _trees,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._bootstrap import (
    ENGINES,
    Engine,
    Recipe,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError

ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
#: dpkg's defaults and no fsync for each file: the tree is private until it is synced as a whole.
_FORCE = "security-mac,downgrade,unsafe-io"
#: What a bootstrap may take of the memory that is free, and the least with which that is tried.
_SHARE = 0.25
_LEAST_ROOM = 1 << 30
#: $1 is a folder in memory, $2 where the finished tree goes; the rest is the engine's call. What
#: the engine says of its end is passed on, and its log saved, as the memory goes with the program.
_IN_MEMORY = """\
from=$1 to=$2; shift 2
"$@" && exec cp --archive -- "$from/." "$to"
status=$?
[ "$status" -le 128 ] || kill -$((status - 128)) $$
[ ! -e "$from/debootstrap" ] || cp --recursive -- "$from/debootstrap" "$to"
exit "$status"
"""


def find(name: str) -> str | None:
    """Find an engine's program on the host."""
    return shutil.which(name, path=ENV["PATH"])


def choose(name: str, made: Recipe) -> Engine:
    """Take the engine asked for, or the fastest that the host has and that can."""
    names = list(ENGINES) if name == "auto" else [name]
    obstacles = []
    for candidate in names:
        engine = ENGINES[candidate]
        if find(candidate) is None:
            obstacles.append(f"{candidate} is not installed")
        elif engine.cannot(made):
            obstacles.append(f"{candidate} is of no use: {engine.cannot(made)}")
        else:
            return engine
    raise JailError(
        f"Cannot bootstrap {made.suite}: {'; '.join(obstacles)}.",
        "Install what is missing on the host (the role jail_host does), or change the options.",
    )


def version(name: str) -> str:
    """Ask an engine for its version: the last word of `NAME --version`."""
    outcome = _process.contain(_streams.Command([name, "--version"], ENV), _own_proc)
    words = (outcome.stdout or outcome.stderr).decode("utf-8", "replace").split()
    return words[-1] if words else "unknown"


def run(path: str, recipe: Recipe, engine: Engine, folder: str) -> str:
    """Let an engine make the system for a path in a partial folder; return where it is."""
    what = f"Cannot bootstrap {path} with {recipe.suite}: {engine.name}"
    root = f"{folder}/root"
    with open(f"{folder}/wgetrc", "w", encoding="ascii") as handle:
        handle.write(_bootstrap.WGETRC)
    for name in ("tmp", "memory"):
        os.mkdir(f"{folder}/{name}")
    os.chmod(f"{folder}/tmp", 0o1777)
    recipe = _readable(recipe, folder)
    room = int(_free_memory() * _SHARE)
    with _deb_proxy.proxies(recipe) as proxies:
        _copy.make_top(root)
        rc, log = _call(recipe, engine, folder, proxies, room if room >= _LEAST_ROOM else 0)
        if rc != 0 and room >= _LEAST_ROOM and _bootstrap.explain(log)[0] == _bootstrap.DISK_FULL:
            # What does not fit into memory may well fit on the disk.
            _trees.remove(root)
            _copy.make_top(root)
            rc, log = _call(recipe, engine, folder, proxies, 0)
        _judge(what, rc, log)
    return root


def _call(
    recipe: Recipe, engine: Engine, folder: str, proxies: dict[str, str], room: int
) -> tuple[int, str]:
    """Call an engine, with so many bytes of memory to work in, or none; its exit code and log."""
    root, memory = f"{folder}/root", f"{folder}/memory"
    argv = engine.argv(recipe, memory if room else root)
    if room:
        argv = ["/bin/sh", "-c", _IN_MEMORY, "sh", memory, root, *argv]

    def prepare() -> None:
        _own_proc()
        if room:
            _kernel.mount("tmpfs", memory, "tmpfs", frozenset(), f"mode=755,size={room}")

    # The engine and what it calls may litter; all of it goes with the partial folder.
    env = {
        **ENV,
        "WGETRC": f"{folder}/wgetrc",
        "TMPDIR": f"{folder}/tmp",
        "HOME": folder,
        "DPKG_FORCE": _FORCE,
        **proxies,
    }
    # Two days of silence become a file that can be watched while it grows.
    with open(f"{folder}/log", "wb") as log:
        command = _streams.Command(argv, env, log=log.fileno())
        outcome = _process.contain(command, prepare)
    return outcome.rc, _log_text(f"{folder}/log", root)


def _judge(what: str, rc: int, log: str) -> None:
    """Raise what an engine's log says if it did not succeed."""
    if rc < 0:
        raise JailError(
            f"{what} was killed (signal {-rc}).",
            "See whether the kernel ran out of memory (dmesg), then run again.",
            log=_bootstrap.tail(log),
        )
    if rc > 0:
        cause, hint = _bootstrap.explain(log)
        raise JailError(
            f"{what} (exit {rc}) says that {cause}.", hint, log=_bootstrap.tail(log), rc=rc
        )


def _readable(recipe: Recipe, folder: str) -> Recipe:
    """The recipe with a copy of its keyring: apt reads it as a user of its own."""
    if not recipe.keyring:
        return recipe
    name = f"{folder}/{os.path.basename(recipe.keyring)}"
    shutil.copyfile(recipe.keyring, name)
    os.chmod(name, 0o644)
    return recipe._replace(keyring=name)


def _free_memory() -> int:
    """Bytes that programs could have without swapping (proc(5), MemAvailable)."""
    for line in _files.read_text("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return 0


def _own_proc() -> None:
    """Show the engine the processes of its own PID namespace, and nobody else's jail."""
    _operations.leave_other_jails("", _procs.mount_points())
    _kernel.mount("proc", "/proc", "proc", frozenset(("nosuid", "nodev", "noexec")))


def _log_text(path: str, root: str) -> str:
    """The engine's output, and debootstrap's own log, which holds what dpkg said."""
    text = ""
    for name in (f"{root}/debootstrap/debootstrap.log", path):
        with (
            contextlib.suppress(OSError),
            open(name, encoding="utf-8", errors="replace") as log,
        ):
            text += log.read()
    return text
