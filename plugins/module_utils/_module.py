# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one place that ends a module: plan, then check mode or the deed, then one clear word."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _argspec,
    _files,
    _jobs,
    _operations,
    _rootfs,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError
from ansible_collections.jaulas.chroot.plugins.module_utils._jobs import Job, Manner, Planner
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Plan, State

Resolve = Callable[[Mapping[str, Any]], str]
#: What there was before and after, batch by batch.
States = Sequence[tuple[State, State]]


def run(
    module: AnsibleModule,
    plan: Planner,
    resolve: Resolve = lambda params: _rootfs.real_root(str(params["path"])),
    *,
    exclusive: bool = True,
    patience: float = _files.PATIENCE,
) -> None:
    """Do a module's work on the jail at `path`, or on each of `jails` one after the other.

    resolve checks the path and spells it as the system does. The jail is held meanwhile (patience
    is how many seconds to wait for whoever has it); check mode only reads and holds nothing.
    """
    one_by_one = _jobs.one_by_one
    run_in(
        module, Manner(resolve, lambda: plan, one_by_one, exclusive=exclusive, patience=patience)
    )


def run_in(module: AnsibleModule, manner: Manner) -> None:
    """Do a module's work in its own manner, and end the module."""
    name, many = _name(module), module.params.get("jails") is not None
    jobs = [Job(entry, f"{name} on {entry['path']}") for entry in _argspec.entries(module.params)]
    try:
        _rootfs.require_root_user(f"{name} on {len(jobs)} jails" if many else jobs[0].doing)
        if many:
            _jobs.refuse_twice(jobs, manner.resolve)
    except JailError as error:
        module.fail_json(msg=str(error))
    states = _jobs.serve(jobs, manner, module.check_mode)
    for job in jobs:
        for warning in job.plan.warnings if job.plan else []:
            module.warn(warning)
    if many:
        _end_many(module, jobs, states)
    _end_one(module, jobs[0], states)


def run_on_host(
    module: AnsibleModule, plan: Callable[[], Plan], also_locks: Sequence[str] = ()
) -> None:
    """As run(), for what is no jail's: only the names in also_locks are held."""
    job = Job(module.params, _name(module))
    try:
        _rootfs.require_root_user(job.doing)
    except JailError as error:
        module.fail_json(msg=str(error))
    manner = Manner(
        lambda _params: "",
        lambda: lambda _path, _params: plan(),
        _jobs.one_by_one,
        also_locks=also_locks,
        exclusive=False,
    )
    _end_one(module, job, _jobs.serve([job], manner, module.check_mode))


def report(module: AnsibleModule, plan: Callable[[], Plan]) -> None:
    """End a module that only reads."""
    job = Job(module.params, _name(module))
    states = _jobs.carry_out([job], lambda: lambda _path, _params: plan(), check_mode=True)
    _end_one(module, job, [states])


def _end_one(module: AnsibleModule, job: Job, states: States) -> None:
    if job.error:
        module.fail_json(**job.complaint())
    module.exit_json(**job.result, **_diff(module, states))


def _end_many(module: AnsibleModule, jobs: Sequence[Job], states: States) -> None:
    results = [job.record() for job in jobs]
    failed = [record for record in results if "failed" in record]
    result = {
        "changed": any(record["changed"] for record in results),
        "results": results,
        **_diff(module, states),
    }
    if failed:
        names = _operations.listed([str(record["path"]) for record in failed])
        count = f"{len(failed)} of {len(jobs)} jails"
        module.fail_json(
            msg=f"Cannot finish {_name(module)} on {names} ({count}): {failed[0]['msg']}",
            **result,
        )
    module.exit_json(**result)


def _name(module: AnsibleModule) -> str:
    return str(module._name).rpartition(".")[2]


def _diff(module: AnsibleModule, states: States) -> dict[str, object]:
    if not module._diff:
        return {}
    parts = [
        {
            "before_header": part,
            "after_header": part,
            "before": before.get(part, ""),
            "after": after.get(part, ""),
        }
        for before, after in states
        for part in {**before, **after}
        if before.get(part, "") != after.get(part, "")
    ]
    return {"diff": parts}
