# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module's options as a recipe: every word checked, and what a marker records of it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.jaulas.chroot.plugins.module_utils import _arch
from ansible_collections.jaulas.chroot.plugins.module_utils._bootstrap import Recipe
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError

#: Words that reach an engine's command line: never an option, never a separator.
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._:~/=-]*")


def recipe(params: Mapping[str, Any]) -> Recipe:
    """Turn a module's options into a recipe; check every word of it."""
    if not params["suite"]:
        raise JailError("Cannot bootstrap: no suite is named.", "Name the release in `suite`.")
    arch = str(params["arch"] or _arch.of_machine(os.uname().machine))
    if arch not in _arch.ARCHITECTURES:
        raise JailError(
            f"Cannot bootstrap for the architecture {arch}: Debian has none of that name.",
            f"Known ones: {', '.join(sorted(_arch.ARCHITECTURES))}.",
        )
    fields = Recipe._fields
    values = {name: params[name] for name in fields if params.get(name) is not None}
    made = Recipe(**{**values, "arch": arch})
    words = [
        made.suite,
        *made.include,
        *made.exclude,
        *made.components,
        *made.extra_suites,
    ]
    for word in words:
        if not _WORD.fullmatch(word):
            raise JailError(
                f"Cannot bootstrap: {word!r} is no name of a suite, component or package.",
                "Use letters, digits and `+._:~/=-`, one name for each list item.",
            )
    if made.mirror and not re.fullmatch(r"[a-z+]+:[^\s]+", made.mirror):
        raise JailError(f"Cannot bootstrap from {made.mirror!r}: a mirror is a URL without blanks.")
    if made.script and not re.fullmatch(r"[A-Za-z0-9/][A-Za-z0-9+._/-]*", made.script):
        raise JailError(f"Cannot bootstrap with the script {made.script!r}: it is no name or path.")
    return made


def parameters(made: Recipe, engine: str, storage: str) -> dict[str, object]:
    """What the marker records of a recipe. Lists whose order means nothing are sorted."""
    return {
        "suite": made.suite,
        "mirror": made.mirror,
        "arch": made.arch,
        "variant": made.variant,
        "include": sorted(made.include),
        "exclude": sorted(made.exclude),
        "components": sorted(made.components),
        "extra_suites": sorted(made.extra_suites),
        "script": made.script,
        "merged_usr": made.merged_usr,
        "check_gpg": made.check_gpg,
        "keyring": made.keyring,
        "engine": engine,
        "storage": storage,
    }
