# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one place that ends a module: plan, then check mode or the deed, then one clear word."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _files,
    _rootfs,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Plan, State


def _diff(before: State, after: State) -> list[dict[str, str]]:
    return [
        {
            "before_header": part,
            "after_header": part,
            "before": before.get(part, ""),
            "after": after.get(part, ""),
        }
        for part in {**before, **after}
        if before.get(part, "") != after.get(part, "")
    ]


def run(
    module: AnsibleModule,
    resolve: Callable[[str], str],
    plan: Callable[[str], Plan],
    *,
    also_locks: Sequence[str] = (),
    exclusive: bool = True,
    patience: float = _files.PATIENCE,
) -> None:
    """Plan a module's work on the jail at `path` and end the module with it.

    resolve checks the path and spells it as the system does. The jail, and the files named in
    also_locks, are held meanwhile (patience is how many seconds to wait for whoever has them);
    check mode only reads and holds nothing.
    """
    doing = f"{_name(module)} on {module.params['path']}"

    def work(held: contextlib.ExitStack) -> dict[str, object]:
        _rootfs.require_root_user(doing)
        path = resolve(module.params["path"])
        if not module.check_mode:
            names = [path] if exclusive else []
            for name in [*names, *map(os.path.realpath, also_locks)]:
                held.enter_context(_files.lock(name, doing, patience))
        return _carry_out(module, plan(path))

    _end(module, doing, work)


def report(module: AnsibleModule, plan: Callable[[], Plan]) -> None:
    """End a module that only reads."""
    _end(module, _name(module), lambda _held: _carry_out(module, plan()))


def _name(module: AnsibleModule) -> str:
    return str(module._name).rpartition(".")[2]


def _end(
    module: AnsibleModule,
    doing: str,
    work: Callable[[contextlib.ExitStack], dict[str, object]],
) -> None:
    try:
        with contextlib.ExitStack() as held:
            result = work(held)
    except JailError as error:
        module.fail_json(msg=str(error), **error.details)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        module.fail_json(msg=f"Cannot go on with {doing}: {error.strerror or error}{where}.")
    module.exit_json(**result)


def _carry_out(module: AnsibleModule, plan: Plan) -> dict[str, object]:
    for warning in plan.warnings:
        module.warn(warning)
    result: dict[str, object] = {
        "changed": bool(plan.operations),
        "actions": [operation.describe() for operation in plan.operations],
        "reasons": plan.reasons,
        **plan.result,
    }
    after = plan.after
    if not module.check_mode:
        for operation in plan.operations:
            operation.apply()
        if plan.operations:
            after = plan.observe()
        result.update(plan.outcome())
    if module._diff:
        result["diff"] = _diff(plan.before, after)
    return result
