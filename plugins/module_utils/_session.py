# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One entry into a jail: private namespaces, its mounts, a command, nothing left behind."""

from __future__ import annotations

import errno
import os
import stat

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _arch,
    _files,
    _kernel,
    _libc,
    _process,
    _procs,
    _profiles,
    _rootfs,
    _streams,
    _users,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._blocks import suppress
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError
from ansible_collections.jaulas.chroot.plugins.module_utils._operations import (
    MakePoint,
    attach,
    leave_other_jails,
    mount_point,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import (
    Root,
    components,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._profiles import Wanted
from ansible_collections.jaulas.chroot.plugins.module_utils._record import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_POLICY = "/usr/sbin/policy-rc.d"
#: invoke-rc.d(8) and deb-systemd-invoke(1p) ask this before they touch a service; 101 forbids.
_DENY = "#!/bin/sh\nexit 101\n"
_NODES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
_OWN_DEV = Wanted("tmpfs", "/dev", "tmpfs", ("nosuid", "mode=755"))


class Session(Record):
    """What to run in a jail, and how.

    timeout is in seconds; env is added to a clean one; scratch names folders of the jail that are
    empty for the session and as they were after it. An attached command has the caller's standard
    streams; a lasting one may leave processes behind, and the session ends with the last of them.
    """

    jail: str
    argv: Sequence[str]
    user: str = "root"
    chdir: str = "/"
    env: Mapping[str, str] | None = None
    stdin: bytes = b""
    timeout: float | None = None
    profile: str = "isolated"
    services: str = "deny"
    scratch: Sequence[str] = ()
    attached: bool = False
    lasting: bool = False


def run(session: Session) -> _process.Outcome:
    """Run a command in a jail and wait until nothing of it is left, but for what may last."""
    name = f"session in {session.jail}"
    with Root(session.jail) as root:
        user = _find_user(root, session.user)
        with _files.shared(name, name, lambda: _clear_place_for_policy(root)) as hold:
            deny = session.services == "deny" and _place_for_policy(root)
            arch = _arch.ARCHITECTURES.get(_rootfs.architecture(root) or "")
            inside = _Inside(session, user, bool(arch and arch.personality32), deny)
            return _enter(session, inside, hold)


def _enter(session: Session, inside: _Inside, hold: _files.Hold) -> _process.Outcome:
    command = _streams.Command(
        argv=session.argv,
        env=_environment(session, inside.user),
        stdin=session.stdin,
        timeout=session.timeout,
        attached=session.attached,
        lasting=session.lasting,
    )

    def leave() -> None:
        # A descriptor of the jail's until now would have been in the way of whoever unmounts it.
        with Root(session.jail) as root:
            _clear_place_for_policy(root)

    def let_go(rest: int) -> None:
        # The policy lies over a file of the jail, and is gone with that.
        _process.afterwards(rest, lambda: hold.end(leave), hold.fd)
        hold.passed_on = True

    try:
        return _process.contain(command, inside.prepare, inside.enter, let_go)
    except _process.NotStarted as error:
        raise _not_started(session, error) from None


def _find_user(root: Root, request: str) -> _users.User:
    user = _users.find(
        request,
        _rootfs.read_text(root, "/etc/passwd"),
        _rootfs.read_text(root, "/etc/group"),
    )
    if user is None:
        raise JailError(
            f"Cannot enter {root.path} as {request}: the jail has no such user or group.",
            "Make it there first, or name a number.",
        )
    return user


def _environment(session: Session, user: _users.User) -> dict[str, str]:
    """A clean environment: nothing of the host's may leak in (a TMPDIR has broken packages)."""
    env = {
        "PATH": _PATH,
        "LANG": "C.UTF-8",
        "HOME": user.home,
        "USER": user.name,
        "LOGNAME": user.name,
        "SHELL": user.shell,
        "debian_chroot": os.path.basename(session.jail),
    }
    if session.services == "deny":
        env["SYSTEMD_OFFLINE"] = "1"
    return {**env, **(session.env or {})}


def _not_started(session: Session, error: _process.NotStarted) -> JailError:
    program = session.argv[0]
    hints = {
        errno.ENOENT: "Check that the jail has it, and the interpreter that it names.",
        errno.EACCES: "Check that it is executable and its file system is not noexec.",
        errno.ENOEXEC: "It is built for another architecture (see binfmt_misc), or is no program.",
    }
    return JailError(
        f"Cannot run {program} in {session.jail}: {error.msg}.",
        hints.get(error.errno, ""),
    )


def _place_for_policy(root: Root) -> bool:
    """See to it that there is a file to lay the policy over; tell whether there is one.

    One that is missing is made empty and not executable: if a crash leaves it behind, it means
    nothing to anybody and the next session clears it.
    """
    if not _rootfs.has_dpkg(root):
        return False
    try:
        folder, name = root.parent(_POLICY)
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(name, flags, 0o644, dir_fd=folder.fd))
    except FileExistsError:
        place = root.find(_POLICY, follow=False)
        return place is not None and stat.S_ISREG(place.status.st_mode)
    except OSError:
        # No such folder, or a read-only jail: no package can start a service from there.
        return False
    return True


def _clear_place_for_policy(root: Root) -> None:
    """Remove the file that a session has made, this one or one before it."""
    place = root.find(_POLICY, follow=False)
    if place is None:
        return
    status = place.status
    if stat.S_ISREG(status.st_mode) and status.st_size == 0 and not status.st_mode & 0o111:
        folder, name = root.parent(_POLICY)
        # Where it has to stay, as in a jail that is read-only by now, it means nothing to anybody.
        with suppress(OSError):
            os.unlink(name, dir_fd=folder.fd)


class _Inside:
    """The part of a session that runs in its namespaces."""

    def __init__(
        self, session: Session, user: _users.User, call_itself_32bit: bool, deny: bool
    ) -> None:
        self.session = session
        self.user = user
        self.call_itself_32bit = call_itself_32bit
        self.deny = deny

    def prepare(self) -> None:
        """As the first process: mount. Descriptors from outside belong to other mounts."""
        os.umask(0o022)
        points = _procs.mount_points()
        leave_other_jails(self.session.jail, points)
        self.root = Root(self.session.jail)
        top = self.root.path.rstrip("/")
        own = [point[len(top) :] for point in points if point.startswith(f"{top}/")]
        for wanted in session_mounts(self.session.profile, own):
            place = mount_point(self.root, wanted.dest)
            if place is None:
                MakePoint(self.session.jail, wanted.dest, True, "/dev" not in own).apply()
            attach(self.root, wanted, wanted.options.restrictions())
            if wanted is _OWN_DEV:
                _fill_dev(self.root)
        for folder in self.session.scratch:
            attach(self.root, Wanted("tmpfs", folder, "tmpfs", ("mode=1777",)), frozenset())
        # A folder of the session's own: its mount covers that of the host.
        folder = _files.run_directory()
        _kernel.mount("tmpfs", folder, "tmpfs", frozenset(("nosuid", "nodev")), "mode=555")
        if self.deny:
            self._deny_services(folder)
        _lock_away(folder)

    def _deny_services(self, folder: str) -> None:
        script = f"{folder}/policy-rc.d"
        with open(script, "w", encoding="utf-8") as handle:
            handle.write(_DENY)
        os.chmod(script, 0o755)
        place = self.root.find(_POLICY, follow=False)
        if place is not None:
            _kernel.bind(script, place.magic)

    def enter(self) -> None:
        """As the command's own process: change root, kind of machine, user and folder."""
        os.fchdir(self.root.fd)
        os.chroot(".")
        os.chdir("/")
        if self.call_itself_32bit:
            _kernel.call_itself_32bit()
        os.umask(0o022)
        os.setgroups(self.user.groups)
        os.setgid(self.user.gid)
        os.setuid(self.user.uid)
        try:
            os.chdir(self.session.chdir)
        except OSError as error:
            raise JailError(
                f"Cannot change to {self.session.chdir} in {self.session.jail}: {error.strerror}."
            ) from None


def _lock_away(folder: str) -> None:
    """Let this process, the first of the session, see nothing but the mount at a folder.

    It is process 1 to the jail, where /proc/1/root is a way to whatever its root is, and from
    there by `..` to all above: to nothing, once the mount is detached. That it is another root
    than the jail's is also how programs find out that they are in a chroot, and by its name they
    guess what manages services. Its arguments and environment are those of what entered.
    """
    _libc.forget_arguments()
    with open("/proc/self/comm", "w", encoding="utf-8") as comm:
        comm.write("init")
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    _kernel.detach(folder)
    os.fchdir(fd)
    os.chroot(".")
    os.close(fd)


def session_mounts(profile: str, own: Sequence[str]) -> list[Wanted]:
    """What a session mounts over what the jail has of its own.

    /proc is always the session's: it must show the session's PID namespace. An isolated session
    has a /dev of its own, so that a jail without device nodes can be used too.
    """
    chosen = _profiles.mount_set(profile, ())
    if profile in ("isolated", "build") and "/dev" not in own:
        chosen = [_OWN_DEV, *chosen]
    proc = next(item for item in _profiles.PROFILES["isolated"] if item.dest == "/proc")
    kept = [item for item in chosen if item.dest != "/proc" and item.dest not in own]
    mounts = [*([proc] if chosen else []), *kept]
    return sorted(mounts, key=lambda item: len(components(item.dest)))


def _fill_dev(root: Root) -> None:
    """Put into an empty /dev what every program expects there."""
    folder = root.locate("/dev")
    for name in _NODES:
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666, dir_fd=folder.fd))
        _kernel.bind(f"/dev/{name}", f"{folder.magic}/{name}")
    for name, target in _LINKS.items():
        os.symlink(target, name, dir_fd=folder.fd)
    for name in ("pts", "shm"):
        os.mkdir(name, 0o755, dir_fd=folder.fd)
