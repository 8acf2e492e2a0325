# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What turns one of ansible-core's connections to a host into one to a jail on that host."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
import secrets
import shlex
import signal
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display

from ansible_collections.jaulas.chroot.plugins.module_utils import _libc
from ansible_collections.jaulas.chroot.plugins.plugin_utils._entry import Way

display = Display()

#: What is held in memory of a file on its way. Core's ssh takes time by the square of the second.
_PUT_CHUNK = 64 << 20
_FETCH_CHUNK = 8 << 20
#: What travels with the command that follows it is held that long.
_PARCEL = 1 << 20
#: A command in a terminal does not hear that nobody listens any more. And what keeps
#: pipelining from being core's default, a sudo that insists on a terminal, is of no concern here.
_DEFAULTS = {"use_tty": False, "pipelining": True}
_NO_PYTHON = re.compile(rb"python[0-9.]*: (?:inaccessible or )?(?:not found|No such file)")


def _end_with_ansible() -> None:
    """Have this worker of Ansible's end when Ansible itself does, even if that is killed.

    Core's worker ends its clients together with itself when it is terminated, and a command in a
    jail ends when nobody listens to it any more. Otherwise both would go on to their own end.
    """
    ansible = multiprocessing.parent_process()
    if ansible is None or sys.platform != "linux":
        return
    _libc.die_with_parent(signal.SIGTERM)
    if os.getppid() != ansible.pid:
        os.kill(os.getpid(), signal.SIGTERM)


class _Parcel(NamedTuple):
    """A file that was put and is not written yet: the next command takes it along."""

    what: str
    content: bytes
    command: str


