# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the fault tests call modules: by Ansible, in processes that can be watched and killed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fault_tools import Seen, descendants, eventually, mount_table, processes

#: Many times what a bootstrap takes on a machine that does nothing else.
SECONDS = 600.0


class Run:
    """One call of a module by `ansible`, in a session of its own."""

    def __init__(
        self,
        folder: Path,
        module: str,
        args: dict[str, Any],
        options: list[str],
        program: str = "ansible",
    ) -> None:
        self.module = module
        self.output = folder / f"output-{os.urandom(4).hex()}"
        env = {
            **os.environ,
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCAL_TEMP": str(folder / "local"),
            "ANSIBLE_REMOTE_TEMP": str(folder / "remote"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        }
        argv = [sys.executable, os.path.join(os.path.dirname(sys.executable), program)]
        argv += ["-c", "local"]
        if module:
            argv += ["localhost", "-m", f"jaulas.chroot.{module}", "-a", json.dumps(args)]
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [*argv, *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                start_new_session=True,
            )

    def members(self) -> list[Seen]:
        """Its processes, as long as `ansible` itself is there to be the root of them."""
        return [*filter(None, [processes().get(self.process.pid)]), *descendants(self.process.pid)]

    def victims(self, kind: str, engine: str = "") -> list[int]:
        """The processes of a kind: the module, the engine, or Ansible's own (parents first)."""
        found = self.members()
        if kind == "ansible":
            return [item.pid for item in found if item.runs("ansible")]
        if kind == "engine":
            pids = [item.pid for item in found if item.runs(engine)]
        else:
            # Its forks are called the same; the shell that becomes it is no longer there.
            script = f"AnsiballZ_{self.module}.py"
            pids = [item.pid for item in found if script in item.words and not item.runs("sh")]
        return pids[:1]

    def kill(self, kind: str, engine: str = "") -> None:
        """Send SIGKILL to the processes of a kind."""
        pids = self.victims(kind, engine)
        assert pids, f"no {kind} to kill; the run said: {self.text()}"
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill_when(self, reached: Callable[[], object], what: str) -> None:
        """Kill the module at a moment that passes quickly."""
        victim = eventually(lambda: self.victims("module"), "the module")[0]
        eventually(reached, what, pause=0.0)
        # It may have come to its end meanwhile.
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        self.process.wait(60)

    def text(self) -> str:
        return self.output.read_text("utf-8", "replace")

    def ended(self) -> bool:
        return self.process.poll() is not None

    def wait(self, seconds: float) -> None:
        """Wait for the end, which has to come in time."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            for item in self.members():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(item.pid, signal.SIGKILL)
            raise AssertionError(f"{self.module} hangs; it said: {self.text()}") from None

    def result(self, seconds: float = SECONDS) -> dict[str, Any]:
        """Wait for the end; what the module returned, and `failed`."""
        self.wait(seconds)
        text = self.text()
        start = re.search(r"^localhost \| (\S+) => \{", text, re.MULTILINE)
        assert start, f"{self.module} gave no result: {text}"
        found: dict[str, Any] = json.JSONDecoder().raw_decode(text, start.end() - 1)[0]
        assert "Traceback" not in text, text
        return {**found, "failed": start[1] not in ("SUCCESS", "CHANGED")}


class Host:
    """The machine that the tests run on: a scratch folder, and what must not be left of a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ansible = folder / "ansible"
        self.ansible.mkdir()
        self.services: set[int] = set()

    def start(self, module: str, options: list[str] | None = None, **args: Any) -> Run:
        """Start a module and go on."""
        return Run(self.ansible, module, args, options or [])

    def call(self, module: str, seconds: float = SECONDS, **args: Any) -> dict[str, Any]:
        """Run a module to its end, whatever that is."""
        return self.start(module, **args).result(seconds)

    def done(self, module: str, seconds: float = SECONDS, **args: Any) -> dict[str, Any]:
        """Run a module that must succeed."""
        found = self.call(module, seconds, **args)
        assert not found["failed"], found
        return found

    def refused(self, module: str, seconds: float = SECONDS, **args: Any) -> str:
        """Run a module that must fail; its sentence."""
        found = self.call(module, seconds, **args)
        assert found["failed"], found
        return clear(found)

    def strays(self) -> list[Seen]:
        """Processes that descend from the tests, but for the tests' own services."""
        found = []
        for item in descendants(os.getpid()):
            if item.pid in self.services or item.parent in self.services:
                continue
            if item.state == "Z":
                # An orphan of ours has ended; nobody else can bury it.
                with contextlib.suppress(ChildProcessError):
                    if item.parent == os.getpid():
                        os.waitpid(item.pid, os.WNOHANG)
                continue
            found.append(item)
        return found

    def settle(self, before: list[str]) -> None:
        """Wait until no process of any run is left and the mount table is what it was."""
        eventually(lambda: not self.strays(), "the end of all processes")
        now = Counter(mount_table())
        assert now == Counter(before), (now - Counter(before), Counter(before) - now)

    @contextlib.contextmanager
    def service(self, argv: list[str]) -> Iterator[subprocess.Popen[bytes]]:
        """A program of the tests that runs while the block does."""
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True) as process:
            self.services.add(process.pid)
            try:
                yield process
            finally:
                process.kill()
                process.wait()
                self.services.discard(process.pid)

    def play(self, tasks: list[tuple[str, dict[str, Any]]], seconds: float) -> list[dict[str, Any]]:
        """Run tasks in one play, each whatever became of the one before; their results."""
        names = [f"result_{number}" for number in range(len(tasks))]
        out, book = self.ansible / "results.json", self.ansible / "play.json"
        steps: list[dict[str, Any]] = [
            {f"jaulas.chroot.{module}": args, "register": name, "ignore_errors": True}
            for name, (module, args) in zip(names, tasks)
        ]
        content = "{{ [" + ", ".join(names) + "] | to_json }}"
        steps.append({"ansible.builtin.copy": {"dest": str(out), "content": content}})
        play = {"hosts": "localhost", "gather_facts": False, "tasks": steps}
        book.write_text(json.dumps([play]))
        out.unlink(missing_ok=True)
        run = Run(self.ansible, "", {}, [str(book)], "ansible-playbook")
        run.wait(seconds)
        text = run.text()
        assert out.is_file(), text
        assert "Traceback" not in text, text
        found: list[dict[str, Any]] = json.loads(out.read_text())
        for task, item in zip(tasks, found):
            assert "msg" not in item or "MODULE FAILURE" not in item["msg"], (task, item)
        return found


def clear(found: dict[str, Any]) -> str:
    """Check that a failure is told in the collection's words, and return them."""
    sentence = str(found["msg"])
    assert re.match(r"Cannot [^\n]+\.", sentence), sentence
    return sentence
