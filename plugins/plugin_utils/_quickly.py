# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our modules, done on the host by utilities that are kept there, without AnsiballZ.

Ansible sends a module with all that it imports, and the host compiles it, for every task. What a
module needs is kept on the host as it is for connections into jails, and only the call is sent.
Where that cannot be, the module is sent as ever: the answer is the same.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from ansible import constants
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ansible_collections.jaulas.chroot.plugins.module_utils._argspec import paths_in
from ansible_collections.jaulas.chroot.plugins.module_utils._specs import SPECS
from ansible_collections.jaulas.chroot.plugins.plugin_utils._entry import Way

_RULES = (
    "mutually_exclusive",
    "required_together",
    "required_one_of",
    "required_if",
    "required_by",
)
#: What a shell adds to the number of the signal that has killed a program.
_MOST_EXIT = 128


def _invocation(params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
    """What Ansible shows of a module's options; an option decides since ansible-core 2.20."""
    name = "INJECT_INVOCATION"
    if constants.config.get_configuration_definition(
        name
    ) and not constants.config.get_config_value(name, variables=task_vars):
        return {}
    return {"invocation": {"module_args": params}}


class QuickAction(ActionBase):
    """A module of ours as an action; its class is named after it."""

    #: Its name without those in front.
    module = ""
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> Any:
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        answer = self._quickly(variables) if self._can_be_quick() else None
        if answer is None:
            answer = self._execute_module(
                f"jaulas.chroot.{self.module}",
                task_vars=variables,
                wrap_async=bool(self._task.async_val),
            )
        return {**result, **answer}

    def _can_be_quick(self) -> bool:
        """Tell whether nothing was asked for that only AnsiballZ can do.

        A path that the host would expand is one of these: here is another home, and another
        environment.
        """
        connection, spec = self._connection, SPECS[self.module]["argument_spec"]
        return (
            not self._task.async_val
            and not constants.DEFAULT_KEEP_REMOTE_FILES
            and connection.has_pipelining
            and connection._shell.SHELL_FAMILY == "sh"  # noqa: SLF001 - as core's actions do
            and (connection.become is None or connection.become.pipelining)
            and not any({"~", "$"} & set(path) for path in paths_in(spec, self._task.args))
        )

    def _quickly(self, task_vars: dict[str, Any]) -> dict[str, Any] | None:
        """Have the work done by what is kept on the host; None if it has not even begun."""
        spec = SPECS[self.module]
        rules = {name: spec[name] for name in _RULES if name in spec}
        validator = ModuleArgumentSpecValidator(spec["argument_spec"], **rules)
        validated = validator.validate(self._task.args)
        if validated.error_messages:
            # The module says it as every module does.
            return None
        params = validated.validated_parameters
        answer = self._ask(task_vars, params)
        if answer is None:
            return None
        for stream in ("stdout", "stderr"):
            if stream in answer:
                answer.setdefault(f"{stream}_lines", answer[stream].splitlines())
        return {**_invocation(params, task_vars), **answer}

    def _ask(self, task_vars: dict[str, Any], params: dict[str, Any]) -> dict[str, Any] | None:
        """Send a call to the host, and what it takes to serve it if that is not there yet."""
        way = Way("none", self._host_python(task_vars), f"jaulas-{secrets.token_hex(8)}")
        call = {
            "name": self.module,
            "params": params,
            "check_mode": self._task.check_mode,
            "diff": self._task.diff,
            "log": not (constants.DEFAULT_NO_TARGET_SYSLOG or self._task.no_log),
        }
        try:
            data = json.dumps(call).encode()
        except TypeError:
            # Something of Ansible's own, which it knows how to send.
            return None
        line = f"{self._compute_environment_string()} {way.serve(self.module)}".strip()
        done = self._low_level_execute_command(line, in_data=data)
        said = way.said(done["stderr"].encode())
        if said == "missing":
            install, files = way.install()
            self._low_level_execute_command(install, in_data=files)
            done = self._low_level_execute_command(line, in_data=data)
        _before, sign, answer = done["stdout"].partition(f"{way.sign}\n")
        # Whoever was killed is not started again.
        if not sign and 0 <= done["rc"] <= _MOST_EXIT:
            return None
        try:
            return dict(json.loads(answer))
        except ValueError:
            rc, words = done["rc"], (done["stderr"] or done["stdout"]).strip()
            told = f"(exit {rc}) and said: {words or 'nothing'}"
            msg = f"Cannot tell what {self.module} has done: it ended on the host {told}"
            return {"failed": True, "msg": msg, "rc": rc}

    def _host_python(self, task_vars: dict[str, Any]) -> str:
        """The Python that is set for the host, or `auto`."""
        delegated = task_vars.get("ansible_delegated_vars", {}).get(self._task.delegate_to)
        python = constants.config.get_config_value(
            "INTERPRETER_PYTHON", variables=delegated or task_vars
        )
        python = str(self._templar.template(python))
        return "auto" if python.startswith("auto") else python
