# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of a module's call: plan, then check mode or the deed, then one clear answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

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
from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record

Resolve = Callable[[Mapping[str, Any]], str]
#: What a module returns. One that failed has `failed` and `msg`; `warnings` are told apart.
Answer = dict[str, Any]
#: What there was before and after, batch by batch.
States = Sequence[tuple[State, State]]


class Call(Record):
    """A module that is called: its name, its options as its specification makes them, and how."""

    name: str
    params: Mapping[str, Any]
    check_mode: bool = False
    diff: bool = False


def on_jails(
    call: Call,
    plan: Planner,
    resolve: Resolve = lambda params: _rootfs.real_root(str(params["path"])),
    *,
    exclusive: bool = True,
    patience: float = _files.PATIENCE,
) -> Answer:
    """Work on the jail at `path`, or on each of `jails` one after the other.

    resolve checks the path and spells it as the system does. The jail is held meanwhile (patience
    is how many seconds to wait for whoever has it); check mode only reads and holds nothing.
    """
    one_by_one = _jobs.one_by_one
    return in_manner(
        call, Manner(resolve, lambda: plan, one_by_one, exclusive=exclusive, patience=patience)
    )


def in_manner(call: Call, manner: Manner) -> Answer:
    """Work on jails in a module's own manner."""
    many = call.params.get("jails") is not None
    entries = _argspec.entries(call.params)
    jobs = [Job(entry, f"{call.name} on {entry['path']}") for entry in entries]
    try:
        _rootfs.require_root_user(f"{call.name} on {len(jobs)} jails" if many else jobs[0].doing)
        if many:
            _jobs.refuse_twice(jobs, manner.resolve)
    except JailError as error:
        return _failure(str(error))
    states = _jobs.serve(jobs, manner, call.check_mode)
    return (_of_many if many else _of_one)(call, jobs, states)


def on_host(call: Call, plan: Callable[[], Plan], also_locks: Sequence[str] = ()) -> Answer:
    """As on_jails(), for what is no jail's: only the names in also_locks are held."""
    job = Job(call.params, call.name)
    try:
        _rootfs.require_root_user(job.doing)
    except JailError as error:
        return _failure(str(error))
    manner = Manner(
        lambda _params: "",
        lambda: lambda _path, _params: plan(),
        _jobs.one_by_one,
        also_locks=also_locks,
        exclusive=False,
    )
    return _of_one(call, [job], _jobs.serve([job], manner, call.check_mode))


def report(call: Call, plan: Callable[[], Plan]) -> Answer:
    """The answer of a module that only reads."""
    job = Job(call.params, call.name)
    states = _jobs.carry_out([job], lambda: lambda _path, _params: plan(), check_mode=True)
    return _of_one(call, [job], [states])


def _failure(msg: str) -> Answer:
    return {"failed": True, "msg": msg}


def _warnings(jobs: Sequence[Job]) -> Answer:
    found = [warning for job in jobs if job.plan for warning in job.plan.warnings]
    return {"warnings": found} if found else {}


def _of_one(call: Call, jobs: Sequence[Job], states: States) -> Answer:
    job = jobs[0]
    if job.error:
        return {**job.failure(), **_warnings(jobs)}
    return {**job.result, **_diff(call, states), **_warnings(jobs)}


def _of_many(call: Call, jobs: Sequence[Job], states: States) -> Answer:
    results = [job.record() for job in jobs]
    failed = [record for record in results if "failed" in record]
    answer: Answer = {
        "changed": any(record["changed"] for record in results),
        "results": results,
        **_diff(call, states),
        **_warnings(jobs),
    }
    if failed:
        names = _operations.listed([str(record["path"]) for record in failed])
        count = f"{len(failed)} of {len(jobs)} jails"
        msg = f"Cannot finish {call.name} on {names} ({count}): {failed[0]['msg']}"
        answer.update(_failure(msg))
    return answer


def _diff(call: Call, states: States) -> Answer:
    if not call.diff:
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