class Inside(ConnectionBase):
    """A mixin in front of a connection plugin of ansible-core.

    Every command is wrapped so that it runs in a session in the jail, and files travel through
    the standard streams of such commands: nothing on the host ever joins a path of the jail's.
    Everything else is left to core's plugin.
    """

    #: Who we are once we are inside; nobody asks the jail for the user of the login on the host.
    default_user = "root"
    _lasting = False
    _on_host = False
    _way: Way | None = None
    _parcel: _Parcel | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.default_user = "root"

    @property
    def _jail(self) -> str:
        return str(self.get_option("jail_path"))

    def get_option(self, option: str, hostvars: dict[str, Any] | None = None) -> Any:
        """As core's, with other defaults (_DEFAULTS).

        And the remote user is the jail's for all but core's own plugin.
        """
        if option == "remote_user" and not self._on_host:
            return self.default_user
        if option in _DEFAULTS and self.get_option_and_origin(option, hostvars)[1] == "default":
            return _DEFAULTS[option]
        return super().get_option(option, hostvars)

    @contextlib.contextmanager
    def _as_the_login(self) -> Iterator[None]:
        self._on_host = True
        try:
            yield
        finally:
            self._on_host = False

    @contextlib.contextmanager
    def _untold(self) -> Iterator[None]:
        """Let core not print what is read: it is somebody's file, and large."""
        before = self._play_context.no_log
        self._play_context.no_log = True
        try:
            yield
        finally:
            self._play_context.no_log = before

    def is_pipelining_enabled(self, wrap_async: bool = False) -> bool:
        """As core's. It is how we hear that the task's module goes on in the background."""
        self._lasting = self._lasting or wrap_async
        return bool(super().is_pipelining_enabled(wrap_async))

    def reset(self) -> None:
        self._deliver()
        with self._as_the_login():
            super().reset()

    def close(self) -> None:
        self._deliver()
        super().close()

    def exec_command(
        self, cmd: str, in_data: bytes | None = None, sudoable: bool = True
    ) -> tuple[int, bytes, bytes]:
        """Run a command in the jail."""
        parcel = self._parcel
        if parcel is None or in_data or (sudoable and self.become):
            self._deliver()
            return self._enter(cmd, in_data, sudoable)
        if self._makes_executable(cmd):
            self._parcel = parcel._replace(command=f"{parcel.command} && {cmd}")
            return 0, b"", b""
        self._parcel = None
        # A word of its own: the jail gets to read this one.
        lost = secrets.token_hex(8)
        line = f"{parcel.command} || {{ echo {lost} >&2; exit 1; }}\n{cmd}"
        rc, out, err = self._enter(line, parcel.content, sudoable)
        words, sign, _rest = err.partition(lost.encode())
        if sign:
            raise self._not_done(parcel.what, words)
        return rc, out, err

    def _enter(self, cmd: str, in_data: bytes | None, sudoable: bool) -> tuple[int, bytes, bytes]:
        """Run a command in a session."""
        _end_with_ansible()
        # Options may have been set anew since the last command: for another task, or item.
        self._way = way = Way(
            escalation=str(self.get_option("jail_escalation")),
            python=str(self.get_option("jail_host_python")),
            sign=self._way.sign if self._way else f"jaulas-{secrets.token_hex(8)}",
        )
        line = way.enter(
            self._jail,
            cmd,
            str(self.get_option("jail_profile")),
            str(self.get_option("jail_services")),
            self._lasting,
        )
        rc, out, err = self._on_the_host(line, in_data, sudoable)
        said = way.said(err, out)
        if said == "missing":
            self._install(way)
            rc, out, err = self._on_the_host(line, in_data, sudoable)
            said = way.said(err, out)
        if said is not None:
            raise AnsibleConnectionFailure(f"Cannot enter {self._jail}: {said}")
        if rc == 1:
            self._require_root(way, err + out)
        if rc == 127 and (in_data or "AnsiballZ_" in cmd) and _NO_PYTHON.search(err + out):
            raise AnsibleError(
                f"Cannot run a module in {self._jail}: the jail has no Python at the path of "
                "ansible_python_interpreter. Set jail_python: true for the role "
                "jaulas.chroot.jail, or do with ansible.builtin.raw or jaulas.chroot.chroot_exec."
            )
        return rc, out, err

    def _on_the_host(
        self, line: str, in_data: bytes | None, sudoable: bool
    ) -> tuple[int, bytes, bytes]:
        """Run a command line on the host, by core's plugin."""
        way = self._way
        try:
            with self._as_the_login():
                rc, out, err = super().exec_command(line, in_data=in_data, sudoable=sudoable)
        except AnsibleConnectionFailure:
            raise
        except AnsibleError as error:
            # Core waits for a sign that become has succeeded; an entry that failed gives none.
            if way is None or way.said(str(error).encode()) is None:
                raise
            return 1, b"", str(error).encode()
        return rc, out, err

    def _install(self, way: Way) -> None:
        """Put our library on the host."""
        line, files = way.install()
        display.vvv(f"INSTALL what enters {self._jail}", host=self._play_context.remote_addr)
        rc, out, err = self._on_the_host(line, files, sudoable=False)
        if rc != 0:
            words = (err or out).decode("utf-8", "replace").strip()
            raise AnsibleConnectionFailure(
                f"Cannot prepare the host to enter {self._jail}: {words}"
            )

    def _require_root(self, way: Way, output: bytes) -> None:
        """Find out whether a command failed or the escalation before it, which say the same."""
        if not re.match(rb"\s*(sudo|doas): ", output):
            return
        rc, out, err = self._on_the_host(way.become(), None, sudoable=False)
        if rc != 0:
            words = (err or out).decode("utf-8", "replace").strip()
            raise AnsibleConnectionFailure(
                f"Cannot enter {self._jail}: the login is not root on the host and cannot become "
                f"root without a password ({words}). Allow it, or set ansible_jail_escalation."
            )

    def _not_done(self, what: str, err: bytes) -> AnsibleError:
        words = err.decode("utf-8", "replace").strip()
        return AnsibleError(f"Cannot {what} the jail {self._jail}: {words}")

    def _transfer(self, command: str, in_data: bytes | None, what: str) -> bytes:
        rc, out, err = self.exec_command(command, in_data=in_data, sudoable=False)
        if rc != 0:
            raise self._not_done(what, err)
        return out

    def _deliver(self) -> None:
        """Write the file that waits for a command, if there is one."""
        parcel, self._parcel = self._parcel, None
        if parcel is not None:
            self._transfer(parcel.command, parcel.content, parcel.what)

    def _is_temporary(self, path: str) -> bool:
        """Tell whether a path lies in Ansible's own folder for this task."""
        folder = (self._shell.tmpdir or "").rstrip("/")
        return bool(folder) and path.startswith(f"{folder}/")

    def _makes_executable(self, cmd: str) -> bool:
        """Tell whether a command only lets the task's own temporary files be executed."""
        if "chmod u+x " not in cmd:
            return False
        words = shlex.split(shlex.split(cmd)[-1])
        if words[-3:] == ["&&", "sleep", "0"]:
            del words[-3:]
        return words[:2] == ["chmod", "u+x"] and all(map(self._is_temporary, words[2:]))

    def put_file(self, in_path: str, out_path: str) -> None:
        """Write a file of the controller's to a path in the jail.

        A small one for the task's own temporary folder is nothing to anybody but a command that
        comes later, and so it travels with that, and with it that it may be executed.
        """
        display.vvv(f"PUT {in_path} TO {out_path}", host=self._play_context.remote_addr)
        if not os.path.exists(in_path):
            raise AnsibleFileNotFound(f"file or module does not exist: {in_path}")
        what = f"put {in_path} to {out_path} in"
        target = shlex.quote(out_path)
        with open(in_path, "rb") as file:
            chunk = file.read(_PUT_CHUNK)
            # Without data there would be a terminal to read from.
            command = f"cat > {target}" if chunk else f"true > {target}"
            if len(chunk) <= _PARCEL and self._is_temporary(out_path):
                self._deliver()
                self._parcel = _Parcel(what, chunk, command)
                return
            self._transfer(command, chunk, what)
            while chunk := file.read(_PUT_CHUNK):
                self._transfer(f"cat >> {target}", chunk, what)

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Write a file of the jail's to a path of the controller's."""
        display.vvv(f"FETCH {in_path} TO {out_path}", host=self._play_context.remote_addr)
        what = f"fetch {in_path} to {out_path} from"
        source = shlex.quote(in_path)
        with open(out_path, "wb") as file:
            while True:
                done = file.tell() // _FETCH_CHUNK
                command = f"dd if={source} bs={_FETCH_CHUNK} skip={done} count=1"
                with self._untold():
                    chunk = self._transfer(command, None, what)
                file.write(chunk)
                if len(chunk) < _FETCH_CHUNK:
                    return
