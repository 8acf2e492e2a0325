# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jaulas.chroot.plugins.module_utils import _files, _jobs
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import Busy, JailError
from ansible_collections.jaulas.chroot.plugins.module_utils._jobs import Job, Manner
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Plan, Shared


class Note:
    """An operation that only tells that it was applied."""

    def __init__(self, deeds: list[str], name: str, fails: bool = False) -> None:
        self.deeds, self.name, self.fails = deeds, name, fails

    def describe(self) -> str:
        return self.name

    def apply(self) -> None:
        if self.fails:
            raise JailError(f"Cannot {self.name}.")
        self.deeds.append(self.name)


class Together(Shared):
    def __init__(self, deeds: list[str], fails: bool = False) -> None:
        self.deeds, self.fails = deeds, fails

    def describe(self) -> str:
        return "together"

    def apply_for(self, jails: Any) -> None:
        if self.fails:
            raise OSError(28, "No space left on device", "/etc/fstab")
        self.deeds.append(f"together {' '.join(jails)}")


def resolve(params: Mapping[str, Any]) -> str:
    return str(params["path"])


def jobs(*names: str) -> list[Job]:
    return [Job({"path": name}, f"try {name}") for name in names]


def serve(work: list[Job], plans: dict[str, Plan], **manner: Any) -> None:
    chosen = {"batches": lambda jobs: [jobs], "exclusive": False, **manner}
    _jobs.serve(work, Manner(resolve, lambda: lambda path, _: plans[path], **chosen), False)


def test_a_shared_operation_waits_for_all_that_get_so_far() -> None:
    deeds: list[str] = []
    shared = Together(deeds)
    work = jobs("a", "b", "c", "d")
    plans = {
        "a": Plan([Note(deeds, "a1"), shared, Note(deeds, "a2")]),
        "b": Plan([Note(deeds, "b1", fails=True), shared, Note(deeds, "b2")]),
        "c": Plan([Note(deeds, "c1")]),
        "d": Plan([shared, Note(deeds, "d2")]),
    }
    serve(work, plans)
    assert deeds == ["a1", "c1", "together a d", "a2", "d2"]
    assert [job.failure()["msg"] for job in work if job.error] == ["Cannot b1."]


def test_what_was_done_before_something_failed_is_told() -> None:
    deeds: list[str] = []
    work = jobs("a", "b")
    last = Note(deeds, "last", fails=True)
    serve(work, {"a": Plan([Note(deeds, "first"), last]), "b": Plan([last])})
    assert (work[0].failure()["changed"], work[0].failure()["actions"]) == (True, ["first"])
    assert work[1].failure()["changed"] is False
    assert "actions" not in work[1].failure()


def test_a_shared_operation_that_fails_fails_for_all_that_have_it() -> None:
    deeds: list[str] = []
    shared = Together(deeds, fails=True)
    work = jobs("a", "b")
    plans = {"a": Plan([shared, Note(deeds, "a2")]), "b": Plan([Note(deeds, "b1")])}
    serve(work, plans)
    assert deeds == ["b1"]
    assert work[0].failure()["msg"] == (
        "Cannot go on with try a: No space left on device (/etc/fstab)."
    )
    assert work[1].error is None


def test_one_by_one_finishes_a_jail_before_the_next_is_planned() -> None:
    deeds: list[str] = []

    def planner(path: str, _params: object) -> Plan:
        deeds.append(f"plan {path}")
        return Plan([Note(deeds, f"do {path}")])

    manner = Manner(resolve, lambda: planner, _jobs.one_by_one, exclusive=False)
    _jobs.serve(jobs("a", "b"), manner, False)
    assert deeds == ["plan a", "do a", "plan b", "do b"]


def test_a_jail_that_is_held_fails_for_itself(tmp_path: Path) -> None:
    names = [f"{tmp_path}/{name}" for name in ("b", "a")]
    deeds: list[str] = []
    work = jobs(*names)
    with _files.lock(names[0], "something else"):
        plans = {name: Plan([Note(deeds, name)]) for name in names}
        serve(work, plans, exclusive=True, patience=0.0)
    assert isinstance(work[0].error, Busy)
    assert "is in use by something else" in str(work[0].error)
    assert deeds == [names[1]]


def test_a_file_that_is_held_fails_for_all(tmp_path: Path) -> None:
    file = str(tmp_path / "fstab")
    work = jobs("a", "b")
    with _files.lock(file, "something else"):
        serve(work, {}, also_locks=[file], patience=0.0)
    assert all(isinstance(job.error, Busy) for job in work)


def test_jails_are_held_in_one_order(tmp_path: Path, monkeypatch: Any) -> None:
    """Whatever the order of the list: otherwise two runs could wait for each other."""
    held: list[str] = []
    lock = _files.lock

    def noting(what: str, *rest: Any) -> Any:
        held.append(what)
        return lock(what, *rest)

    monkeypatch.setattr(_files, "lock", noting)
    names = [f"{tmp_path}/{name}" for name in ("c", "a", "b")]
    fstab = f"{tmp_path}/0-fstab"
    plans = {name: Plan() for name in names}
    serve(jobs(*names), plans, exclusive=True, also_locks=[fstab])
    assert held == [*sorted(names), fstab]
