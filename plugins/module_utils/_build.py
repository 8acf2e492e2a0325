# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Build a jail beside its final name and publish it in one step: whole or absent."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _archive,
    _bootstrap,
    _dpkg,
    _jail,
    _kernel,
    _marker,
    _operations,
    _process,
    _proof,
    _rootfs,
    _streams,
    _trees,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._bootstrap import (
    Engine,
    Recipe,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError
from ansible_collections.jaulas.chroot.plugins.module_utils._glob import glob
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import Root
from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record

_ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
#: dpkg's defaults and no fsync for each file: the tree is private until it is synced as a whole.
_FORCE = "security-mac,downgrade,unsafe-io"
#: What only the bootstrap needed: mmdebstrap's options for apt and dpkg, and the package lists.
_TRACES = ("/etc/apt/apt.conf.d/99mmdebstrap", "/etc/dpkg/dpkg.cfg.d/99mmdebstrap")
_LISTS = "/var/lib/apt/lists"


def archive_request(recipe: Recipe) -> _archive.Request | None:
    """What to ask the mirror, where it is one that can be asked."""
    if not recipe.mirror or not recipe.mirror.startswith(("http://", "https://")):
        return None
    return _archive.Request(
        mirror=recipe.mirror,
        suite=recipe.suite,
        arch=recipe.arch,
        components=recipe.components,
        proxy=recipe.http_proxy,
        check_valid_until=recipe.check_valid_until and recipe.check_gpg,
    )


class ClearLeftover(Record):
    """Delete what a run that was cut short left beside the jail."""

    path: str

    def describe(self) -> str:
        return f"delete the leftover {self.path}"

    def apply(self) -> None:
        _clear(self.path)


def _clear(folder: str) -> None:
    """Delete a partial folder. What says that it is ours goes last: whatever is left says so."""
    _trees.remove(folder, last=_jail.PARTIAL_MARKER)


@contextlib.contextmanager
def partial(path: str) -> Iterator[str]:
    """A private folder beside a path, marked as ours; it is gone when the block ends."""
    folder = f"{path}.partial-{os.urandom(4).hex()}"
    # Open to pass through, as apt downloads under a user of its own; not to look around in.
    os.mkdir(folder, 0o711)
    try:
        with open(f"{folder}/{_jail.PARTIAL_MARKER}", "w", encoding="utf-8") as handle:
            json.dump({"for": path, "pid": os.getpid()}, handle)
        yield folder
    except BaseException:
        # The first error is the one to tell; what cannot be cleared now, the next run clears.
        with contextlib.suppress(JailError):
            _clear(folder)
        raise
    _clear(folder)


def make_parents(path: str) -> None:
    """Make the folders above a path, as `mkdir -p` does."""
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)


