# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machine that is measured: its disks and caches, and Ansible on it.

All of it is in a private mount namespace, with an /etc of its own: scripts/test.d/bench sees to
that.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from .measure import Failed, Samples, run

PYTHON = "/usr/bin/python3"
#: Where the collection keeps what it uses again: packages, base images.
KEPT = (Path("/var/cache/jaulas.chroot"), Path("/var/lib/jaulas.chroot"))
#: A task, a play, a module's arguments: JSON.
Json = dict[str, Any]


class World:
    """A scratch folder, and what is found or made below it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made = 0
        self.kept: Path | None = None
        self.archive = {
            "suite": "trixie",
            "mirror": os.environ["ARCHIVE_URL"],
            "keyring": os.environ["ARCHIVE_KEYRING"],
        }

    def new(self, name: str) -> Path:
        """A new folder."""
        self.made += 1
        path = self.folder / f"{name}-{self.made}"
        path.mkdir(parents=True)
        return path

    def write(self, name: str, content: object) -> Path:
        """A new file with JSON, which is also YAML."""
        path = self.new("file") / name
        path.write_text(json.dumps(content))
        return path

    @contextmanager
    def disk(self, kind: str) -> Iterator[Path]:
        """A file system in a file."""
        image, point = self.folder / f"{kind}.disk", self.new(kind)
        with open(image, "wb") as file:
            file.truncate(8 << 30)
        run(f"mkfs.{kind}", "-q", image)
        run("mount", "-o", "loop", image, point)
        try:
            yield point
        finally:
            run("umount", "--recursive", point)
            image.unlink()

    # What the collection keeps

    def keep_in(self, folder: Path) -> None:
        """Let a folder be the place of what is kept, and not this machine's own."""
        if folder == self.kept:
            return
        self.keep_nothing()
        for place in KEPT:
            source = folder / place.parent.name
            source.mkdir(parents=True, exist_ok=True)
            place.mkdir(exist_ok=True)
            run("mount", "--bind", source, place)
        self.kept = folder

    def keep_nothing(self) -> None:
        """Let the machine be as it was."""
        if self.kept is None:
            return
        self.kept = None
        for place in KEPT:
            run("umount", place)
            # Whoever has something there keeps it.
            with suppress(OSError):
                place.rmdir()

    # Ansible

    def ansible(self, program: str, *argv: str | Path, **env: str) -> str:
        """Run a program of Ansible's on this machine."""
        plain = {
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_DEPRECATION_WARNINGS": "0",
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
            "ANSIBLE_PYTHON_INTERPRETER": PYTHON,
        }
        return run(program, *argv, env={**plain, **env})

    def tasks(self, tasks: list[Json]) -> Samples:
        """Run tasks on this machine; how long each took as the controller sees it, by its name."""
        # What fails is told among the results, like the rest.
        wanted = [{**task, "ignore_errors": True} for task in tasks]
        play = {"hosts": "localhost", "gather_facts": False, "connection": "local", "tasks": wanted}
        said = self.ansible(
            "ansible-playbook",
            self.write("play.json", [play]),
            ANSIBLE_STDOUT_CALLBACK="ansible.posix.json",
        )
        found = defaultdict(list)
        for item in json.loads(said[said.index("{") :])["plays"][0]["tasks"]:
            task, result = item["task"], item["hosts"]["localhost"]
            if result.get("failed"):
                raise Failed(f"{task['name']}: {result.get('msg')}")
            start, end = (
                datetime.fromisoformat(task["duration"][edge].rstrip("Z"))
                for edge in ("start", "end")
            )
            found[task["name"]].append((end - start).total_seconds())
        return found


class OnHost:
    """A call of a module as it reaches a host: what Ansible runs there, and what it feeds to it."""

    def __init__(self, module: str, **args: Any) -> None:
        # Only where Ansible is, which is not where the report is written.
        from ansible.module_utils.common.arg_spec import (  # noqa: PLC0415
            ArgumentSpecValidator,
        )

        from ansible_collections.jaulas.chroot.plugins.module_utils._specs import (  # noqa: PLC0415
            SPECS,
        )
        from ansible_collections.jaulas.chroot.plugins.plugin_utils._entry import (  # noqa: PLC0415
            Way,
        )

        spec = SPECS[module]["argument_spec"]
        params = ArgumentSpecValidator(spec).validate(args).validated_parameters
        call = {"name": module, "params": params, "check_mode": False, "diff": False, "log": False}
        self.data = json.dumps(call).encode()
        self.module = module
        self.way = Way("none", PYTHON, "sign-of-a-benchmark")

    def _ask(self) -> subprocess.CompletedProcess[bytes]:
        line = self.way.serve(self.module)
        return subprocess.run(
            ["/bin/sh", "-c", line], input=self.data, capture_output=True, check=False
        )

    def run(self) -> Json:
        """Do it; what the module returned."""
        done = self._ask()
        if self.way.said(done.stderr) == "missing":
            install, files = self.way.install()
            subprocess.run(["/bin/sh", "-c", install], input=files, check=True)
            done = self._ask()
        said = done.stdout.decode().partition(f"{self.way.sign}\n")[2]
        try:
            result: Json = json.loads(said)
        except ValueError:
            raise Failed(f"it said: {(done.stdout + done.stderr).decode().strip()}") from None
        if result.get("failed"):
            raise Failed(str(result.get("msg")))
        return result


def facts(versions: Mapping[str, str]) -> dict[str, str]:
    """What the figures depend on."""
    model = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    kind = run("findmnt", "--noheadings", "--output=FSTYPE", "--target", os.environ["JAILS_ROOT"])
    return {
        "processors": f"{os.cpu_count()} x {model[0].partition(':')[2].strip() if model else '?'}",
        "memory": f"{memory:.0f} GiB",
        "kernel": os.uname().release,
        "file system": kind.strip(),
        **versions,
    }
