# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The C library by way of ctypes, and what ties a process's life to its parent's.

The latter is all that Ansible's workers need of it: they load this file anew for every task.
"""

from __future__ import annotations

import ctypes
import os

# <sys/prctl.h>
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, path: str) -> None:
    """Raise OSError with the errno of a call that failed."""
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)


def forget_arguments() -> None:
    """Wipe what others see as the arguments and the environment that this process was started with.

    Where they are is told by fields 48 to 51 of stat (proc(5)).
    """
    with open("/proc/self/stat", "rb") as handle:
        # The name, in brackets, may hold anything.
        fields = handle.read().rpartition(b")")[2].split()
    for start, end in (map(int, fields[45:47]), map(int, fields[47:49])):
        # Zeros where the kernel does not tell.
        if start:
            ctypes.memset(start, 0, end - start)


def die_with_parent(signal_number: int = 9) -> None:
    """Have the kernel signal this process (SIGKILL) when its parent ends, however it ends."""
    check(libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal_number), 0, 0, 0), "")


def outlive_parent() -> None:
    """Take die_with_parent() back."""
    check(libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(0), 0, 0, 0), "")


def adopt_orphans(wanted: bool) -> bool:
    """Become the parent of what our descendants leave behind, or no more; what we were before."""
    before = ctypes.c_int()
    check(libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0), "")
    check(libc.prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(wanted), 0, 0, 0), "")
    return bool(before.value)
