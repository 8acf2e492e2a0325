# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The jails of one call: each is held, planned and changed, and fails, for itself."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from ansible_collections.jaulas.chroot.plugins.module_utils import _files
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError, Refused
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Plan, Shared, State

Params = Mapping[str, Any]
Planner = Callable[[str, Params], Plan]
Step = TypeVar("Step")


@dataclass
class Job:
    """One jail's part of a call, and what became of it."""

    params: Params
    doing: str
    path: str = ""
    plan: Plan | None = None
    done: list[str] = field(default_factory=list)
    result: dict[str, object] = field(default_factory=dict)
    error: JailError | OSError | None = None

    def record(self) -> dict[str, object]:
        """What the result of a call for many jails tells of this one."""
        told = self.failure() if self.error else self.result
        return {**told, "path": self.path or self.params["path"]}

    def failure(self) -> dict[str, object]:
        """What went wrong, and what had been done before, as a module returns it."""
        actions = {"actions": self.done} if self.done else {}
        return {"failed": True, "changed": bool(self.done), **actions, **self._complaint()}

    def _complaint(self) -> dict[str, object]:
        if isinstance(self.error, JailError):
            return {"msg": str(self.error), **self.error.details}
        if self.error is None:
            return {}
        where = f" ({self.error.filename})" if self.error.filename else ""
        reason = self.error.strerror or self.error
        return {"msg": f"Cannot go on with {self.doing}: {reason}{where}."}


@dataclass
class Manner:
    """How a module works on its jails.

    resolve checks a jail's options and spells its path as the system does. survey looks at what
    jails have in common and returns what plans one of them; batches tells which are planned upon
    one look. A jail is held meanwhile if exclusive, and so are the files named in also_locks;
    patience is how many seconds to wait for whoever has them.
    """

    resolve: Callable[[Params], str]
    survey: Callable[[], Planner]
    batches: Callable[[Sequence[Job]], Iterable[Sequence[Job]]]
    also_locks: Sequence[str] = ()
    exclusive: bool = True
    patience: float = _files.PATIENCE


def one_by_one(jobs: Sequence[Job]) -> Iterator[Sequence[Job]]:
    """Finish one jail before the next is looked at."""
    for job in jobs:
        yield [job]


def attempt(jobs: Iterable[Job], step: Callable[[], Step]) -> Step | None:
    """Do something for some jails; what goes wrong has gone wrong for all of them."""
    try:
        return step()
    except (JailError, OSError) as error:
        for job in jobs:
            job.error = job.error or error
    return None


def _good(jobs: Iterable[Job]) -> list[Job]:
    return [job for job in jobs if job.error is None]


def refuse_twice(jobs: Iterable[Job], resolve: Callable[[Params], str]) -> None:
    """Refuse a jail that is named twice: what it should be would depend on the order."""
    seen: dict[str, str] = {}
    for job in jobs:
        try:
            path = resolve(job.params)
        except (JailError, OSError):
            # It fails when its turn comes, and stops no other.
            continue
        named = str(job.params["path"])
        if path in seen:
            raise Refused(
                f"Cannot start {job.doing}: `jails` names that jail twice, as {seen[path]} and as "
                f"{named}.",
                "Put what it should be into one entry.",
            )
        seen[path] = named


def serve(jobs: Sequence[Job], manner: Manner, check_mode: bool) -> list[tuple[State, State]]:
    """Work on jails, batch by batch; returns the states before and after, for each batch.

    Check mode only reads, and holds nothing.
    """
    states = []
    for job in jobs:
        job.path = attempt([job], partial(manner.resolve, job.params)) or ""
    for batch in manner.batches(_good(jobs)):
        with contextlib.ExitStack() as held:
            if not check_mode:
                _hold(batch, manner, held)
            states.append(carry_out(_good(batch), manner.survey, check_mode))
    return states


def _hold(batch: Sequence[Job], manner: Manner, held: contextlib.ExitStack) -> None:
    """Hold the jails and then the files, always in one order: two runs cannot block each other."""

    def hold(jobs: Sequence[Job], name: str) -> None:
        doing = jobs[0].doing
        attempt(jobs, lambda: held.enter_context(_files.lock(name, doing, manner.patience)))

    for job in sorted(batch, key=lambda job: job.path) if manner.exclusive else []:
        hold([job], job.path)
    for name in sorted(map(os.path.realpath, manner.also_locks)):
        if _good(batch):
            hold(_good(batch), name)


def carry_out(
    jobs: Sequence[Job], survey: Callable[[], Planner], check_mode: bool
) -> tuple[State, State]:
    """Plan jails upon one look at what they have in common, and apply the plans."""
    planner = attempt(jobs, survey)
    for job in jobs:
        if planner and not job.error:
            job.plan = attempt([job], partial(planner, job.path, job.params))
    planned = [(job, job.plan) for job in jobs if job.plan]
    if not check_mode:
        _apply(planned)
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    for job, plan in planned:
        # Of what jails share, the first saw it as it was and the last sees it as it will be.
        before.update({part: text for part, text in plan.before.items() if part not in before})
        real = not check_mode and plan.operations
        after.update((attempt([job], plan.observe) if real else None) or plan.after)
        job.result = {
            "changed": bool(plan.operations),
            "actions": [operation.describe() for operation in plan.operations],
            "reasons": plan.reasons,
            **plan.result,
        }
        if not (check_mode or job.error):
            job.result.update(attempt([job], plan.outcome) or {})
    return before, after


def _apply(planned: Sequence[tuple[Job, Plan]]) -> None:
    """Apply plans. A shared operation is done once, when all that have it have come that far."""
    todo = [(job, list(plan.operations)) for job, plan in planned]

    def go_on() -> None:
        for job, operations in todo:
            while operations and not job.error and not isinstance(operations[0], Shared):
                operation = operations.pop(0)
                attempt([job], operation.apply)
                if not job.error:
                    job.done.append(operation.describe())

    go_on()
    waiting: dict[int, tuple[Shared, list[Job]]] = {}
    for job, operations in todo:
        shared = operations.pop(0) if operations and not job.error else None
        if isinstance(shared, Shared):
            waiting.setdefault(id(shared), (shared, []))[1].append(job)
    for shared, jobs in waiting.values():
        attempt(jobs, partial(shared.apply_for, [job.path for job in jobs]))
        for job in _good(jobs):
            job.done.append(shared.describe())
    go_on()
