# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find a path inside a root without ever leaving it.

A jail's symbolic links are text written by a stranger. They are followed the way a process
inside the jail would follow them: an absolute one starts again at the root, `..` stops there.
Every step is a descriptor relative to the one before, so a link swapped in meanwhile is never
followed by the kernel (openat(2), O_NOFOLLOW).
"""

from __future__ import annotations

import errno
import os
import stat

from ansible_collections.jaulas.chroot.plugins.module_utils._blocks import contextmanager
from ansible_collections.jaulas.chroot.plugins.module_utils._record import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

#: As the kernel: more links than this in one path is a loop (path_resolution(7)).
MAX_LINKS = 40

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def components(path: str) -> list[str]:
    """Split a path into its names; empty ones and `.` mean nothing."""
    return [name for name in path.split("/") if name not in ("", ".")]


def is_inside(path: str, root: str) -> bool:
    """Tell whether path lies strictly below root, by components (both absolute and normal)."""
    parts, top = components(path), components(root)
    return len(parts) > len(top) and parts[: len(top)] == top


def around(path: str, folders: Container[str]) -> Iterator[str]:
    """Those of some folders that a path lies in or is, the nearest first (all of them normal)."""
    while path.startswith("/"):
        if path in folders:
            yield path
        if path == "/":
            return
        path = path.rpartition("/")[0] or "/"


@contextmanager
def opened_folder(path: str) -> Iterator[int]:
    """Yield a descriptor of a folder."""
    fd = os.open(path, _DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


def mount_id(fd: int) -> int:
    """Return the id of the mount that an open file lies on (proc(5), fdinfo).

    Two directories on the same file system but on different mounts have different ids:
    what st_dev cannot tell.
    """
    with open(f"/proc/self/fdinfo/{fd}", encoding="utf-8") as info:
        for line in info:
            if line.startswith("mnt_id:"):
                return int(line.split()[1])
    raise OSError(errno.ENODATA, "the kernel names no mount id", f"/proc/self/fdinfo/{fd}")


class Located(Record):
    """A place inside a root: an O_PATH descriptor and its true path as seen from the root."""

    fd: int
    path: str

    @property
    def status(self) -> os.stat_result:
        return os.fstat(self.fd)

    @property
    def magic(self) -> str:
        """A path by which the kernel finds exactly this place, whatever its name is by now."""
        return f"/proc/self/fd/{self.fd}"


class _Walk:
    """Where a walk below a root has come to: a descriptor and a name for every step."""

    def __init__(self, root: int) -> None:
        self.fds = [os.dup(root)]
        self.names: list[str] = []

    def down(self, fd: int, name: str) -> None:
        self.fds.append(fd)
        self.names.append(name)

    def up(self) -> None:
        """One step back; at the root there is none."""
        if not stat.S_ISDIR(os.fstat(self.fds[-1]).st_mode):
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if self.names:
            self.names.pop()
            os.close(self.fds.pop())

    def restart(self) -> None:
        while self.names:
            self.names.pop()
            os.close(self.fds.pop())

    def close(self) -> None:
        for fd in self.fds:
            os.close(fd)


class Root:
    """A directory that acts as `/`. Use it as a context manager; it owns its descriptors."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd = os.open(path, _DIRECTORY)
        self._open: list[int] = []

    def __enter__(self) -> Root:
        return self

    def __exit__(self, *unused: object) -> None:
        for fd in [*self._open, self.fd]:
            os.close(fd)

    def host_path(self, inside: str) -> str:
        """Spell a true inside path as the host sees it. For messages and tables, never to open."""
        return self.path if inside == "/" else self.path.rstrip("/") + inside

    def locate(self, path: str, follow: bool = True) -> Located:
        """Find a path inside the root; the descriptor stays open as long as the root does.

        Raises OSError as open(2) would for a process inside: ENOENT, ENOTDIR, ELOOP, EACCES.
        """
        if "\0" in path:
            raise OSError(errno.EINVAL, "the path holds a NUL character", path)
        walk = _Walk(self.fd)
        todo, links = components(path)[::-1], 0
        try:
            while todo:
                name = todo.pop()
                if name == "..":
                    walk.up()
                    continue
                fd = os.open(name, _LOOK, dir_fd=walk.fds[-1])
                if not stat.S_ISLNK(os.fstat(fd).st_mode) or not (todo or follow):
                    walk.down(fd, name)
                    continue
                target = os.readlink("", dir_fd=fd)
                os.close(fd)
                links += 1
                if links > MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                if target.startswith("/"):
                    walk.restart()
                todo.extend(components(target)[::-1])
            found = walk.fds.pop()
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from None
        finally:
            walk.close()
        self._open.append(found)
        return Located(found, "/" + "/".join(walk.names))

    def find(self, path: str, follow: bool = True) -> Located | None:
        """As locate(), but None where there is nothing (or nothing that could be reached)."""
        try:
            return self.locate(path, follow)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENAMETOOLONG):
                return None
            raise

    def exists(self, path: str, follow: bool = True) -> bool:
        """Tell whether there is anything, without keeping it open."""
        found = self.find(path, follow)
        if found:
            self._open.remove(found.fd)
            os.close(found.fd)
        return found is not None

    def parent(self, path: str) -> tuple[Located, str]:
        """Find the directory that holds a path, and the path's last name in it."""
        names = components(path)
        if not names or names[-1] == "..":
            raise OSError(errno.EINVAL, "the path has no last name", path)
        return self.locate("/".join(names[:-1])), names[-1]

    def read(self, path: str, limit: int) -> bytes:
        """Read a regular file inside the root, at most `limit` bytes of it.

        A device, pipe or socket raises EINVAL: opening one could block or act on the host.
        """
        place = self.locate(path)
        if not stat.S_ISREG(place.status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        with open(place.magic, "rb") as handle:
            return handle.read(limit)
