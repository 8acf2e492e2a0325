# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run one command in a jail and report it as ansible.builtin.command does."""

from __future__ import annotations

import base64
import binascii
import datetime
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.jaulas.chroot.plugins.module_utils import _session
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError
from ansible_collections.jaulas.chroot.plugins.module_utils._glob import glob
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import Root
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Plan


def _argv(params: Mapping[str, Any]) -> list[str]:
    if params["argv"]:
        return _without_nul([str(word) for word in params["argv"]])
    try:
        words = shlex.split(str(params["cmd"] or ""))
    except ValueError as error:
        raise JailError(
            f"Cannot run {params['cmd']!r}: {error}.",
            "Balance the quotes, or use argv.",
        ) from None
    if not words:
        raise JailError("Cannot run a command: neither cmd nor argv holds one.")
    return _without_nul(words)


def _without_nul(words: list[str]) -> list[str]:
    """Check what the kernel takes as strings that end with a NUL."""
    for word in words:
        if "\0" in word:
            raise JailError(f"Cannot run a command with {word!r}: it holds a NUL character.")
    return words


def _env(params: Mapping[str, Any]) -> dict[str, str]:
    env = {str(name): str(value) for name, value in (params["env"] or {}).items()}
    for name in env:
        if not name or "=" in name:
            raise JailError(f"Cannot set the variable {name!r}: that is no name.")
    _without_nul([*env, *env.values()])
    return env


def _stdin(params: Mapping[str, Any]) -> bytes:
    if params["stdin_base64"] is not None:
        try:
            return base64.b64decode(str(params["stdin_base64"]), validate=True)
        except binascii.Error as error:
            raise JailError(f"Cannot read stdin_base64: {error}.") from None
    return str(params["stdin"] or "").encode("utf-8", "surrogateescape")


def _why_not(jail: str, creates: str | None, removes: str | None) -> str:
    with Root(jail) as root:
        if creates:
            there = glob(root, creates)
            if there:
                return f"{there[0]} exists in {jail}"
        if removes and not glob(root, removes):
            return f"{removes} does not exist in {jail}"
    return ""


@dataclass
class RunInside:
    """Run a command in a session; its result is what the module returns."""

    session: _session.Session
    strip: bool = True
    result: dict[str, object] = field(default_factory=dict)

    def describe(self) -> str:
        return f"run {shlex.join(self.session.argv)} in {self.session.jail}"

    def _text(self, raw: bytes) -> str:
        text = raw.decode("utf-8", "replace")
        return text.rstrip("\r\n") if self.strip else text

    def apply(self) -> None:
        start = datetime.datetime.now()
        outcome = _session.run(self.session)
        end = datetime.datetime.now()
        self.result.update(
            rc=outcome.rc,
            stdout=self._text(outcome.stdout),
            stderr=self._text(outcome.stderr),
            start=str(start),
            end=str(end),
            delta=str(end - start),
        )
        if outcome.timed_out:
            raise JailError(
                f"Cannot finish {self.session.argv[0]} in {self.session.jail}: it was still "
                f"running after {self.session.timeout:g} s and was killed with all it had started.",
                "Raise timeout if it needs longer.",
                timed_out=True,
                changed=True,
                **self.result,
            )
        if outcome.rc != 0:
            raise JailError("non-zero return code", changed=True, **self.result)


def plan(jail: str, params: Mapping[str, Any]) -> Plan:
    """Plan one command; `creates` and `removes` decide whether there is anything to do."""
    argv = _argv(params)
    if params["timeout"] is not None and params["timeout"] <= 0:
        raise JailError(f"Cannot give {argv[0]} {params['timeout']:g} s: timeout must be positive.")
    shown = {"cmd": params["cmd"] or argv}
    reason = _why_not(jail, params["creates"], params["removes"])
    if reason:
        skipped = {"rc": 0, "stdout": f"skipped, since {reason}", "stderr": ""}
        times = dict.fromkeys(("start", "end", "delta"))
        return Plan(result={**shown, **skipped, **times}, reasons=[reason])
    operation = RunInside(
        _session.Session(
            jail=jail,
            argv=argv,
            user=str(params["user"]),
            chdir=str(params["chdir"]),
            env=_env(params),
            stdin=_stdin(params),
            timeout=params["timeout"],
            profile=str(params["profile"]),
            services=str(params["services"]),
        ),
        strip=bool(params["strip_empty_ends"]),
        result=dict(shown),
    )
    return Plan(operations=[operation], result=shown, outcome=lambda: operation.result)