class Bootstrap(Record):
    """Make a jail out of an archive; replaces the one that is there if `replace` is set."""

    path: str
    recipe: Recipe
    engine: Engine
    parameters: dict[str, object]
    replace: bool = False

    def describe(self) -> str:
        deed = "replace" if self.replace else "bootstrap"
        return f"{deed} {self.path} with {self.recipe.suite} by {self.engine.name}"

    def apply(self) -> None:
        missing = _first_missing(os.path.dirname(self.path))
        try:
            make_parents(self.path)
            with partial(self.path) as folder:
                root = f"{folder}/root"
                os.mkdir(root, 0o755)
                self._run_engine(folder, root)
                self._finish(root)
                self._publish(root)
        except OSError as error:
            raise JailError(
                f"Cannot bootstrap {self.path}: {error.strerror} ({error.filename})."
            ) from None
        finally:
            if not os.path.lexists(self.path):
                _remove_empty(missing, self.path)

    def _run_engine(self, folder: str, root: str) -> None:
        wgetrc, log_path = f"{folder}/wgetrc", f"{folder}/log"
        with open(wgetrc, "w", encoding="ascii") as handle:
            handle.write(_bootstrap.WGETRC)
        os.mkdir(f"{folder}/tmp")
        os.chmod(f"{folder}/tmp", 0o1777)
        # The engine and what it calls may litter; all of it goes with the partial folder.
        env = {
            **_ENV,
            "WGETRC": wgetrc,
            "TMPDIR": f"{folder}/tmp",
            "HOME": folder,
            "DPKG_FORCE": _FORCE,
        }
        if self.recipe.http_proxy:
            env.update(http_proxy=self.recipe.http_proxy, https_proxy=self.recipe.http_proxy)
        argv = self.engine.argv(self._readable(folder), root)
        # Two days of silence become a file that can be watched while it grows.
        with open(log_path, "ab") as log:
            command = _streams.Command(argv, env, log=log.fileno())
            outcome = _process.contain(command, prepare=_own_proc)
        text = _log_text(log_path, root)
        what = f"Cannot bootstrap {self.path} with {self.recipe.suite}: {self.engine.name}"
        if outcome.rc < 0:
            raise JailError(
                f"{what} was killed (signal {-outcome.rc}).",
                "See whether the kernel ran out of memory (dmesg), then run again.",
                log=_bootstrap.tail(text),
            )
        if outcome.rc > 0:
            cause, hint = _bootstrap.explain(text)
            raise JailError(
                f"{what} (exit {outcome.rc}) says that {cause}.",
                hint,
                log=_bootstrap.tail(text),
                rc=outcome.rc,
            )

    def _readable(self, folder: str) -> Recipe:
        """The recipe with a copy of its keyring: apt reads it as a user of its own."""
        if not self.recipe.keyring:
            return self.recipe
        name = f"{folder}/{os.path.basename(self.recipe.keyring)}"
        shutil.copyfile(self.recipe.keyring, name)
        os.chmod(name, 0o644)
        return self.recipe._replace(keyring=name)

    def _finish(self, path: str) -> None:
        """Check that the tree is whole, take the bootstrap's traces out, and mark it."""
        with Root(path) as root:
            found = _rootfs.packages(root)
            broken = _dpkg.unfinished(found)
            missing = [name for name in self.recipe.include if not _dpkg.satisfies(found, name)]
            if not found or broken or root.find("/bin/sh") is None:
                names = ", ".join(item.name for item in broken[:5]) or "no packages in it"
                raise JailError(
                    f"Cannot bootstrap {self.path}: {self.engine.name} reports success, but the "
                    f"system is not whole ({names}).",
                    "Check that the mirror has the suite's essential packages.",
                )
            if missing:
                raise JailError(
                    f"Cannot bootstrap {self.path}: {self.engine.name} left out "
                    f"{', '.join(missing)}.",
                    "Check `include`.",
                )
            release = _jail.release(root, self.recipe.suite)
            request = archive_request(self.recipe)
            if request:
                _archive.judge(request, release)
            self._trust_archive(root)
            for trace in [*_TRACES, *glob(root, f"{_LISTS}/*_*")]:
                with contextlib.suppress(FileNotFoundError):
                    folder, name = root.parent(trace)
                    os.unlink(name, dir_fd=folder.fd)
            marker = _marker.Marker(
                parameters=self.parameters,
                engine={
                    "name": self.engine.name,
                    "version": engine_version(self.engine.name),
                },
                release={name: release[name] for name in release if name not in _INDEXES},
                created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            )
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
            fd = os.open(_rootfs.MARKER, flags, 0o644, dir_fd=root.fd)
            with open(fd, "w", encoding="utf-8") as handle:
                handle.write(marker.render())
            os.chmod(root.fd, 0o755)
            # The name must not be on the disk before what it names.
            _kernel.sync_filesystem(root.fd)

    def _trust_archive(self, root: Root) -> None:
        """Give the jail's apt the key of its own archive, or it could never install from there."""
        keyring = self.recipe.keyring
        if not keyring or not self.recipe.check_gpg or root.find(keyring) is not None:
            return
        folder = root.find("/etc/apt/trusted.gpg.d")
        if folder is None:
            return
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        # A name that the archive's own keyring package would not take.
        name = f"jaulas-{os.path.basename(keyring)}"
        copy = os.open(name, flags, 0o644, dir_fd=folder.fd)
        with open(keyring, "rb") as source, open(copy, "wb") as target:
            shutil.copyfileobj(source, target)

    def _publish(self, root: str) -> None:
        if self.replace:
            # Minutes have passed since it was planned.
            _proof.prove_unused(self.path, "replace", kill=False)
            # The old tree takes the new one's place in the partial folder and goes with it.
            _kernel.exchange(root, self.path)
        else:
            # Onto nothing or onto an empty folder; rename(2) refuses anything else.
            os.rename(root, self.path)


#: Fields of Release that describe the archive and not what was taken from it.
_INDEXES = ("architectures", "components")


def _own_proc() -> None:
    """Show the engine the processes of its own PID namespace, and nobody else's jail."""
    _operations.leave_other_jails("")
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


def _first_missing(folder: str) -> str | None:
    """Find the topmost folder that does not exist yet on the way to a folder."""
    missing = None
    while not os.path.lexists(folder):
        missing, folder = folder, os.path.dirname(folder)
    return missing


def _remove_empty(top: str | None, path: str) -> None:
    """Take back the folders that were made for a jail that did not come to be."""
    folder = os.path.dirname(path)
    while top and os.path.commonpath((folder, top)) == top:
        try:
            os.rmdir(folder)
        except OSError:
            return
        folder = os.path.dirname(folder)


def find_engine(name: str) -> str | None:
    """Find an engine's program on the host."""
    return shutil.which(name, path=_ENV["PATH"])


def engine_version(name: str) -> str:
    """Ask an engine for its version: the last word of `NAME --version`."""
    outcome = _process.contain(_streams.Command([name, "--version"], _ENV), _own_proc)
    words = (outcome.stdout or outcome.stderr).decode("utf-8", "replace").split()
    return words[-1] if words else "unknown"
